"""kill -9 during live runs. Fault that it catches: an event sent before it is stored (ack before commit), a cursor off by one,
a run that stays live for ever after the crash, a second ending by a second recovery.

HEADWATER_CRASHES: how often (12 in the ordinary run, 100 for the full one). HEADWATER_SEED: another plan."""

import asyncio
import os
import sqlite3

import pytest

from crashloop import Loop
from headwater import Server
from viewers import Api, SseViewer, within

DEATHS = int(os.environ.get("HEADWATER_CRASHES", "12"))
SEED = int(os.environ.get("HEADWATER_SEED", "1"))
RECOVERY_SECONDS = float(os.environ.get("HEADWATER_RECOVERY_SECONDS", "2"))


@pytest.mark.slow
def test_nothing_seen_is_lost_by_kill_9(tmp_path, summary):
    loop = Loop(lambda tokens, gap: Server(tmp_path / "data", tokens=tokens, gap_ms=gap), seed=SEED, recovery_seconds=RECOVERY_SECONDS)
    report = asyncio.run(loop.run(DEATHS))
    summary(f"kill -9: {report} (seed {SEED})")
    assert not report.faults, "\n".join(report.faults[:20])
    assert report.lives == DEATHS
    if DEATHS >= 10:  # otherwise the loop proved nothing
        assert report.outcomes.get("interrupted", 0) > 0 and report.outcomes.get("completed", 0) > 0, report
        assert report.seen > 0


def test_a_damaged_answer_keeps_no_other_and_not_the_server_from_coming_back(tmp_path):
    """Fault that it catches: recovery that gives up at the first run whose text cannot be read."""

    async def begin(server: Server, token: str) -> list[str]:
        seen = dict.fromkeys(range(3), 0)

        def notice(n: int) -> None:
            seen[n] += 1
            if min(seen.values()) >= 10:  # something of each is stored
                server.process.kill()

        async with Api(server.url, token) as api:
            runs = [(await api.start("What is the engine power?", f"m{n}"))[0] for n in range(3)]
            await within(20, asyncio.gather(*(SseViewer(run).follow(api, lambda n=n: notice(n)) for n, run in enumerate(runs))))
            return runs

    with Server(tmp_path / "data", tokens=500, gap_ms=5) as server:
        token = server.token()
        runs = asyncio.run(begin(server, token))
    with sqlite3.connect(tmp_path / "data" / "headwater.db") as database:
        damaged = database.execute("UPDATE batches SET payload = zeroblob(length(payload)) WHERE run = (SELECT ordinal FROM runs WHERE id = ?)", (runs[0],))
        assert damaged.rowcount > 0
    database.close()

    async def settled(server: Server) -> list[str]:
        async with Api(server.url, token) as api:
            return [(await api.run(run))["status"] for run in runs]

    with Server(tmp_path / "data", tokens=4, gap_ms=0) as server:
        assert asyncio.run(settled(server)) == ["interrupted"] * 3
