"""The client of the seed's `WebSocket Streaming Test Guide`, written from what it says of its client: a socket after POST, five reconnects two seconds
apart, the bare word `ping`, polls of the status once the socket is given up, an end when both teams are complete. And a page that opens its socket anew
at every turn. Against the real binary, in development mode, as the original was used: without a token."""

import asyncio
import json
import time

import pytest
import websockets

from headwater import Server, http

TRIES, BETWEEN, SECONDS = 5, 2.0, 60


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("orchestrate")
    with Server(folder / "data", tokens=40, gap_ms=25, env={"HEADWATER_DEVELOPMENT": "on"}) as server:
        status, body = http(server, "POST", "/api/orchestrate/brief", {"brief": "Is there anybody?"})
        assert status == 200, body
        http(server, "DELETE", f"/api/orchestrate/job/{body['job_id']}")
        yield server


class Client:
    """The hook: what it has been told, and whether it is done."""

    def __init__(self, server, job: str, teams: list[str]):
        self.url, self.server, self.job = f"{server.ws}/ws/orchestrate/{job}", server, job
        self.status = dict.fromkeys(teams, "pending")
        self.code, self.thoughts, self.frames, self.pongs, self.polls = {}, [], 0, 0, 0

    @property
    def done(self) -> bool:
        return all(status in ("complete", "error") for status in self.status.values())

    def on(self, text: str) -> None:
        frame = json.loads(text)
        match frame["type"]:
            case "connected":
                assert frame["job_id"] == self.job and "team" not in frame and "data" not in frame
            case "pong":
                self.pongs += 1
            case "status_change":
                self.status[frame["team"]] = frame["data"]["status"]
            case "thought_added":
                assert frame["data"]["team"] == frame["team"]
                self.thoughts.append(frame["data"]["id"])
            case "code_generated":
                self.code[frame["team"]] = frame["data"]["code"]
        self.frames += 1

    async def rest(self, socket, quiet: float) -> None:
        """What has come is looked at before a socket goes, as a page does."""
        try:
            while True:
                self.on(await asyncio.wait_for(socket.recv(), quiet))
        except TimeoutError:
            pass

    async def see_all(self, socket) -> None:
        """From wherever it is to the last code, and what comes behind that."""
        while not self.done or len(self.code) < len(self.status):
            self.on(await asyncio.wait_for(socket.recv(), SECONDS))
        await self.rest(socket, 1.0)

    def poll(self) -> dict:
        status, body = http(self.server, "GET", f"/api/orchestrate/status/{self.job}")
        assert status == 200, body
        self.polls += 1
        for team, view in body["teams"].items():
            self.status[team] = view["status"]
        return body


def brief(server) -> tuple[str, list[str]]:
    status, body = http(server, "POST", "/api/orchestrate/brief", {"brief": "Create a login form with email and password"})
    assert status == 200 and body["status"] == "received", body
    return body["job_id"], list(body["teams"])


def check(client: Client, ends: str) -> None:
    body = client.poll()
    assert body["progress"] == 100 and body["status"] == ends, body
    told = [thought["id"] for view in body["teams"].values() for thought in view["thoughts"]]
    assert len(client.thoughts) == len(set(client.thoughts)), "a thought was told twice"
    assert set(client.thoughts) == set(told), "a thought was never told"
    assert client.code == {team: view["generated_code"] for team, view in body["teams"].items()}


def test_the_seeds_client_loses_its_socket_and_comes_back(house):
    job, teams = brief(house)
    client = Client(house, job, teams)

    async def run():
        end = time.monotonic() + SECONDS
        for attempt in range(TRIES):
            async with websockets.connect(client.url, proxy=None) as socket:
                await socket.send("ping")
                # The first four are lost after some frames, the last one stays.
                frames = client.frames
                while not client.done and time.monotonic() < end:
                    client.on(await asyncio.wait_for(socket.recv(), SECONDS))
                    if attempt < TRIES - 1 and client.frames > frames + 3:
                        break
                # Behind the last status come its code and a thought.
                await client.rest(socket, 1.0 if client.done else 0.02)
            if client.done:
                break
            await asyncio.sleep(BETWEEN)

    asyncio.run(run())
    assert client.done and client.pongs >= 1
    check(client, "complete")


def test_a_page_that_opens_its_socket_at_every_turn_is_told_everything_once(house):
    job, teams = brief(house)
    client = Client(house, job, teams)

    async def run():
        for _ in range(133):
            # As long as the one that was seen: 133 in 6 s.
            async with websockets.connect(client.url, proxy=None) as socket:
                client.on(await asyncio.wait_for(socket.recv(), 10))
                await asyncio.sleep(0.03)
        async with websockets.connect(client.url, proxy=None) as socket:
            await client.see_all(socket)

    asyncio.run(run())
    check(client, "complete")


def test_polling_alone_ends_and_a_late_viewer_sees_it_all(house):
    job, teams = brief(house)
    poller, seen = Client(house, job, teams), []
    end = time.monotonic() + SECONDS
    while not poller.done and time.monotonic() < end:
        seen.append(poller.poll()["progress"])
        time.sleep(0.1)
    assert poller.done and seen == sorted(seen), "progress never goes back"
    late = Client(house, job, teams)

    async def run():
        async with websockets.connect(late.url, proxy=None) as socket:
            await late.see_all(socket)

    asyncio.run(run())
    check(late, "complete")


def test_cancel_ends_it_and_it_is_gone(house):
    job, _ = brief(house)
    assert http(house, "DELETE", f"/api/orchestrate/job/{job}") == (200, {"message": "Job cancelled", "job_id": job})
    for method, path in [("DELETE", "job"), ("GET", "job"), ("GET", "status"), ("POST", "generate")]:
        assert http(house, method, f"/api/orchestrate/{path}/{job}") == (404, {"detail": "Job not found"})
