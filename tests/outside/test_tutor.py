"""The tutor's own client against the real binary: the right text, nothing twice, whatever happens to its line."""

import asyncio
import uuid

import pytest

from headwater import Server
from tutor_client import NativeSocket, Stream

SECONDS = 30


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """Forty pieces, 20 ms apart: time enough to cut a line in the middle."""
    with Server(tmp_path_factory.mktemp("tutor") / "data", tokens=40, gap_ms=20) as one:
        yield one


def run(server, steps):
    async def whole():
        socket = NativeSocket(f"{server.ws}/api/ws?token={server.token('tess', 'tess@example.com', 'Tess')}")
        try:
            return await asyncio.wait_for(steps(socket), SECONDS)
        finally:
            await socket.close()

    return asyncio.run(whole())


async def ended(stream: Stream) -> dict:
    await stream.over.wait()
    error = stream.ending["data"].get("error") or {}
    assert error.get("details", {}).get("code") != "unknown_workflow", "this server has no workflow `tutor`"
    return stream.ending


def check(stream: Stream) -> None:
    kinds = [frame["type"] for frame in stream.frames]
    assert kinds[0] == "stream_start" and kinds.count("stream_start") == 1, kinds
    assert stream.ending["type"] == "stream_complete", stream.ending
    assert stream.text == stream.ending["data"]["full_content"], "what came piece by piece is the whole answer"
    seqs = [frame["data"]["seq"] for frame in stream.frames if frame["type"] != "content_chunk"]
    assert seqs == sorted(set(seqs)), "an event came twice, or out of order"


def test_what_is_sent_before_it_is_open_is_sent_then(slow):
    async def steps(socket):
        assert not socket.open.is_set()
        stream = Stream(socket, "Why is grass green?", str(uuid.uuid4()), subject="biology", enable_reasoning=True)
        assert len(socket.queue) == 1
        await ended(stream)
        check(stream)
        assert socket.dropped == []

    run(slow, steps)


def test_a_line_that_breaks_in_the_middle_costs_nothing(slow):
    async def steps(socket):
        stream = Stream(socket, "What is a leaf?", str(uuid.uuid4()))
        await asyncio.wait([asyncio.create_task(stream.first.wait()), asyncio.create_task(stream.over.wait())], return_when=asyncio.FIRST_COMPLETED)
        if stream.over.is_set():
            await ended(stream)
        socket.cut()
        await ended(stream)
        assert socket.opens >= 2 and socket.waits[0] == 1000
        # What was on its way when the line broke may be missing in the pieces, and nothing came twice; the end has it all.
        whole = stream.ending["data"]["full_content"]
        assert stream.ending["type"] == "stream_complete" and len(stream.text) <= len(whole)
        chunks = [frame["data"]["seq"] for frame in stream.frames if "seq" in frame["data"]]
        assert chunks == sorted(set(chunks)), "an event came twice, or out of order"
        # Cut behind any frame, what comes after its number is exactly what was not there yet.
        parts = [frame for frame in stream.frames if frame["type"] == "content_chunk"]
        for had in range(min(len(parts), 8)):
            if "seq" not in parts[had]["data"]:
                continue
            stream.text, stream.ending = "", None
            stream.over.clear()
            socket.send("chat_stream", {**stream.data, "after": parts[had]["data"]["seq"]})
            await stream.over.wait()
            assert stream.ending["data"]["full_content"] == whole
            assert whole.endswith(stream.text), "the rest is not the end of the answer"
            if len(stream.text) < len(whole) and len("".join(p["data"]["content"] for p in parts)) == len(whole):
                before = "".join(part["data"]["content"] for part in parts[: had + 1])
                assert before + stream.text == whole
        assert [frame["type"] for frame in stream.frames].count("stream_start") == 1

    run(slow, steps)


def test_cancel_is_acknowledged_and_nothing_comes_behind_it(slow):
    async def steps(socket):
        stream = Stream(socket, "Tell me everything.", str(uuid.uuid4()))
        await asyncio.wait([asyncio.create_task(stream.first.wait()), asyncio.create_task(stream.over.wait())], return_when=asyncio.FIRST_COMPLETED)
        if stream.over.is_set():
            await ended(stream)
        heard, stopped = [], asyncio.Event()
        for kind in ("stop_acknowledged", "content_chunk", "generation_stopped"):
            socket.on(kind, lambda frame: heard.append(frame["type"]))
        socket.on("generation_stopped", lambda _: stopped.set())
        stream.cancel()
        seen = len(stream.frames)
        await stopped.wait()
        # A ping and its answer: whatever was on its way has come.
        pong = asyncio.Event()
        socket.on("pong", lambda _: pong.set())
        socket.send("ping", {})
        await pong.wait()
        assert heard[heard.index("stop_acknowledged"):] == ["stop_acknowledged", "generation_stopped"]
        assert len(stream.frames) == seen, "it had unsubscribed"

    run(slow, steps)


def test_the_same_message_again_is_the_same_answer(slow):
    async def steps(socket):
        stream = Stream(socket, "Once?", str(uuid.uuid4()))
        await ended(stream)
        check(stream)
        first = stream.ending["data"]
        stream.over.clear()
        socket.send("chat_stream", stream.data)
        await stream.over.wait()
        assert stream.ending["data"]["ai_message_id"] == first["ai_message_id"]
        assert stream.ending["data"]["full_content"] == first["full_content"]

    run(slow, steps)


def test_two_windows_of_one_user_meet_in_a_session(slow):
    async def steps(one):
        token = slow.token("tess", "tess@example.com", "Tess")
        two = NativeSocket(f"{slow.ws}/api/ws?token={token}")
        try:
            session, joined, typing, chunks = str(uuid.uuid4()), asyncio.Event(), asyncio.Event(), asyncio.Event()
            two.on("session_joined", lambda _: joined.set())
            two.on("error", lambda frame: pytest.fail(str(frame)))
            two.on("typing_indicator", lambda frame: typing.set() if frame["data"]["isTyping"] else None)
            two.on("stream_complete", lambda _: chunks.set())
            two.send("join_session", {"session_id": session})
            await joined.wait()
            one.send("user_typing", {"session_id": session, "isTyping": True})
            await typing.wait()
            stream = Stream(one, "Hello?", session)
            await ended(stream)
            await chunks.wait()
        finally:
            await two.close()

    run(slow, steps)
