#!/usr/bin/env python3
"""How long a stop takes to reach the model: from the moment in which the request to stop is sent to the moment in which the
provider sees its reader leave, on each format, through the whole server.

The provider is `headwater fake-provider`, whose clock is set against ours by the shortest of some exchanges; what is left of
the error is half of that exchange, and is said."""

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
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "tests" / "outside"))
from fake import Fake  # noqa: E402  (the same start-up as the tests')
from headwater import Server  # noqa: E402
from viewers import Api  # noqa: E402

BASES = {"anthropic": "", "openai": "/v1", "responses": "/v1", "gemini": "/v1beta", "ollama": ""}
GOAL_MS = 20


def clock(fake: Fake) -> tuple[float, float]:
    """What to add to its microseconds to have ours, and the most by which that is wrong."""
    best = None
    for _ in range(50):
        sent = time.monotonic() * 1e6
        now = fake.ask("calls?bodies=no")["now_us"]
        got = time.monotonic() * 1e6
        if best is None or got - sent < best[1]:
            best = ((sent + got) / 2 - now, got - sent)
    return best[0], best[1] / 2


async def stops(api: Api, fake: Fake, name: str, count: int, live: int) -> tuple[list[float], float]:
    fake.ask("reset", {})
    offset, wrong = clock(fake)
    sent: dict[str, float] = {}

    async def one(n: int, gate: asyncio.Semaphore) -> None:
        async with gate:
            run, _ = await api.start(f"{name} {n}", f"{name}-{n}", model=name)
            while (await api.run(run))["tail"] < 5:
                await asyncio.sleep(0.01)  # until its tokens come
            before = time.monotonic() * 1e6
            answer = await api.http.post(f"/api/runs/{run}/stop")
            assert answer.json()["outcome"] == "cancelled", answer.text
            sent[f"{name} {n}"] = before

    gate = asyncio.Semaphore(live)
    await asyncio.gather(*(one(n, gate) for n in range(count)))
    while (calls := fake.ask("calls"))["open"]:
        await asyncio.sleep(0.05)  # polls an outside process
    took = []
    for call in calls["calls"]:
        if call["asked"] == "answer":
            assert call["ended"] == "left", call
            asked = next(text for text in sent if f'"{text}"' in json.dumps(call["body"]))
            took.append((call["ended_us"] + offset - sent[asked]) / 1000)
    assert len(took) == count
    return took, wrong / 1000


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stops", type=int, default=200, help="of each format")
    parser.add_argument("--live", type=int, default=8, help="runs at once")
    args = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder, Fake("--tokens", "1000000", "--gap-ms", "5") as fake:
        config = Path(folder) / "headwater.toml"
        hosts = "".join(
            f'[providers.{name}-fake]\nformat = "{name}"\nbase_url = "{fake.url}{path}"\nmodel = "m"\n[aliases.{name}]\nuse = ["{name}-fake"]\n'
            for name, path in BASES.items()
        )
        limits = (ROOT / "bench" / "limits.toml").read_text()
        config.write_text(limits + "\n" + hosts)
        with Server(Path(folder) / "data", provider="openai-fake", limits=config) as server:
            async with Api(server.url, server.token()) as api:
                for name in BASES:
                    took, wrong = await stops(api, fake, name, args.stops, args.live)
                    took.sort()
                    p99 = took[min(len(took) - 1, int(len(took) * 0.99))]
                    row = {"format": name, "p50_ms": statistics.median(took), "p99_ms": p99, "most_ms": took[-1], "clock_error_ms": wrong}
                    results.append(row)
                    print(f"{name:10} p50 {row['p50_ms']:.2f} ms  p99 {p99:.2f} ms  most {took[-1]:.2f} ms  (clock ±{wrong:.2f} ms; goal {GOAL_MS})",
                          flush=True)
    now = datetime.datetime.now(datetime.UTC)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    out = HERE / "results" / f"stop-{now:%Y%m%dT%H%M%SZ}.json"
    out.write_text(json.dumps({"commit": commit, "machine": platform.platform(), "stops": args.stops, "live": args.live, "results": results},
                              indent=1) + "\n")
    print(out.relative_to(ROOT))


if __name__ == "__main__":
    asyncio.run(main())
