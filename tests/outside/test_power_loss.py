"""Simulated power loss during live runs: as test_crash.py, but what was not synced is gone. kill -9 alone passes under any
SQLite setting (the page cache outlives the process); this one does not.

HEADWATER_POWER_CUTS: how often (6 in the ordinary run, 50 for the full one). HEADWATER_SEED: another plan."""

import asyncio
import os

import pytest

from crashloop import Loop
from headwater import FULL, PROCESS_SAFE, Server
from ledger import lost
from power import Power

CUTS = int(os.environ.get("HEADWATER_POWER_CUTS", "6"))
SEED = int(os.environ.get("HEADWATER_SEED", "1"))
MUTANT_TRIES = 8  # 0.4 s each; process_safe loses something in nearly every one
# Under the shim a commit is a little slower, and the first start after a cut rebuilds what was lost.
RECOVERY_SECONDS = float(os.environ.get("HEADWATER_RECOVERY_SECONDS", "2"))


def loop(power: Power, tmp_path, durability: str, **how) -> Loop:
    def server(tokens: int, gap: int) -> Server:
        one = Server(tmp_path / "data", tokens=tokens, gap_ms=gap, durability=durability, env=power.env, log=tmp_path / "server.log")
        if durability == FULL:
            assert power.durable(), "nothing was ever synced: the shim is not loaded (static binary?), or the store syncs nothing"
        return one

    return Loop(server, power.cut, seed=SEED, recovery_seconds=RECOVERY_SECONDS, **how)


@pytest.mark.slow
def test_nothing_seen_is_lost_by_a_power_cut(tmp_path, shim, summary):
    power = Power(shim, tmp_path / "data", tmp_path / "image")
    report = asyncio.run(loop(power, tmp_path, FULL).run(CUTS))
    summary(f"power loss, full: {report} (seed {SEED})")
    assert not report.faults, "\n".join(report.faults[:20])
    assert report.lives == CUTS and report.seen > 0


@pytest.mark.slow
def test_process_safe_fails_the_power_cut(tmp_path, shim, summary):
    """The planted fault. If this setting passed, the test above would prove nothing."""
    power = Power(shim, tmp_path / "data", tmp_path / "image")
    said = None
    try:
        report = asyncio.run(loop(power, tmp_path, PROCESS_SAFE, until_loss=True).run(MUTANT_TRIES))
        summary(f"power loss, process_safe (must lose): {report} (seed {SEED})")
        said = lost(report.faults)
    except AssertionError as fault:
        # Losing so much that the server cannot go on from it (its secret, its schema) is loss as well.
        if "did not survive" not in str(fault) and "before it listened" not in str(fault):
            raise
        summary(f"power loss, process_safe (must lose): {str(fault).splitlines()[0]}")
        said = [str(fault)]
    assert said, "process_safe lost nothing: either it is FULL under another name, or the shim takes nothing away"
