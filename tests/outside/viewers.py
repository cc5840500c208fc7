"""Viewers that write down everything they were shown, byte for byte, so that it can be held against the log afterwards."""

import asyncio
import json
import time
from collections.abc import Callable

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

ENDED = {"completed", "failed", "cancelled", "interrupted"}
GONE = (httpx.HTTPError, OSError, ConnectionClosed, InvalidHandshake, EOFError)  # what a killed server looks like from here

Notice = Callable[[], None]


class Refused(Exception):
    """The server answered, and the answer was no. Never to be mistaken for a cut connection."""

    def __init__(self, status: int, body: str):
        super().__init__(f"{status}: {body[:300]}")
        self.status, self.body = status, body


class Api:
    """The native HTTP interface, with one user's token."""

    def __init__(self, url: str, token: str):
        self.url, self.token = url, token
        # `verify=False`: loopback is plain HTTP, and loading the certificate store costs 30 ms a life.
        self.http = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, verify=False, trust_env=False,
            timeout=httpx.Timeout(20, pool=None), limits=httpx.Limits(max_connections=None),
        )

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.http.aclose()

    async def _json(self, method: str, path: str, **how):
        answer = await self.http.request(method, path, **how)
        if answer.status_code >= 400:
            raise Refused(answer.status_code, answer.text)
        return answer.json()

    async def start(self, message: str, message_id: str | None = None, **more) -> tuple[str, str]:
        body = {"workflow": "generate", "message": message, **more}
        if message_id:
            body["message_id"] = message_id
        got = await self._json("POST", "/api/runs", json=body)
        return got["run_id"], got["session_id"]

    async def run(self, run_id: str) -> dict:
        return await self._json("GET", f"/api/runs/{run_id}")

    async def stop(self, run_id: str) -> dict:
        return await self._json("POST", f"/api/runs/{run_id}/stop")

    async def log(self, run_id: str) -> list[dict]:
        return await self.log_after(run_id, 0)

    async def log_after(self, run_id: str, start: int) -> list[dict]:
        """The log after a number, page by page, to its ending or, while it lives, to an empty page."""
        events: list[dict] = []
        while True:
            after = events[-1]["seq"] if events else start
            page = await self._json("GET", f"/api/runs/{run_id}/events", params={"after": after}, headers={"Accept": "application/json"})
            if not page["events"]:
                return events
            assert page["events"][0]["seq"] > after, "a page that does not move on"
            events += page["events"]
            if events[-1]["type"] == "run_ended":
                return events


class SseViewer:
    """Server-Sent Events. `seen` is every event in the order of arrival, across reconnects: (seq, the data line's bytes)."""

    def __init__(self, run_id: str):
        self.run_id = run_id
        self.seen: list[tuple[int, bytes]] = []
        self.cursor: str | None = None
        self.ended = False

    async def follow(self, api: Api, notice: Notice = lambda: None) -> bool:
        """Follows until the run's end (True) or until the connection is gone (False)."""
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": self.cursor} if self.cursor else {})}
        try:
            async with api.http.stream("GET", f"/api/runs/{self.run_id}/events", headers=headers) as answer:
                if answer.status_code != 200:
                    raise Refused(answer.status_code, (await answer.aread()).decode(errors="replace"))
                assert answer.headers["content-type"].startswith("text/event-stream"), answer.headers
                await self._read(answer.aiter_raw(), notice)
        except GONE:
            pass
        return self.ended

    async def _read(self, pieces, notice: Notice) -> None:
        rest, cursor, data = b"", None, None
        async for piece in pieces:
            # By LF only: httpx would also split a line at U+2028 inside the text.
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if line.startswith(b":"):
                    continue  # heartbeat
                if line.startswith(b"id: "):
                    assert cursor is None, "two ids in one event"
                    cursor = line[4:].decode()
                elif line.startswith(b"data: "):
                    assert data is None, "two data lines in one event"
                    data = line[6:]
                elif line == b"":
                    # Only here is the event complete; one that the cut tore apart was never shown.
                    assert cursor and data is not None, "a blank line without an event"
                    self._take(cursor, data, notice)
                    cursor = data = None
                else:
                    raise AssertionError(f"not a line of this protocol: {line!r}")

    def _take(self, cursor: str, data: bytes, notice: Notice) -> None:
        event = json.loads(data)
        assert event["run_id"] == self.run_id and {"seq", "type", "at"} <= event.keys(), event
        assert not self.ended, "an event after run_ended"
        self.seen.append((event["seq"], data))
        self.cursor = cursor
        self.ended = event["type"] == "run_ended"
        notice()


class SocketViewer(SseViewer):
    """`/ws`, subprotocol headwater.v1. The same events, bytes and cursors as the stream's, each in a frame around it."""

    async def follow(self, api: Api, notice: Notice = lambda: None) -> bool:
        address = f"ws{api.url.removeprefix('http')}/ws?token={api.token}"
        try:
            async with connect(address, subprotocols=["headwater.v1"], max_size=None, proxy=None) as socket:
                await socket.send(json.dumps({"type": "follow", "run_id": self.run_id, **({"cursor": self.cursor} if self.cursor else {})}))
                async for text in socket:
                    frame = json.loads(text)
                    if frame["type"] == "error":
                        raise Refused(0, text)
                    if frame["type"] == "event":
                        self._take(frame["cursor"], text[text.index('"event":{') + 8 : -1].encode(), notice)
                        if self.ended:
                            return True
        except GONE:
            pass
        return self.ended


class ChatViewer:
    """`/ws/chat`, joining a run by `resume`. Its frames may merge text, so it keeps (seq, token, partial_response)."""

    def __init__(self, run_id: str, session_id: str):
        self.run_id, self.session_id = run_id, session_id
        self.seen: list[tuple[int, str, str]] = []
        self.after = 0
        self.ended: dict | None = None

    async def follow(self, api: Api, notice: Notice = lambda: None) -> bool:
        try:
            async with connect(f"ws{api.url.removeprefix('http')}/ws/chat?token={api.token}", max_size=None, proxy=None) as socket:
                await socket.send(json.dumps({"type": "resume", "session_id": self.session_id, "run_id": self.run_id, "after": self.after}))
                async for text in socket:
                    frame = json.loads(text)
                    if frame.get("run_id", self.run_id) != self.run_id:
                        continue
                    if frame["type"] in ("complete", "error"):
                        if frame["type"] == "error" and "seq" not in frame:
                            raise Refused(0, text)
                        self.ended = frame
                        self.after = frame["seq"]
                        notice()
                        return True
                    if frame["type"] == "token":
                        self.seen.append((frame["seq"], frame["token"], frame["partial_response"]))
                    if "seq" in frame:
                        self.after = frame["seq"]
                    notice()
        except GONE:
            pass
        return self.ended is not None


async def until(what: str, true: Callable[[], object], seconds: float = 30) -> None:
    """Polls for what an outside process brings about, and says what did not come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)


async def within(seconds: float, what):
    """Every wait has a bound, and says what it waited for."""
    try:
        async with asyncio.timeout(seconds):
            return await what
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {getattr(what, '__qualname__', what)}") from None
