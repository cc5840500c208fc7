"""`headwater fake-provider` as users have it: started beside the server by the line that it prints, scripted over HTTP."""

import asyncio
import json
import re
import subprocess
import urllib.error
import urllib.request

from fake import Fake
from headwater import CLEAN, Server, binary
from ledger import text_of
from viewers import Api, within


# Planted fault: the address without its version in the printed line.
def test_the_line_that_it_prints_starts_our_server_with_it(tmp_path):
    async def what(api, fake):
        run, _ = await api.start("Say something", "m1")
        while (shown := await api.run(run))["status"] == "running":
            await asyncio.sleep(0.02)  # polls an outside process; bounded by `within`
        assert shown["status"] == "completed", shown
        assert text_of(await api.log(run)) == "Grüße vom Fluss"
        call = fake.ask("calls")["calls"][-1]
        assert (call["format"], call["key"], call["ended"], call["status"]) == ("openai", True, "itself", 200)

        # Long and slow, and the person presses stop.
        fake.ask("script?times=1", {"tokens": 100_000, "gap_ms": 5})
        run, _ = await api.start("Say everything", "m2")
        while (await api.run(run))["tail"] < 3:
            await asyncio.sleep(0.02)  # polls an outside process; bounded by `within`
        assert (await api.http.post(f"/api/runs/{run}/stop")).json()["outcome"] == "cancelled"
        while (calls := fake.ask("calls"))["open"]:
            await asyncio.sleep(0.02)  # polls an outside process; bounded by `within`
        assert calls["calls"][-1]["ended"] == "left" and 0 < calls["calls"][-1]["deltas"] < 100_000

    async def both(fake, env):
        server = await asyncio.to_thread(Server, tmp_path / "data", provider="openai", env=env)
        try:
            async with Api(server.url, await asyncio.to_thread(server.token)) as api:
                await within(60, what(api, fake))
        finally:
            server.kill()

    with Fake("--text", "Grüße vom Fluss") as fake:
        env = {"OPENAI_BASE_URL": f"{fake.url}/v1", "OPENAI_API_KEY": "any"}
        asyncio.run(both(fake, env))
        printed = re.search(r"try OPENAI_BASE_URL=(\S+) OPENAI_API_KEY=any headwater serve --provider openai", fake.stop())
        assert printed and printed[1] == env["OPENAI_BASE_URL"]


def test_what_is_asked_for_wrongly_is_said_at_once():
    done = subprocess.run(
        [binary(), "fake-provider", "--format", "morse", "--fail", "gravity"], capture_output=True, text=True, timeout=30, env=CLEAN
    )
    assert done.returncode == 2 and "--format morse" in done.stderr and "gravity" in done.stderr, done.stderr
    assert done.stdout == ""


def test_it_fails_so_many_times_and_then_answers():
    with Fake("--fail", "503-times-2", "--tokens", "3") as fake:
        statuses = []
        for _ in range(3):
            asked = urllib.request.Request(f"{fake.url}/api/chat", json.dumps({"model": "m", "messages": []}).encode())
            try:
                with urllib.request.urlopen(asked, timeout=20) as answer:
                    statuses.append(answer.status)
                    lines = [json.loads(line) for line in answer]
            except urllib.error.HTTPError as refused:
                statuses.append(refused.code)
        assert statuses == [503, 503, 200] and lines[-1]["done"] is True and len(lines) == 4
