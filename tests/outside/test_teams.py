"""Jobs of the shipped teams, over two hosts of different formats: side by side, one that fails, and a stop that reaches both."""

import asyncio

from fake import Fake
from headwater import LIMITS, Server
from ledger import text_of
from viewers import Api, within

# The shipped teams ask for these two names.
MODELS = """
[providers.a]
preset = "anthropic"
base_url = "{url}"
key_env = "TEAMS_KEY"
model = "{anthropic}"
[providers.g]
preset = "gemini"
base_url = "{url}/v1beta"
key_env = "TEAMS_KEY"
model = "{google}"
[aliases.anthropic]
use = ["a"]
[aliases.google]
use = ["g"]
"""


def of(log: list[dict], team: str) -> list[dict]:
    return [event for event in log if event.get("team") == team]


async def ended(api: Api, run: str) -> list[dict]:
    while (await api.run(run))["status"] == "running":
        await asyncio.sleep(0.02)  # polls an outside process; bounded by `within`
    return await api.log(run)


def served(tmp_path, fake: Fake, what, **models: str) -> None:
    config = tmp_path / "teams.toml"
    config.write_text(LIMITS.read_text() + MODELS.format(url=fake.url, **models))

    async def all_of_it():
        server = await asyncio.to_thread(Server, tmp_path / "data", env={"TEAMS_KEY": "any"}, limits=config)
        try:
            async with Api(server.url, await asyncio.to_thread(server.token)) as api:
                await within(60, what(api))
        finally:
            server.kill()

    asyncio.run(all_of_it())


def test_two_teams_work_at_once_and_a_stop_reaches_both_hosts(tmp_path):
    with Fake() as fake:

        async def what(api: Api):
            job = {"framework": "vue", "style": {"theme": "dark"}}
            run, _ = await api.start("A login form", workflow="teams", job=job)
            log = await ended(api, run)
            assert log[-1]["outcome"] == "completed", log[-1]
            for team, provider in [("anthropic", "a"), ("google", "g")]:
                mine = of(log, team)
                generated = [event for event in mine if event["type"] == "code_generated"]
                assert len(generated) == 1 and generated[0]["code"], mine
                assert generated[0]["code"] == "".join(e["text"] for e in mine if e["type"] == "code_delta")
                assert [e["provider"] for e in mine if e["type"] == "model_started"] == [provider]
                statuses = [e["status"] for e in mine if e["type"] == "team_changed"]
                assert statuses == ["thinking", "generating", "complete"], statuses
                assert generated[0]["code"] in text_of(log)
            calls = fake.ask("calls")
            assert sorted(call["format"] for call in calls["calls"]) == ["anthropic", "gemini"]
            assert all("theme: dark" in str(call["body"]) for call in calls["calls"])

            for _ in range(2):
                fake.ask("reset", {})
                fake.ask("script", {"tokens": 100_000, "gap_ms": 2})
                run, _ = await api.start("Everything", workflow="teams")
                while len({e["team"] for e in await api.log(run) if e["type"] == "code_delta"}) < 2:
                    await asyncio.sleep(0.02)  # polls an outside process; bounded by `within`
                assert (await api.stop(run))["outcome"] == "cancelled"
                while (calls := fake.ask("calls"))["open"]:
                    await asyncio.sleep(0.02)  # polls an outside process; bounded by `within`
                assert [call["ended"] for call in calls["calls"]] == ["left", "left"] and calls["most_open"] == 2, calls
                assert (await api.log(run))[-1]["usage"]["output_tokens"] > 0

        served(tmp_path, fake, what, anthropic="claude-sonnet-4-5", google="gemini-3.5-flash-lite")


def test_a_team_whose_host_breaks_off_fails_alone(tmp_path):
    with Fake() as fake:

        async def what(api: Api):
            run, _ = await api.start("A login form", workflow="teams")
            log = await ended(api, run)
            assert log[-1]["outcome"] == "failed" and "team `google`" in log[-1]["error"]["message"], log[-1]
            assert [e["status"] for e in of(log, "google") if e["type"] == "team_changed"][-1] == "error"
            assert any(e["type"] == "code_generated" for e in of(log, "anthropic"))
            assert "This team failed" in text_of(log)

        served(tmp_path, fake, what, anthropic="claude-sonnet-4-5", google="fail-error-after-3")
