#!/usr/bin/env python3
"""What durability costs before the first token, and against an endpoint written by hand: by ratio, within one run.

All servers are up at once and take turns, round by round, so that a busy machine is busy for each of them; what is compared is
the ratio of medians of the same run, never a number with another day's. The client is in Python and shares the machine's cores
with the server: it counts markers in the raw bytes and parses no frame, but at high rates tokens/s is partly the client's own.

Needs only the standard library; the peer's packages go to target/bench-peer. Everything is bounded by --seconds."""

import argparse
import asyncio
import base64
import datetime
import json
import os
import platform
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tests" / "outside"))
from headwater import FULL, PROCESS_SAFE, Server  # noqa: E402  (the same start-up as the tests')

TOKEN = re.compile(rb'"type": ?"token"')
END = re.compile(rb'"type": ?"(?:run_ended|complete|error)"')
RUNS_A_USER = 4  # well under the limit of live runs of one user
MESSAGE = "What is the engine power?"


class Peer:
    """The hand-written endpoint, in an environment of its own."""

    def __init__(self, tokens: int):
        venv = ROOT / "target" / "bench-peer"
        wanted = HERE / "peer" / "requirements.txt"
        if not (venv / "installed.txt").exists() or (venv / "installed.txt").read_text() != wanted.read_text():
            subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
            subprocess.run([venv / "bin" / "pip", "install", "-q", "--no-deps", "-r", wanted], check=True)
            (venv / "installed.txt").write_text(wanted.read_text())
        self.process = subprocess.Popen(
            [venv / "bin" / "python", HERE / "peer" / "app.py"], env={**os.environ, "PEER_TOKENS": str(tokens)}, stdout=subprocess.PIPE, text=True,
        )
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line
        self.url = line.removeprefix("listening on ").strip()

    def token(self, user: str) -> str:
        return user

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)


class Stream:
    """One answer over an open connection. The clock starts with the question: connecting and signing in are not measured."""

    def __init__(self, url: str, token: str):
        self.host, self.port = url.removeprefix("http://").split(":")
        self.token = token

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(self.host, int(self.port))
        await self.connect()
        return self

    async def __aexit__(self, *_):
        self.writer.close()

    async def connect(self) -> None: ...

    async def head(self, status: int) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert head.split()[1] == str(status).encode(), head
        return head

    async def answer(self) -> tuple[float, float, int]:
        """Seconds to the first token, seconds to the end, bytes."""
        began = time.perf_counter()
        await self.ask()
        first, size, rest = None, 0, b""
        while True:
            piece = await self.reader.read(1 << 16)
            assert piece, "cut off"
            now = time.perf_counter()
            size += len(piece)
            rest = rest[-40:] + piece  # a marker may lie across two pieces
            if first is None and TOKEN.search(rest):
                first = now - began
            if END.search(rest):
                assert first is not None, rest[-300:]
                return first, now - began, size

    async def ask(self) -> None: ...


class Sse(Stream):
    """POST /api/runs, then its events: the native interface."""

    async def ask(self) -> None:
        body = json.dumps({"workflow": "generate", "message": MESSAGE}).encode()
        common = f"Host: {self.host}\r\nAuthorization: Bearer {self.token}\r\n"
        self.writer.write(f"POST /api/runs HTTP/1.1\r\n{common}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        head = await self.head(201)
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        run_id = json.loads(await self.reader.readexactly(length))["run_id"]
        self.writer.write(f"GET /api/runs/{run_id}/events HTTP/1.1\r\n{common}Accept: text/event-stream\r\n\r\n".encode())
        await self.head(200)


class Chat(Stream):
    """`/ws/chat`, without `partial_response`, which would make the traffic quadratic."""

    async def connect(self) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self.writer.write(
            f"GET /ws/chat?token={self.token}&partial=false HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        await self.head(101)

    async def ask(self) -> None:
        body = json.dumps({"type": "message", "message": MESSAGE}).encode()
        assert len(body) < 126
        mask = os.urandom(4)
        self.writer.write(struct.pack("!BB", 0x81, 0x80 | len(body)) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(body)))


async def one_round(kind, url: str, tokens: list[str], streams: int) -> dict:
    async with asyncio.timeout(120):
        open_streams = [kind(url, tokens[i // RUNS_A_USER]) for i in range(streams)]
        for stream in open_streams:
            await stream.__aenter__()
        try:
            began = time.perf_counter()
            got = await asyncio.gather(*(stream.answer() for stream in open_streams))
            took = time.perf_counter() - began
        finally:
            for stream in open_streams:
                await stream.__aexit__()
    return {"first": [first for first, _, _ in got], "took": took, "bytes": sum(size for _, _, size in got)}


def percentile(values: list[float], p: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(p * len(ordered)))]


def summarise(rounds: list[dict], streams: int, tokens: int) -> dict:
    first = [value * 1000 for r in rounds for value in r["first"]]
    return {
        "rounds": len(rounds), "first_token_ms_p50": round(statistics.median(first), 3), "first_token_ms_p95": round(percentile(first, 0.95), 3),
        "tokens_per_second": round(statistics.median(streams * tokens / r["took"] for r in rounds)),
        "bytes_a_token": round(statistics.median(r["bytes"] for r in rounds) / streams / tokens, 1),
    }


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--streams", type=int, nargs="+", default=[1, 16], help="how many at once; each is a table of its own")
    ask.add_argument("--tokens", type=int, default=300, help="length of the scripted answer, at 0 ms a token")
    ask.add_argument("--rounds", type=int, default=40)
    ask.add_argument("--seconds", type=float, default=120, help="for all of it; rounds not done by then are left out")
    ask.add_argument("--without-peer", action="store_true")
    ask.add_argument("--out", type=Path, default=HERE / "results")
    args = ask.parse_args()
    limit = time.monotonic() + args.seconds

    servers: dict = {}
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as scratch:
        try:
            for durability in (FULL, PROCESS_SAFE):
                servers[durability] = Server(Path(scratch) / durability / "data", tokens=args.tokens, gap_ms=0, durability=durability, log=Path(scratch) / f"{durability}.log")
            contenders = [("sse", FULL, Sse), ("sse", PROCESS_SAFE, Sse), ("ws/chat", FULL, Chat), ("ws/chat", PROCESS_SAFE, Chat)]
            if not args.without_peer:
                servers["peer"] = Peer(args.tokens)
                contenders.append(("ws/chat", "peer", Chat))
            users = {name: [server.token(f"bench{i}") for i in range(-(-max(args.streams) // RUNS_A_USER))] for name, server in servers.items()}
            results = []
            for streams in args.streams:
                done: dict = {c[:2]: [] for c in contenders}
                for number in range(args.rounds + 1):
                    if time.monotonic() > limit:
                        break
                    for how, name, kind in contenders:
                        got = asyncio.run(one_round(kind, servers[name].url, users[name], streams))
                        if number:  # the first round warms up
                            done[how, name].append(got)
                results += [{"streams": streams, "transport": how, "server": name, **summarise(rounds, streams, args.tokens)} for (how, name), rounds in done.items() if rounds]
        finally:
            for server in servers.values():
                server.kill()
    if not results:
        sys.exit("no round was done within --seconds")
    report(results, args)


def report(results: list[dict], args) -> None:
    base = {(r["streams"], r["transport"]): r for r in results if r["server"] == FULL}
    print(f"{'streams':>7} {'transport':<9} {'server':<13} {'first token p50':>15} {'p95':>9} {'tokens/s':>9} {'B/token':>8}   first token, tokens/s against full")
    for r in results:
        mine = base[r["streams"], r["transport"]]
        r["first_token_ratio"] = round(r["first_token_ms_p50"] / mine["first_token_ms_p50"], 2)
        r["tokens_ratio"] = round(r["tokens_per_second"] / mine["tokens_per_second"], 2)
        print(f"{r['streams']:>7} {r['transport']:<9} {r['server']:<13} {r['first_token_ms_p50']:>12.2f} ms {r['first_token_ms_p95']:>6.2f} ms "
              f"{r['tokens_per_second']:>9,} {r['bytes_a_token']:>8}   ×{r['first_token_ratio']:<5} ×{r['tokens_ratio']}")
    when = datetime.datetime.now(datetime.UTC)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip() or None
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"first_token-{when:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps({
        "what": "first_token", "when": when.isoformat(timespec="seconds"), "commit": commit,
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version(), "load_at_end": round(os.getloadavg()[0], 2)},
        "settings": {"tokens": args.tokens, "gap_ms": 0, "rounds": args.rounds, "seconds": args.seconds}, "results": results,
    }, indent=1) + "\n")
    print(f"written to {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
