"""The writing editor's client of `/ws/ai/stream`, as its contract describes it, against the real program with a host that is
scripted: it opens a socket for one expansion, sends one `generate` when it is open, puts the chunks together, ignores what it does
not know, closes on `done` or `error`, never pings, never reconnects, and cancels by closing."""

import asyncio
import json

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from fake import Fake
from headwater import Server
from viewers import within

TEXT = "Grüße vom Fluss, Wort für Wort"


@pytest.fixture(scope="module")
def fake():
    with Fake("--text", TEXT) as one:
        yield one


@pytest.fixture(scope="module")
def house(fake, tmp_path_factory):
    env = {"OPENAI_BASE_URL": f"{fake.url}/v1", "OPENAI_API_KEY": "any"}
    with Server(tmp_path_factory.mktemp("ai") / "data", provider="openai", env=env) as server:
        yield server


class Expansion:
    """One of the editor's. `enough` chunks and it is cancelled."""

    def __init__(self, server: Server, token: str):
        self.url = f"{server.ws}/ws/ai/stream?token={token}"
        self.text, self.chunks, self.ending = "", 0, None
        self.unknown: list[str] = []  # what it ignores

    async def run(self, prompt: str, enough: int | None = None, rudely: bool = False):
        async with connect(self.url, ping_interval=None, proxy=None) as socket:
            await socket.send(json.dumps({"action": "generate", "prompt": prompt, "system": "You are an editor."}))
            async for message in socket:
                frame = json.loads(message)
                if frame["type"] == "chunk":
                    self.text += frame["text"]
                    self.chunks += 1
                    if enough is not None and self.chunks >= enough:
                        if rudely:
                            socket.transport.abort()
                        break
                elif frame["type"] in ("done", "error"):
                    self.ending = frame
                    break
                else:
                    self.unknown.append(message)
        return self


def run(coroutine, seconds: float = 60):
    return asyncio.run(within(seconds, coroutine))


async def left(fake: Fake) -> dict:
    """The newest call, once nobody asks the host any more."""
    while (calls := await asyncio.to_thread(fake.ask, "calls"))["open"]:
        await asyncio.sleep(0.02)  # polls an outside process; bounded by `within`
    return calls["calls"][-1]


def test_expansions_side_by_side_end_with_the_right_text_and_nothing_twice(house, fake):
    async def all_of_them():
        token = await asyncio.to_thread(house.token, "editor")
        fake.ask("reset", {})
        asked = [Expansion(house, token).run(f"Expand point {n}") for n in range(10)]
        for done in await asyncio.gather(*asked):
            assert done.text == TEXT and done.ending["type"] == "done" and done.ending["user_id"] == "editor", vars(done)
            assert done.unknown == [], "a client of the original is told what it knows"
        assert fake.ask("calls")["answers"] == 10, "each was asked once"
        async with httpx.AsyncClient(base_url=house.url, trust_env=False, headers={"authorization": f"Bearer {token}"}) as http:
            limits = (await http.get("/api/user/limits")).json()
        assert limits == {"ai_generations_used": 10, "ai_generations_limit": 50, "remaining": 40}

    run(all_of_them())


# Planted fault: the run goes on when nobody watches it.
@pytest.mark.parametrize("rudely", [False, True])
def test_cancelling_by_closing_closes_the_call_to_the_model(house, fake, rudely):
    async def cancelled():
        token = await asyncio.to_thread(house.token, f"canceller-{rudely}")
        fake.ask("script?times=1", {"tokens": 100_000, "gap_ms": 5})
        done = await Expansion(house, token).run("Write a book", enough=5, rudely=rudely)
        assert done.chunks == 5 and done.ending is None
        call = await left(fake)
        assert call["ended"] == "left" and 0 < call["deltas"] < 100_000, call

    run(cancelled())


def test_what_a_host_does_wrong_is_said_in_the_originals_words(house, fake):
    async def failing():
        token = await asyncio.to_thread(house.token, "unlucky")
        for failure, words in [
            ({"kind": "status", "status": 429}, "Rate limit exceeded: "),
            ({"kind": "status", "status": 400}, "API error: "),
            ({"kind": "end", "after": 2}, "Connection error: "),
        ]:
            fake.ask("script", {"failure": failure})
            done = await Expansion(house, token).run("Hello")
            assert done.ending["type"] == "error" and done.ending["message"].startswith(words), (failure, vars(done))
            fake.ask("reset", {})
        assert (await Expansion(house, token).run("Hello")).ending["type"] == "done"

    run(failing())


def test_a_stranger_is_refused_at_the_handshake_without_a_word(house):
    async def refused():
        for query in ["", "?token=", "?token=%20", "?token=test-user-123"]:
            with pytest.raises(InvalidStatus) as why:
                await connect(f"{house.ws}/ws/ai/stream{query}", proxy=None)
            assert (why.value.response.status_code, bytes(why.value.response.body or b"")) == (403, b""), query

    run(refused())


async def answer(socket, **frame) -> list[dict]:
    """The frames up to the end of what this one asks for."""
    await socket.send(json.dumps(frame))
    frames = []
    while not frames or frames[-1]["type"] == "chunk":
        frames.append(json.loads(await socket.recv()))
    return frames


@pytest.mark.parametrize("how", ["query", "header"])
def test_the_seeds_scenarios_on_one_socket(house, how):
    """What its test page tried, in its order: ping, generate with a system message, what is wrong, sequential requests, the
    close; with the token in the address and in the header."""

    async def page():
        token = await asyncio.to_thread(house.token, f"page-{how}")
        query, headers = (f"?token={token}", None) if how == "query" else ("", {"Authorization": f"Bearer {token}"})
        async with connect(f"{house.ws}/ws/ai/stream{query}", additional_headers=headers, proxy=None) as socket:
            for _ in range(3):
                assert await answer(socket, action="ping") == [{"type": "pong"}]
                frames = await answer(socket, action="generate", prompt="Hello", system="You are an editor.")
                assert "".join(f.get("text", "") for f in frames) == TEXT
                assert (frames[-1]["type"], frames[-1]["user_id"]) == ("done", f"page-{how}")
                for wrong, words in [
                    ({"action": "generate"}, "Prompt is required for generate action"),
                    ({"action": "generate", "prompt": ""}, "Prompt is required for generate action"),
                    ({"action": "sing"}, "Unknown action: sing"),
                    ({}, "Unknown action: None"),
                ]:
                    assert await answer(socket, **wrong) == [{"type": "error", "message": words}]
        assert socket.close_code == 1000

    run(page())


def test_the_seeds_own_address_in_development(fake, tmp_path):
    """`?token=test-user-123`: any text is a user where the operator works alone, and nowhere else."""

    async def named(server):
        for name, user in [("test-user-123", "test-user-123"), ("us%C3%A9r%20x", "usér x")]:
            done = await Expansion(server, name).run("Hello")
            assert done.text == TEXT and done.ending["user_id"] == user, vars(done)
        for blank in ["", "%20"]:
            with pytest.raises(InvalidStatus):
                await Expansion(server, blank).run("Hello")

    env = {"OPENAI_BASE_URL": f"{fake.url}/v1", "OPENAI_API_KEY": "any"}
    with Server(tmp_path / "data", provider="openai", env=env, args=["--development"]) as server:
        run(named(server))


# Planted fault: a missing key keeps the server from starting.
def test_without_a_key_the_server_runs_and_says_so_at_each_request(tmp_path):
    async def told(server):
        token = await asyncio.to_thread(server.token, "keyless")
        async with connect(f"{server.ws}/ws/ai/stream?token={token}", proxy=None) as socket:
            for _ in range(2):
                await socket.send('{"action":"generate","prompt":"Hello"}')
                frame = json.loads(await socket.recv())
                assert (frame["type"], frame["message"]) == ("error", "API key not configured"), frame
            await socket.send('{"action":"ping"}')
            assert await socket.recv() == '{"type":"pong"}'
        async with httpx.AsyncClient(base_url=server.url, trust_env=False, headers={"authorization": f"Bearer {token}"}) as http:
            answer = await http.post("/api/ai/generate", json={"input_text": "Hello"})
            assert (answer.status_code, answer.json()) == (503, {"detail": "API key not configured"})
            assert (await http.get("/api/health")).json()["status"] == "healthy"

    with Server(tmp_path / "data", provider="anthropic") as server:
        run(told(server))
        said = server.log.read_text()
    assert "NO KEY: provider anthropic needs ANTHROPIC_API_KEY" in said, said
