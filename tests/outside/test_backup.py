"""`headwater backup`, `restore`, `check` beside a server that streams. Faults that they catch: the file copied without its
write-ahead log, a copy that is half of one moment and half of another, a restoration under a running server."""

import asyncio
import json
import subprocess
from pathlib import Path

from headwater import CLEAN, Server, binary
from viewers import Api, SseViewer, within

QUESTION = "What is the engine power?"


def headwater(*args, code: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run([binary(), *map(str, args)], env=CLEAN, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == code, f"{args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def lines(events: list[dict]) -> list[tuple[int, str]]:
    return [(event["seq"], json.dumps(event, sort_keys=True)) for event in events]


def test_what_was_complete_at_the_backup_is_there_word_for_word(tmp_path):
    data, other, copy = tmp_path / "data", tmp_path / "other" / "data", tmp_path / "copy.db"
    kept: dict[str, tuple[str, list[dict]]] = {}  # by run: its session and its log

    async def backups(server: Server) -> list[str]:
        """Runs that begin one after the other; whenever one has begun to stream, a copy is made. Gives those that were
        complete before the last one."""
        async with Api(server.url, server.token()) as api:
            viewers, complete = [], []
            for n in range(8):
                run, session = await api.start(f"{QUESTION} {n}", f"m{n}")
                viewer, begun = SseViewer(run), asyncio.Event()
                following = asyncio.create_task(viewer.follow(api, lambda v=viewer, b=begun: b.set() if len(v.seen) > 10 else None))
                viewers.append((viewer, session, following))
                await within(30, begun.wait())
                if n == 4:
                    await within(30, asyncio.gather(*(following for _, _, following in viewers[:4])))
                complete = [(viewer.run_id, session) for viewer, session, _ in viewers if viewer.ended]
                for run, session in complete:
                    kept.setdefault(run, (session, await api.log(run)))
                said = await asyncio.to_thread(headwater, "backup", copy, "--data", data, "--force")
                assert " bytes in " in said.stdout and not (tmp_path / "copy.db.part").exists()
            for _, _, following in viewers:
                following.cancel()
            return [run for run, _ in complete]

    async def compare(server: Server, runs: list[str]) -> None:
        async with Api(server.url, server.token()) as api:
            for run in runs:
                session, log = kept[run]
                assert lines(await api.log(run)) == lines(log)
                assert (await api.run(run))["status"] == "completed"
            listed = await api._json("GET", "/api/runs")
            # What was under way has an ending of its own.
            assert {run["status"] for run in listed["runs"]} <= {"completed", "interrupted"}, listed

    with Server(data, tokens=60, gap_ms=10) as server:
        complete = asyncio.run(backups(server))
        assert len(complete) >= 4
        said = headwater("check", "--data", data).stdout.rstrip()
        assert " records, " in said and said.endswith(" counters"), said
        refused = headwater("restore", copy, "--data", data, code=1)
        assert "another Headwater serves" in refused.stderr
        assert asyncio.run(still_answers(server))
        assert "is there already" in headwater("backup", copy, "--data", data, code=1).stderr
    headwater("restore", copy, "--data", other)
    with Server(other, tokens=4, gap_ms=0) as server:
        asyncio.run(compare(server, complete))
    # Over a folder that has something: that is kept, and can be gone back to.
    said = headwater("restore", copy, "--data", data)
    before = [Path(word.rstrip(";")) for word in said.stderr.split() if "before-restore" in word]
    assert len(before) == 1 and before[0].is_file(), said.stderr
    with Server(data, tokens=4, gap_ms=0) as server:
        asyncio.run(compare(server, complete))
    headwater("check", "--file", before[0])


async def still_answers(server: Server) -> bool:
    async with Api(server.url, server.token()) as api:
        viewer = SseViewer((await api.start(QUESTION))[0])
        return await within(30, viewer.follow(api))


def test_what_is_wrong_is_said(tmp_path):
    assert "there is no database" in headwater("backup", tmp_path / "copy.db", "--data", tmp_path, code=1).stderr
    assert "there is no database" in headwater("restore", tmp_path / "copy.db", "--data", tmp_path, code=1).stderr
    (tmp_path / "copy.db").write_text("a text, and not a short one: " * 100)
    assert "no database of Headwater" in headwater("restore", tmp_path / "copy.db", "--data", tmp_path, code=1).stderr
    assert "no database of Headwater" in headwater("check", "--file", tmp_path / "copy.db", code=1).stderr
    headwater("backup", code=2)
    assert not (tmp_path / "headwater.db").exists()
