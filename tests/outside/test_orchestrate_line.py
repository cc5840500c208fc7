"""The seed's page for code by teams on a bad line, from the page's own origin: five tries and then polls, a server that goes down in the middle, a
page that is left, the bare word `ping` from a console, and messages in the form that the seed declares."""

import asyncio
import json
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import websockets

from headwater import Server, http
from line import Line
from test_orchestrate import SECONDS, TRIES, Client, brief, check

PAGE = "http://localhost:3030"
# The seed's two seconds between tries and between polls, as ours.
BETWEEN = 0.1
ENV = {"HEADWATER_DEVELOPMENT": "on", "HEADWATER_ORIGINS": PAGE}
# `WSMessage`: what the seed's page knows.
KNOWN = {"connected", "status_change", "thought_added", "code_generated", "error", "pong"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def house(folder: Path, tokens: int = 40) -> Server:
    """Each answer takes a second, or so many pieces longer."""
    return Server(folder / "data", tokens=tokens, gap_ms=25, env=ENV, args=["--listen", "orchestrate=127.0.0.1:0"])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with house(tmp_path_factory.mktemp("orchestrate")) as one:
        yield one


def connect(line: Line, job: str):
    return websockets.connect(f"ws://{line.address}/ws/orchestrate/{job}", proxy=None, origin=PAGE)


async def hook(client: Client, line: Line, frames: int | None = None) -> int:
    """The seed's hook: five tries to come back, then it gives up; one that opened is counted anew when it is lost."""
    failed = 0
    while not client.done and failed < TRIES:
        try:
            async with connect(line, client.job) as socket:
                failed = 0
                while not client.done:
                    client.on(await asyncio.wait_for(socket.recv(), SECONDS))
                    if frames is not None and client.frames >= frames:
                        line.down, frames = True, None
                        line.cut()
                        # What had come already is not looked at: it may be all of a short job.
                        break
                else:
                    await client.rest(socket, 1.0)
        except websockets.ConnectionClosed:
            pass
        except (OSError, EOFError, websockets.WebSocketException):
            failed += 1
        await asyncio.sleep(BETWEEN)
    return failed


async def poll(client: Client) -> dict:
    """Until the job is over, which is a little behind the last of its teams."""
    end = time.monotonic() + SECONDS
    while True:
        body = await asyncio.to_thread(client.poll)
        if body["status"] in ("complete", "error"):
            return body
        assert time.monotonic() < end, body
        await asyncio.sleep(BETWEEN)


def through(server, steps):
    async def whole():
        async with Line(server.surfaces["orchestrate"]) as line:
            await asyncio.wait_for(steps(line), SECONDS)

    asyncio.run(whole())


def test_a_page_whose_socket_is_blocked_gives_up_and_polls_to_the_end(server):
    job, teams = brief(server)
    client = Client(server, job, teams)

    async def steps(line):
        assert await hook(client, line, frames=4) == TRIES and not client.done
        body = await poll(client)
        assert body["status"] == "complete" and body["progress"] == 100
        assert all(view["generated_code"] for view in body["teams"].values())

    through(server, steps)
    assert set(client.status.values()) == {"complete"} and client.polls >= 1


def test_a_server_that_goes_down_in_the_middle_is_polled_until_it_is_back_and_says_what_became_of_the_job(tmp_path):
    # Long enough to be at work in both teams until it is killed.
    first = house(tmp_path, tokens=800)
    try:
        job, teams = brief(first)
        client = Client(first, job, teams)

        async def steps(line):
            async with connect(line, job) as socket:
                # At work; an answer of this provider is taken for code at its end.
                while set(client.status.values()) != {"thinking"}:
                    client.on(await asyncio.wait_for(socket.recv(), SECONDS))
                await asyncio.to_thread(first.kill)
                with pytest.raises(websockets.ConnectionClosed):
                    while True:
                        client.on(await asyncio.wait_for(socket.recv(), SECONDS))
            assert await hook(client, line) == TRIES, "nobody is there"
            with pytest.raises(OSError):
                client.poll()
            with house(tmp_path) as second:
                client.server = second
                body = await poll(client)
                assert body["status"] == "error", body
                lost = [view for view in body["teams"].values() if view["status"] == "error"]
                assert lost and all("the server stopped" in view["error_message"] for view in lost), body
                # It can be done once more, and is whole then.
                _, again = http(second, "POST", f"/api/orchestrate/generate/{job}")
                assert again["message"] == "Generation triggered" and again["job_id"] == job
                rerun = Client(second, again["run_id"], teams)
                assert (await poll(rerun))["status"] == "complete"

        through(first, steps)
    finally:
        first.kill()


def test_a_page_that_is_left_costs_the_job_nothing(server):
    job, teams = brief(server)
    client = Client(server, job, teams)

    async def steps(line):
        async with connect(line, job) as socket:
            client.on(await asyncio.wait_for(socket.recv(), SECONDS))
            await socket.close(1000)
            assert socket.close_code == 1000
        await poll(client)

    through(server, steps)
    # Whoever looks later is shown all of it.
    late = Client(server, job, teams)

    async def look(line):
        async with connect(line, job) as socket:
            await late.see_all(socket)

    through(server, look)
    check(late, "complete")


def test_from_a_console_on_a_job_that_nobody_has(server):
    async def steps(line):
        async with connect(line, "test-job-id") as socket:
            first = json.loads(await asyncio.wait_for(socket.recv(), SECONDS))
            assert list(first) == ["type", "job_id", "timestamp"] and first["type"] == "connected" and first["job_id"] == "test-job-id"
            # What it does not know it ignores, and stays.
            for frame in ["hello", "{oops", '{"type":"subscribe"}', b"\x00\x01"]:
                await socket.send(frame)
            await socket.send("ping")
            pong = json.loads(await asyncio.wait_for(socket.recv(), SECONDS))
            assert list(pong) == ["type", "timestamp"] and pong["type"] == "pong" and TIME.fullmatch(pong["timestamp"])

    through(server, steps)


def test_messages_have_the_form_that_the_seed_declares(server):
    job, teams = brief(server)
    client, told, steps_of = Client(server, job, teams), [], {team: [] for team in teams}

    async def steps(line):
        async with connect(line, job) as socket:
            await socket.send("ping")
            while len(client.code) < len(teams):
                text = await asyncio.wait_for(socket.recv(), SECONDS)
                told.append(json.loads(text))
                client.on(text)

    through(server, steps)
    for frame in told:
        assert frame["type"] in KNOWN and TIME.fullmatch(frame["timestamp"]), frame
        if frame["type"] in ("connected", "pong"):
            assert "team" not in frame and "data" not in frame
            continue
        assert frame["team"] in teams and frame["job_id"] == job
        data = frame["data"]
        match frame["type"]:
            case "status_change":
                assert list(data) == ["status"]
                steps_of[frame["team"]].append(data["status"])
            case "thought_added":
                assert list(data) == ["id", "text", "timestamp", "team"] and data["text"] and TIME.fullmatch(data["timestamp"])
            case "code_generated":
                assert list(data) == ["code", "token_count"] and data["code"] and data["token_count"] > 0
    assert all(steps == ["thinking", "generating", "complete"] for steps in steps_of.values()), steps_of


def test_the_page_may_ask_from_its_own_origin_and_another_may_not(server):
    url = server.surfaces["orchestrate"] + "/api/orchestrate/brief"
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}

    def send(method: str, origin: str, headers: dict[str, str], body: dict | None = None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Origin": origin, **headers}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, dict(answer.headers.items())
        except urllib.error.HTTPError as refused:
            return refused.code, dict(refused.headers.items())

    status, headers = send("OPTIONS", PAGE, asked)
    allowed = {name.lower(): value for name, value in headers.items()}
    assert status < 300 and allowed["access-control-allow-origin"] == PAGE and "POST" in allowed["access-control-allow-methods"], allowed
    status, headers = send("POST", PAGE, {"Content-Type": "application/json"}, {"brief": "A form"})
    assert status == 200 and {name.lower(): value for name, value in headers.items()}["access-control-allow-origin"] == PAGE
    # In development mode a stranger's page is not the developer.
    status, _ = send("POST", "http://evil.example", {"Content-Type": "application/json"}, {"brief": "A form"})
    assert status in (401, 403), status

    async def steps(line):
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with websockets.connect(f"ws://{line.address}/ws/orchestrate/x", proxy=None, origin="http://evil.example"):
                pass
        assert refused.value.response.status_code == 403

    through(server, steps)
