"""kill -9 during live runs. Fault that it catches: an event sent before it is stored (ack before commit), a cursor off by one,
a run that stays live for ever after the crash, a second ending by a second recovery.

HEADWATER_CRASHES: how often (12 in the ordinary run, 100 for the full one). HEADWATER_SEED: another plan."""

import asyncio
import os

import pytest

from crashloop import Loop
from headwater import Server

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
