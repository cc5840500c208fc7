"""`/ws/test` in a real browser: an error, an answer in mid-stream, the connection dropped and the answer resumed.

Screenshots go to HEADWATER_SHOTS (default target/outside/shots). HEADWATER_BROWSER=skip leaves the test out on purpose."""

import asyncio
import os
import re
from pathlib import Path

import httpx
import pytest

from cdp import Browser, chromium
from headwater import ROOT, Server
from ledger import check_log, text_of
from viewers import Api

SHOTS = Path(os.environ.get("HEADWATER_SHOTS", ROOT / "target" / "outside" / "shots"))
QUESTION = "What is the engine power?"
USER = {"email": "person@example.com", "password": "a-long-password", "name": "A Person"}
ANSWER = "(document.querySelector('#answer')?.textContent ?? '')"
STATUS = "(document.querySelector('#status')?.textContent ?? '')"


def words(text: str) -> list[str]:
    """The page renders Markdown, so spaces and marks differ; the words may not."""
    return re.findall(r"\w+", text)


@pytest.mark.browser
def test_the_page_streams_drops_resumes_and_says_errors(tmp_path):
    if os.environ.get("HEADWATER_BROWSER") == "skip":
        pytest.skip("HEADWATER_BROWSER=skip")
    if not chromium():
        pytest.fail("no Chromium: `apt-get install chromium`, or HEADWATER_CHROMIUM=/path, or HEADWATER_BROWSER=skip")
    # About 6 s of answer: long enough to photograph it, to lose it for a second and to see it go on.
    with Server(tmp_path / "data", tokens=150, gap_ms=40) as server:
        asyncio.run(visit(server))


async def visit(server: Server) -> None:
    async with Browser() as page:
        await page.open(f"{server.url}/ws/test")
        await page.until("connected", f"/^\\s*connected/i.test({STATUS})")

        # An error: a question from somebody who has not signed in.
        await page.fill("#message", QUESTION)
        await page.click("#send")
        await page.until("the error is shown", "(document.querySelector('#errors')?.textContent ?? '').includes('AUTH_REQUIRED')")
        await page.screenshot(SHOTS / "error.png")

        await page.open(f"{server.url}/ws/test")
        await page.until("connected", f"/^\\s*connected/i.test({STATUS})")
        for field in ("email", "password", "name"):
            await page.fill(f"#{field}", USER[field])
        await page.click("#register")
        await page.until("registered: the token field is filled", "(document.querySelector('#token')?.value ?? '').length > 20")
        await until(page, "signed in", lambda: any(f.get("type") == "auth_success" for f in page.frames))

        await page.fill("#message", QUESTION)
        await page.click("#send")
        await page.until("the answer streams", f"{ANSWER}.length > 80")
        assert not complete(page), "over before it was seen: not in mid-stream"
        await page.screenshot(SHOTS / "streaming.png")
        assert "Searching knowledge base" in await page.text("#progress")

        at_drop = len(await page.js(ANSWER))
        await page.click("#drop")
        await page.until("the drop is shown", f"!/^\\s*connected/i.test({STATUS})")
        frames_before = len(page.frames)
        await page.until("connected again", f"/^\\s*connected/i.test({STATUS})")
        await until(page, "text goes on", lambda: any(f["type"] == "token" for f in page.frames[frames_before:]))
        await page.until("resumed text is shown", f"{ANSWER}.length > {at_drop}")
        assert not complete(page), "over before it was resumed: the screenshot would show nothing"
        await page.screenshot(SHOTS / "resumed.png")

        await until(page, "complete", lambda: complete(page))
        run_id = complete(page)["run_id"]
        with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as http:
            login = http.post("/api/v1/auth/login", json={k: USER[k] for k in ("email", "password")})
        async with Api(server.url, login.json()["access_token"]) as api:
            log = await api.log(run_id)
        assert check_log(run_id, log) == [] and log[-1]["outcome"] == "completed"
        final = text_of(log)
        await page.until("the whole answer is shown", f"{ANSWER}.match(/[\\p{{L}}\\p{{N}}_]+/gu)?.length >= {len(words(final))}")
        assert words(await page.js(ANSWER)) == words(final), "the page's text is not the run's"
        assert QUESTION in await page.text("#history")
        assert complete(page)["response"] == final
        # One run: the question was not asked again by the reconnect.
        assert {f["run_id"] for f in page.frames if f.get("type") == "token"} == {run_id}
        await page.screenshot(SHOTS / "finished.png")
        assert not page.complaints, page.complaints


def complete(page) -> dict | None:
    return next((f for f in page.frames if f.get("type") == "complete"), None)


async def until(page, what: str, true) -> None:
    """Waits for something that the browser was sent; every answer of `js` lets new frames in."""
    async with asyncio.timeout(30):
        while not true():
            await page.js("0")
            await asyncio.sleep(0.02)
