"""`/tutor/test` and `/orchestrate/test` in a real browser, against the real binary: what is streamed is the run's text, also over a
dropped connection, a stop is a stop, and refusals are said. Settings and screenshots as in `test_browser.py`."""

import asyncio
import json
import os

import httpx
import pytest

from cdp import Browser, chromium
from fake import Fake
from headwater import LIMITS, Server
from ledger import check_log, text_of
from test_browser import SHOTS, until, words
from viewers import Api

USER = {"email": "pupil@example.com", "password": "a-long-password", "name": "A Pupil"}
TEXT = "(document.querySelector('{}')?.textContent ?? '')"


@pytest.fixture(autouse=True)
def browser():
    if os.environ.get("HEADWATER_BROWSER") == "skip":
        pytest.skip("HEADWATER_BROWSER=skip")
    if not chromium():
        pytest.fail("no Chromium: `apt-get install chromium`, or HEADWATER_CHROMIUM=/path, or HEADWATER_BROWSER=skip")


def text(selector: str) -> str:
    return TEXT.format(selector)


def kinds(page, kind: str) -> list[dict]:
    return [frame for frame in page.frames if frame.get("type") == kind]


async def register(page) -> None:
    for field in ("email", "password", "name"):
        await page.fill(f"#{field}", USER[field])
    await page.click("#register")
    await page.until("registered: the token field is filled", "(document.querySelector('#token')?.value ?? '').length > 20")


async def log_of(server: Server, run_id: str) -> list[dict]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as http:
        login = http.post("/api/v1/auth/login", json={k: USER[k] for k in ("email", "password")})
    async with Api(server.url, login.json()["access_token"]) as api:
        return await api.log(run_id)


def test_a_lesson_streams_drops_goes_on_and_stops(tmp_path):
    with Server(tmp_path / "data", tokens=150, gap_ms=40) as server:
        asyncio.run(lesson(server))


async def lesson(server: Server) -> None:
    async with Browser() as page:
        await page.open(f"{server.url}/tutor/test")
        await page.until("nobody is signed in", f"{text('#status')} === 'disconnected'")
        await page.fill("#token", "not-a-token")
        await page.click("#authenticate")
        await page.until("a bad token is said", f"{text('#errors')}.includes('sign in again')")
        await register(page)
        await page.until("connected", f"{text('#status')} === 'connected'")

        await page.fill("#subject", "biology")
        await page.fill("#message", "Why is grass green?")
        await page.click("#send")
        await page.until("the answer streams", f"{text('#answer')}.length > 80")
        assert not kinds(page, "stream_complete"), "over before it was seen: not in mid-stream"
        start = kinds(page, "stream_start")[0]["data"]
        assert start["metadata"]["provider"] in await page.text(".live .understood")
        await page.screenshot(SHOTS / "lesson.png")

        at_drop, frames = len(await page.js(text("#answer"))), len(page.frames)
        await page.click("#drop")
        await page.until("the drop is shown", f"{text('#status')} === 'disconnected'")
        await page.until("connected again", f"{text('#status')} === 'connected'")
        await until(page, "text goes on", lambda: any(f["type"] == "content_chunk" for f in page.frames[frames:]))
        await page.until("more is shown", f"{text('#answer')}.length > {at_drop}")
        await page.until("it is over", f"{text('#phase')} === 'completed'")
        done = kinds(page, "stream_complete")[0]["data"]
        log = await log_of(server, done["ai_message_id"])
        assert check_log(done["ai_message_id"], log) == [] and text_of(log) == done["full_content"]
        assert words(await page.js(text("#answer"))) == words(done["full_content"]), "the page's text is not the run's"
        assert len(kinds(page, "stream_start")) == 1, "asked twice, or told from its beginning"
        ability = done["metadata"]["ability_updated"]
        if ability["new_ability"] is not None:
            assert f"{ability['new_ability']:.2f}" in await page.text("#abilities")

        await page.fill("#message", "And why is the sky blue?")
        await page.click("#send")
        await page.until("it streams", f"{text('#answer')}.length > 40 && {text('#phase')} === 'running'")
        await page.click("#stop")
        await page.until("it is stopped", f"{text('#phase')} === 'stopped'")
        stopped = kinds(page, "generation_stopped")[0]["data"]
        assert words(await page.js(text("#answer"))) == words(stopped["partial_content"])
        assert (await log_of(server, stopped["ai_message_id"]))[-1]["outcome"] == "cancelled"

        await page.open(f"{server.url}/ws/test")
        await page.open(f"{server.url}/tutor/test")
        await page.until("the session is there again", f"{text('#history')}.includes('Why is grass green?') && {text('#history')}.includes('sky blue')")
        await page.screenshot(SHOTS / "lesson-history.png")
        assert not page.complaints, page.complaints


# One team has a model of its own, the other works without a key.
MODELS = """
[providers.a]
preset = "anthropic"
base_url = "{url}"
key_env = "TEAMS_KEY"
model = "claude-sonnet-4-5"
[aliases.anthropic]
use = ["a"]
"""
PAGE = "```tsx\n" + "".join(f"export const field{n} = <label>Field {n} <input /></label>;\n" for n in range(20)) + "```\n"


def test_teams_write_side_by_side_without_a_token_in_development(tmp_path):
    with Fake() as fake:
        fake.ask("script", {"text": PAGE, "gap_ms": 30})
        config = tmp_path / "teams.toml"
        config.write_text(LIMITS.read_text() + MODELS.format(url=fake.url))
        with Server(tmp_path / "data", tokens=60, gap_ms=40, env={"HEADWATER_DEVELOPMENT": "on", "TEAMS_KEY": "any"}, limits=config) as server:
            asyncio.run(teams(server))


async def teams(server: Server) -> None:
    async with Browser() as page:
        await page.open(f"{server.url}/orchestrate/test")
        await page.until("nobody needs to sign in", f"{text('#identity')}.includes('development')")
        await page.until("who works without a key is said", f"{text('#notice')}.includes('google: scripted')")
        assert "anthropic" not in await page.text("#notice")
        await page.fill("#brief", "A login form")
        await page.click("#start")
        code = [text(f"[data-team={name}] pre.team-code") for name in ("anthropic", "google")]
        thoughts = "document.querySelectorAll('[data-team=google] .team-thoughts li').length"
        await page.until("code streams beside thoughts", f"{code[0]}.length > 60 && {thoughts} > 0")
        assert not [f for f in kinds(page, "code_generated") if f["team"] == "anthropic"], "over before it was seen: not in mid-stream"
        await page.screenshot(SHOTS / "teams.png")
        await page.click("#drop")
        await page.until("connected again", f"{text('#status')} === 'connected'")
        await page.until("the job is complete", f"{text('#job-status')} === 'complete'", 40)

        job = await page.text("#job-id")
        with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as http:
            told = http.get(f"/api/orchestrate/job/{job}").json()
        assert told["status"] == "complete"
        for name, shown in zip(("anthropic", "google"), code):
            assert await page.js(shown) == told["teams"][name]["generated_code"]
            count = await page.js(f"document.querySelectorAll('[data-team={name}] .team-thoughts li').length")
            assert count == len(told["teams"][name]["thoughts"]), "a thought twice, or never"
        deltas = [f["seq"] for f in kinds(page, "code_delta")]
        assert deltas == sorted(set(deltas)), "a piece of code was told twice"

        # A late viewer, who only has the id; and a job that is nobody's.
        await page.js("sessionStorage.clear()")
        await page.open(f"{server.url}/ws/test")
        await page.open(f"{server.url}/orchestrate/test")
        await page.until("there is no job yet", f"{text('#status')} === 'no job yet'")
        await page.fill("#wanted", job)
        await page.click("#open")
        await page.until("the late viewer sees all", f"{code[0]} === {json.dumps(told['teams']['anthropic']['generated_code'])}")
        await page.fill("#wanted", "run_nobody")
        await page.click("#open")
        await page.until("it is refused", f"{text('#errors')}.includes('Job not found')")

        await page.fill("#brief", "A long page")
        await page.click("#start")
        await page.until("another job writes", f"{text('#job-id')} !== '{job}' && {code[0]}.length > 20")
        await page.click("#cancel")
        await page.until("it is cancelled", f"{text('#job-status')} === 'cancelled'")
        await page.until("and is in no list", "document.querySelectorAll('#past li').length === 1")
        assert not page.complaints, page.complaints
