"""The tutor's front-end client, written from the seed's own description of it: it reconnects after min(1000·2^n, 5000) ms, keeps
what is sent while it is closed and sends it when it opens, pings every 30 s, closes with 1000, drops frames without `type`
or `data`, and its `cancel()` unsubscribes before it sends `stop_generation`. Its seconds are `scale` of ours."""

import asyncio
import json
import uuid
from collections.abc import Callable

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

ENDINGS = {"stream_complete", "stream_error", "generation_stopped"}
Handler = Callable[[dict], None]


class NativeSocket:
    """The socket: its queue, its reconnects, its pings, its subscriptions."""

    def __init__(self, url: str, scale: float = 0.01):
        self.url, self.scale = url, scale
        self.queue: list[str] = []
        self.handlers: dict[str, list[Handler]] = {}
        self.dropped: list[str] = []
        self.waits: list[float] = []
        self.opens = 0
        self.closed_with: int | None = None
        self.open = asyncio.Event()
        self._socket = None
        self._closing = False
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        attempt = 0
        while not self._closing:
            try:
                async with connect(self.url, proxy=None, ping_interval=None) as socket:
                    attempt, self._socket = 0, socket
                    self.opens += 1
                    # What was kept goes first, in its order.
                    kept, self.queue = self.queue, []
                    for frame in kept:
                        await socket.send(frame)
                    self.open.set()
                    pings = asyncio.create_task(self._ping())
                    try:
                        async for text in socket:
                            self._hear(text)
                    finally:
                        pings.cancel()
            except (OSError, ConnectionClosed, InvalidHandshake):
                pass
            self._socket = None
            self.open.clear()
            if not self._closing:
                wait = min(1000 * 2**attempt, 5000)
                self.waits.append(wait)
                attempt += 1
                await asyncio.sleep(wait / 1000 * self.scale)

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(30 * self.scale)
            self.send("ping", {})

    def _hear(self, text: str) -> None:
        frame = json.loads(text)
        if not frame.get("type") or not frame.get("data"):
            self.dropped.append(text)
            return
        for handler in list(self.handlers.get(frame["type"], [])):
            handler(frame)

    def send(self, kind: str, data: dict) -> None:
        frame = json.dumps({"type": kind, "data": data, "timestamp": 0})
        if self._socket is None:
            self.queue.append(frame)
        else:
            asyncio.get_running_loop().create_task(self._send(frame))

    async def _send(self, frame: str) -> None:
        try:
            await self._socket.send(frame)
        except (AttributeError, ConnectionClosed):
            self.queue.append(frame)

    def on(self, kind: str, handler: Handler) -> Callable[[], None]:
        self.handlers.setdefault(kind, []).append(handler)
        return lambda: self.handlers[kind].remove(handler)

    def cut(self) -> None:
        """The line breaks: no close frame."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def close(self) -> None:
        self._closing = True
        if self._socket is not None:
            socket = self._socket
            await socket.close(1000)
            self.closed_with = socket.close_code
        self._task.cancel()


class Stream:
    """`streamMessage`: what a page has of one answer."""

    KINDS = ["stream_start", "context_info", "emotion_update", "thinking_chunk", "content_chunk", *ENDINGS]

    def __init__(self, socket: NativeSocket, message: str, session: str, **context):
        self.socket, self.id, self.session = socket, str(uuid.uuid4()), session
        self.text, self.frames, self.ending = "", [], None
        self.over, self.first = asyncio.Event(), asyncio.Event()
        self._subscribed = [socket.on(kind, self._hear) for kind in self.KINDS]
        self.data = {"message_id": self.id, "session_id": session, "message": message, "context": context}
        socket.send("chat_stream", self.data)

    def _hear(self, frame: dict) -> None:
        if frame["data"].get("message_id") != self.id:
            return
        self.frames.append(frame)
        if frame["type"] == "content_chunk":
            self.text += frame["data"]["content"]
            self.first.set()
        if frame["type"] in ENDINGS:
            self.ending = frame
            self.over.set()

    def unsubscribe(self) -> None:
        for leave in self._subscribed:
            leave()
        self._subscribed = []

    def cancel(self) -> None:
        self.unsubscribe()
        self.socket.send("stop_generation", {"message_id": self.id})
