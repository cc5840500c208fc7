#!/usr/bin/env python3
"""What an idle socket of somebody who is signed in costs the server in user space.

Opens sockets by raw handshakes, twenty a user, and compares the server's own memory (smaps_rollup: what is private to it)
before and after. The sockets say one ping each, so that every one has been served and its task is where it stays. A first
batch is opened and closed before, because tables and the allocator's arenas that have grown are not what a socket costs.

Needs only the standard library and a release build. The kernel's own part (about 4.5 KB a socket) is not in it."""

import argparse
import asyncio
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tests" / "outside"))
from abuse import frame, many_files, open_socket  # noqa: E402
from headwater import Server  # noqa: E402

SOCKETS_A_USER = 20
GOAL = 6 * 1024


def private(pid: int) -> int:
    """Bytes that only this process has."""
    total = 0
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Dirty:", "Private_Clean:")):
            total += int(line.split()[1]) * 1024
    return total


async def open_many(host: str, port: int, path: str, tokens: list[str], count: int) -> list:
    sockets = []

    async def some(lane: int, lanes: int) -> None:
        for n in range(lane, count, lanes):
            reader, writer = await open_socket(host, port, tokens[n // SOCKETS_A_USER], path)
            writer.write(frame(b'{"type":"ping"}'))
            await asyncio.wait_for(reader.read(100), 30)
            sockets.append((reader, writer))

    await asyncio.gather(*(some(lane, 32) for lane in range(32)))
    return sockets


async def measure(server: Server, path: str, tokens: list[str], count: int, settle: float) -> dict:
    at, pid = urlsplit(server.url), server.process.pid
    for _, writer in await open_many(at.hostname, at.port, path, tokens, min(200, count)):
        writer.close()
    await asyncio.sleep(settle)
    before = private(pid)
    began = time.monotonic()
    sockets = await open_many(at.hostname, at.port, path, tokens, count)
    took = time.monotonic() - began
    await asyncio.sleep(settle)
    after = private(pid)
    for _, writer in sockets:
        writer.close()
    return {"path": path, "sockets": count, "before": before, "after": after, "bytes_a_socket": round((after - before) / count),
            "handshakes_a_second": round(count / took)}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sockets", type=int, default=5_000)
    options.add_argument("--settle", type=float, default=3, help="seconds of silence before each look")
    options.add_argument("--keep", action="store_true", help="write results/idle_memory-*.json")
    asked = options.parse_args()
    many_files()
    rows = []
    for path in ("/ws/chat", "/ws"):
        with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "data", env={"HEADWATER_LOG": "error"}) as server:
            users = -(-asked.sockets // SOCKETS_A_USER)
            tokens = [server.token(f"user-{n}", f"{n}@example.org", "Somebody") for n in range(users)]
            rows.append(asyncio.run(measure(server, path, tokens, asked.sockets, asked.settle)))
            print(f"{path}: {rows[-1]['bytes_a_socket']} bytes a socket at {asked.sockets} (goal {GOAL}), "
                  f"{rows[-1]['handshakes_a_second']} handshakes/s", flush=True)
    if asked.keep:
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
        machine = {"system": platform.platform(), "cores": os.cpu_count()}
        (HERE / "results" / f"idle_memory-{stamp}.json").write_text(json.dumps({"commit": commit, "machine": machine, "rows": rows}, indent=1) + "\n")
    return 0 if all(row["bytes_a_socket"] <= GOAL for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
