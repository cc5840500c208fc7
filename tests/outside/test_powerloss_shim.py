"""The shim itself, before anything is concluded from it. Needs no Headwater."""

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from power import Power

# Commits rows one by one and says each on standard output once the commit has returned: the promise that a server makes.
WRITER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1] + "/log.db", isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute("PRAGMA synchronous=" + sys.argv[2])
db.execute("CREATE TABLE IF NOT EXISTS log (n INTEGER PRIMARY KEY, text TEXT)")
n = db.execute("SELECT coalesce(max(n), 0) FROM log").fetchone()[0]
while True:
    n += 1
    db.execute("INSERT INTO log VALUES (?, ?)", (n, "x" * 300))
    sys.stdout.write(f"{n}\\n"); sys.stdout.flush()
"""


def cuts(power: Power, synchronous: str, lives: int, seed: int) -> tuple[int, int]:
    """Returns how many acknowledged rows there were, and how many of them the power cuts took."""
    chance = random.Random(seed)
    promised = lost = 0
    for _ in range(lives):
        child = subprocess.Popen([sys.executable, "-c", WRITER, power.data, synchronous], stdout=subprocess.PIPE, env={**os.environ, **power.env})
        try:
            last, wanted = 0, chance.randint(1, 1500)  # past 1,000 pages the log is checkpointed: both sides of that
            for line in child.stdout:
                if not line.endswith(b"\n"):
                    break
                last, wanted = int(line), wanted - 1
                if wanted == 0:
                    child.send_signal(signal.SIGKILL)  # what it still said before it died is read on, and counts
        finally:
            child.kill()
            child.wait(10)
            child.stdout.close()
        power.cut()
        db = sqlite3.connect(power.data / "log.db")
        try:
            assert db.execute("PRAGMA quick_check").fetchone() == ("ok",)
            there = db.execute("SELECT coalesce(max(n), 0), count(*) FROM log").fetchone() if db.execute("SELECT 1 FROM sqlite_master").fetchone() else (0, 0)
        finally:
            db.close()
        # Looking at it may have checkpointed it: back to exactly what the cut left.
        power.cut()
        assert there[0] == there[1], "rows are missing in the middle"
        promised += last
        lost += max(0, last - there[0])
    return promised, lost


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL", "OFF"])
def test_full_keeps_every_acknowledged_commit_and_normal_does_not(shim, tmp_path, synchronous):
    promised, lost = cuts(Power(shim, tmp_path / "data", tmp_path / "image"), synchronous, lives=6, seed=7)
    print(f"synchronous={synchronous}: {lost} of {promised} acknowledged commits lost")
    assert promised > 6
    if synchronous == "FULL":
        assert lost == 0
    else:
        assert lost > 0, "the shim takes nothing away: it is not loaded, or it syncs too much"


# Every kind of write that the shim follows, at random, against a plain model of it.
SCRIBBLER = """
import os, random, sys
folder, seed = sys.argv[1], int(sys.argv[2])
chance, durable, names = random.Random(seed), {}, ["a", "b", "sub/c", "sub/d"]
os.makedirs(folder + "/sub", exist_ok=True)
def content(fd): return os.pread(fd, 1 << 22, 0)
fds = {}
def fd_of(name):
    if name not in fds:
        flags = chance.choice([os.O_RDWR, os.O_WRONLY]) | os.O_CREAT | chance.choice([0, 0, os.O_TRUNC, os.O_APPEND])
        fds[name] = os.open(f"{folder}/{name}", flags, 0o600)
    return fds[name]
for _ in range(400):
    name, what = chance.choice(names), chance.random()
    data = chance.randbytes(chance.choice([1, 100, 4096, 70000]))
    if what < 0.2: os.pwrite(fd_of(name), data, chance.randrange(200000))
    elif what < 0.35: os.write(fd_of(name), data)
    elif what < 0.45: os.pwritev(fd_of(name), [data, b"tail"], chance.randrange(200000))
    elif what < 0.55: os.ftruncate(fd_of(name), chance.randrange(200000))
    elif what < 0.6: os.truncate(f"{folder}/{name}", chance.randrange(1000)) if os.path.exists(f"{folder}/{name}") else None
    elif what < 0.65: fds[name] = os.dup(fd_of(name))
    elif what < 0.8:
        chance.choice([os.fsync, os.fdatasync])(fd_of(name))
        with open(f"{folder}/{name}", "rb") as f: durable[name] = f.read()
    elif what < 0.86:
        if name in fds: os.close(fds.pop(name))
    elif what < 0.93:
        if os.path.exists(f"{folder}/{name}"): os.unlink(f"{folder}/{name}"); durable.pop(name, None)
        if name in fds: os.close(fds.pop(name))
    else:
        to = chance.choice(names)
        if to != name and os.path.exists(f"{folder}/{name}"):
            os.rename(f"{folder}/{name}", f"{folder}/{to}")
            if name in durable: durable[to] = durable.pop(name)
            elif to in durable: durable[to] = b""
            for gone in (name, to):
                if gone in fds: os.close(fds.pop(gone))
import hashlib, json
print(json.dumps({n: hashlib.sha256(c).hexdigest() for n, c in sorted(durable.items())}))
"""


@pytest.mark.parametrize("seed", range(16))
def test_the_image_is_every_file_at_its_last_sync(shim, tmp_path, seed):
    power = Power(shim, tmp_path / "data", tmp_path / "image")
    done = subprocess.run(
        [sys.executable, "-c", SCRIBBLER, power.data, str(seed)], env={**os.environ, **power.env}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    image = {name: hashlib.sha256((power.image / name).read_bytes()).hexdigest() for name in power.durable()}
    assert image == json.loads(done.stdout)


def test_a_commit_under_the_shim_stays_quick(shim, tmp_path):
    """A server under the shim must stay fast enough to stream: copying only what changed keeps a commit far below 5 ms."""
    power = Power(shim, tmp_path / "data", tmp_path / "image")
    child = subprocess.Popen([sys.executable, "-c", WRITER, power.data, "FULL"], stdout=subprocess.PIPE, env={**os.environ, **power.env})
    try:
        child.stdout.readline()
        began = time.monotonic()
        for _ in range(1000):
            child.stdout.readline()
        took = time.monotonic() - began
    finally:
        child.kill()
        child.wait(10)
        child.stdout.close()
    print(f"{took * 1000:.0f} µs a commit")
    assert took < 5
