"""The tutor's client on a bad line, as its seed tells it: what was sent while it was closed is sent when it opens, it waits longer each time, a
question that nobody answers in time is asked again over HTTP, and several answers stream at once. On the tutor's own listener, with the original's paths."""

import asyncio
import json
import uuid
from pathlib import Path

import pytest

from fake import Fake
from headwater import Server, http
from line import Line
from tutor_client import ENDINGS, NativeSocket, Stream
from viewers import until

SECONDS = 40
# The seed's: a question is given up on the socket after so many seconds, and asked over HTTP.
PATIENCE = 30
SCALE = 0.01


def house(folder: Path, tokens: int) -> Server:
    return Server(folder / "data", tokens=tokens, gap_ms=12, args=["--listen", "tutor=127.0.0.1:0"])


@pytest.fixture(scope="module")
def tutor(tmp_path_factory):
    """Answers of some two seconds and of more than 500 letters."""
    with house(tmp_path_factory.mktemp("tutor"), 150) as one:
        yield one


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """Answers of seven seconds: none is over while a test does something to it in the middle."""
    with house(tmp_path_factory.mktemp("long"), 600) as one:
        yield one


def run(server, steps):
    async def whole():
        token = server.token("tess", "tess@example.com", "Tess")
        async with Line(server.surfaces["tutor"]) as line:
            socket = NativeSocket(f"ws://{line.address}/api/ws?token={token}", SCALE)
            try:
                return await asyncio.wait_for(steps(socket, line, token), SECONDS)
            finally:
                await socket.close()

    return asyncio.run(whole())


async def whole(stream: Stream) -> None:
    """The right text, and nothing twice."""
    await stream.over.wait()
    kinds = [frame["type"] for frame in stream.frames]
    assert kinds[0] == "stream_start" and [kind for kind in kinds if kind in ENDINGS] == ["stream_complete"], kinds
    assert stream.text == stream.ending["data"]["full_content"]
    # Counted anew by each connection.
    assert all(frame["data"]["message_id"] == stream.id and frame["data"]["session_id"] == stream.session for frame in stream.frames)


def test_it_waits_longer_each_time_and_sends_what_it_kept_in_order(tutor):
    async def steps(socket, line, _):
        line.down = True
        line.cut()
        await until("it is lost", lambda: not socket.open.is_set())
        # From here on nobody answers it.
        streams = [Stream(socket, f"Question {n}: why is grass green?", str(uuid.uuid4())) for n in range(3)]
        stopped = str(uuid.uuid4())
        socket.send("chat_stream", {"message_id": stopped, "session_id": "s", "message": "Never mind."})
        socket.send("stop_generation", {"message_id": stopped})
        acknowledged = asyncio.Event()
        socket.on("stop_acknowledged", lambda frame: acknowledged.set() if frame["data"]["message_id"] == stopped else None)
        pongs = []
        socket.on("pong", pongs.append)
        tried = line.tries
        await until("six tries", lambda: line.tries >= tried + 6)
        assert socket.waits[:5] == [1000, 2000, 4000, 5000, 5000]
        assert [json.loads(frame)["type"] for frame in socket.queue] == ["chat_stream"] * 4 + ["stop_generation"]
        line.down = False
        await asyncio.gather(*(whole(stream) for stream in streams), acknowledged.wait())
        assert socket.queue == [] and socket.dropped == [], "every frame has a type and data"
        # Every 30 s, which are 0.3 s here.
        await until("two pongs", lambda: len(pongs) >= 2)
        assert all(pong["data"]["timestamp"] > 0 for pong in pongs)
        await socket.close()
        assert socket.closed_with == 1000

    run_open(tutor, steps)


def run_open(server, steps):
    """With a line that is open before it is taken away."""

    async def opened(socket, line, token):
        await socket.open.wait()
        await steps(socket, line, token)

    run(server, opened)


def test_answers_of_several_sessions_stream_at_once_each_whole(long):
    async def steps(socket, line, _):
        streams = [Stream(socket, f"Question {n}: explain photosynthesis at length.", f"many-{n}") for n in range(4)]
        await asyncio.gather(*(stream.first.wait() for stream in streams))
        assert not any(stream.over.is_set() for stream in streams), "they stream at once"
        await asyncio.gather(*(whole(stream) for stream in streams))
        assert all(len(stream.text) >= 500 for stream in streams)
        assert len({stream.ending["data"]["ai_message_id"] for stream in streams}) == 4

    run(long, steps)


def test_a_line_that_breaks_again_and_again_brings_nothing_twice_and_one_ending(long):
    async def steps(socket, line, _):
        stream = Stream(socket, "What is a leaf?", str(uuid.uuid4()))
        await stream.first.wait()
        for _ in range(3):
            opens = socket.opens
            line.cut()
            await until("it is back", lambda: socket.opens > opens)
            seen = len(stream.frames)
            await until("the answer goes on", lambda: len(stream.frames) > seen)
        await stream.over.wait()
        assert stream.ending["type"] == "stream_complete"
        kinds = [frame["type"] for frame in stream.frames]
        assert kinds.count("stream_start") == 1 and kinds.count("stream_complete") == 1
        seqs = [frame["data"]["seq"] for frame in stream.frames if "seq" in frame["data"]]
        assert seqs == sorted(set(seqs)), "an event came twice, or out of order"

    run(long, steps)


def test_a_question_that_is_not_answered_in_time_is_asked_over_http_and_is_the_same_turn(tutor):
    async def steps(socket, line, token):
        await socket.open.wait()
        line.hold()
        stream = Stream(socket, "Why does the moon change shape?", str(uuid.uuid4()), subject="astronomy")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.over.wait(), PATIENCE * SCALE)
        turn = {"user_id": "tess", **stream.data}
        status, answer = await asyncio.to_thread(http, tutor.at("tutor"), "POST", "/api/v1/chat", turn, token)
        assert status == 200, answer
        assert answer["session_id"] == stream.session and len(answer["message"]) >= 500
        # The line was slow and not dead: what was on it is the same answer, and not a second one.
        line.release()
        await whole(stream)
        ending = stream.ending["data"]
        assert (ending["full_content"], ending["ai_message_id"]) == (answer["message"], answer["run_id"])

    run(tutor, steps)


def test_an_error_keeps_what_was_said_and_the_next_try_is_answered(tmp_path):
    with Fake() as fake:
        fake.ask("script", {"tokens": 40, "failure": {"kind": "error", "after": 5, "status": 503}})
        env = {"OPENAI_BASE_URL": f"{fake.url}/v1", "OPENAI_API_KEY": "any", "HEADWATER_MODEL": "fake-model"}
        with Server(tmp_path / "data", provider="openai", env=env, args=["--listen", "tutor=127.0.0.1:0"]) as server:

            async def steps(socket, line, _):
                stream = Stream(socket, "Why?", str(uuid.uuid4()))
                await stream.over.wait()
                data = stream.ending["data"]
                assert stream.ending["type"] == "stream_error", stream.ending
                assert (data["error"]["code"], data["error"]["recoverable"]) == ("AI_PROVIDER_UNAVAILABLE", True)
                assert data["error"]["message"].startswith("AI generation failed: ")
                assert stream.text and data["partial_content"] == stream.text
                fake.ask("script", {"tokens": 40, "failure": None})
                await whole(Stream(socket, "Why?", stream.session))

            run(server, steps)
