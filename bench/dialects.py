#!/usr/bin/env python3
"""The timings that the four systems' own documents promise, through each of their protocols, against a provider that says its first word at once:
connect, authenticate, first token, a message's round trip, and stop to stopped. Beside them the endpoint that people write by hand.

All on one server and in turns, so that a busy machine is busy for each; the client is in Python and shares the machine's cores. What the
documents promise is printed beside what was measured. Needs the packages of tests/outside/requirements.txt."""

import argparse
import asyncio
import datetime
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path

from websockets.asyncio.client import connect

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tests" / "outside"))
sys.path.insert(0, str(HERE))
from fake import Fake  # noqa: E402
from first_token import Peer  # noqa: E402
from headwater import Server  # noqa: E402

WORDS = 10
# Milliseconds, the upper end of what the documents say; None where they say nothing.
PROMISED = {"connect": 50, "authenticate": 100, "first_token": 1000, "round_trip": 150, "stop": None}
# A job is no message: of it the documents promise the connection alone.
OF_JOBS = {"connect"}


class Socket:
    """One connection of one protocol. `asked` sends a question and returns the frames that are waited for."""

    def __init__(self, server, token: str):
        self.server, self.token = server, token

    async def __aenter__(self):
        began = time.perf_counter()
        self.ws = await connect(self.url(), compression=None)
        await self.greeted()
        self.connected = (time.perf_counter() - began) * 1000
        return self

    async def __aexit__(self, *_):
        await self.ws.close()

    async def greeted(self) -> None: ...

    async def authenticate(self) -> None: ...

    async def send(self, **frame) -> None:
        await self.ws.send(json.dumps(frame))

    async def until(self, *kinds: str) -> dict:
        while True:
            frame = json.loads(await asyncio.wait_for(self.ws.recv(), 30))
            if frame["type"] in kinds:
                return frame
            assert frame["type"] not in ("error", "stream_error"), frame

    @property
    def base(self) -> str:
        return "ws" + self.server.url.removeprefix("http")


class Chat(Socket):
    name, first, last, stopped = "chat", ("token",), ("complete",), ("complete",)

    def url(self):
        return f"{self.base}/ws/chat?partial=false"

    async def authenticate(self):
        await self.send(type="auth", token=self.token)
        await self.until("auth_success")

    async def ask(self):
        await self.send(type="message", message="What is the engine power?")

    async def stop(self):
        await self.send(type="stop")


class Hand(Chat):
    """The peer: it knows no sign-in and no stop."""

    name = "by hand"

    async def authenticate(self): ...

    def url(self):
        return f"{self.base}/ws/chat"


class AiStream(Socket):
    name, first, last, stopped = "ai_stream", ("chunk",), ("done",), ("done",)

    def url(self):
        return f"{self.base}/ws/ai/stream?token={self.token}"

    async def ask(self):
        await self.send(action="generate", prompt="What is the engine power?")

    async def stop(self):
        await self.send(action="stop")


class Tutor(Socket):
    name, first, last, stopped = "tutor", ("content_chunk",), ("stream_complete",), ("generation_stopped",)

    def url(self):
        return f"{self.base}/api/ws?token={self.token}"

    async def greeted(self):
        await self.until("connect")

    async def ask(self):
        self.message = str(uuid.uuid4())
        data = {"message_id": self.message, "session_id": str(uuid.uuid4()), "message": "What is photosynthesis?", "context": {"subject": "biology"}}
        await self.send(type="chat_stream", data=data)

    async def stop(self):
        await self.send(type="stop_generation", data={"message_id": self.message})


class Orchestrate(Socket):
    """A job is made over HTTP and watched by a socket of its own: the question is the brief, the first token the first code."""

    name, first, last, stopped = "orchestrate", ("code_delta",), ("code_generated",), ("error",)

    def post(self, method: str, path: str, body: dict | None = None) -> dict:
        request = urllib.request.Request(
            f"{self.server.url}/api/orchestrate/{path}", None if body is None else json.dumps(body).encode(), method=method,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def url(self):
        self.job = self.post("POST", "brief", {"brief": "A login form", "include_teams": ["anthropic"]})["job_id"] if self.asks else "nobody"
        return f"{self.base}/ws/orchestrate/{self.job}?stream=code&token={self.token}"

    asks = False

    async def greeted(self):
        await self.until("connected")


async def measure(kind, server, token: str, took: dict[str, list[float]]) -> None:
    """One round; adds milliseconds of each."""

    def note(what: str, began: float) -> None:
        took.setdefault(what, []).append((time.perf_counter() - began) * 1000)

    if kind is Orchestrate:
        async with kind(server, token) as socket:
            took.setdefault("connect", []).append(socket.connected)
        watching = kind(server, token)
        watching.asks = True
        began = time.perf_counter()
        async with watching as socket:
            await socket.until(*kind.first)
            note("first_token", began)
            await socket.until(*kind.last)
            note("round_trip", began)
        return
    async with kind(server, token) as socket:
        took.setdefault("connect", []).append(socket.connected)
        began = time.perf_counter()
        await socket.authenticate()
        if kind is Chat:
            note("authenticate", began)
        began = time.perf_counter()
        await socket.ask()
        await socket.until(*kind.first)
        note("first_token", began)
        await socket.until(*kind.last)
        note("round_trip", began)


async def measure_stop(kind, server, token: str, took: dict[str, list[float]]) -> None:
    """The same of a stop."""
    async with kind(server, token) as socket:
        await socket.authenticate()
        await socket.ask()
        await socket.until(*kind.first)
        began = time.perf_counter()
        await socket.stop()
        await socket.until(*kind.stopped)
        took.setdefault("stop", []).append((time.perf_counter() - began) * 1000)


def settings(folder: Path, fake: Fake) -> Path:
    """The fake under the names that the teams ask for, and no caps: one user does in a minute what many do in a day."""
    file = folder / "headwater.toml"
    limits = (ROOT / "bench" / "limits.toml").read_text()
    file.write_text(f"""{limits}
generations_per_user = "off"
[providers.fake]
format = "anthropic"
base_url = "{fake.url}"
model = "m"
[aliases.anthropic]
use = ["fake"]
[aliases.google]
use = ["fake"]
""")
    return file


async def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--rounds", type=int, default=60)
    ask.add_argument("--without-peer", action="store_true")
    args = ask.parse_args()
    results: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as scratch, Fake("--tokens", str(WORDS)) as quick, Fake("--tokens", "1000000", "--gap-ms", "5") as slow:
        peer = None if args.without_peer else Peer(WORDS)
        try:
            for fake, name in ((quick, "quick"), (slow, "slow")):
                folder = Path(scratch) / name
                folder.mkdir()
                with Server(folder / "data", provider="fake", limits=settings(folder, fake)) as server:
                    token = server.token("bench")
                    for n in range(args.rounds + 1):
                        # The first round warms up.
                        into: dict[str, dict[str, list[float]]] = {} if n == 0 else results
                        if name == "quick":
                            for kind in (Chat, AiStream, Tutor, Orchestrate):
                                await measure(kind, server, token, into.setdefault(kind.name, {}))
                            if peer:
                                await measure(Hand, peer, "nobody", into.setdefault(Hand.name, {}))
                        else:
                            for kind in (Chat, AiStream, Tutor):
                                await measure_stop(kind, server, token, into.setdefault(kind.name, {}))
        finally:
            if peer:
                peer.kill()
    rows = []
    for name, took in results.items():
        for what, values in took.items():
            values.sort()
            p95 = values[min(len(values) - 1, int(len(values) * 0.95))]
            promised = PROMISED[what] if name != Orchestrate.name or what in OF_JOBS else None
            rows.append({"protocol": name, "what": what, "p50_ms": round(statistics.median(values), 2), "p95_ms": round(p95, 2), "promised_ms": promised})
            said = f"promised {promised} ms" if promised else "nothing promised"
            print(f"{name:12} {what:13} p50 {rows[-1]['p50_ms']:8.2f} ms  p95 {rows[-1]['p95_ms']:8.2f} ms  ({said})")
    now = datetime.datetime.now(datetime.UTC)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    out = HERE / "results" / f"dialects-{now:%Y%m%dT%H%M%SZ}.json"
    out.write_text(json.dumps({"commit": commit, "machine": platform.platform(), "rounds": args.rounds, "results": rows}, indent=1) + "\n")
    print(out.relative_to(ROOT))


if __name__ == "__main__":
    asyncio.run(main())
