"""`/ws/ai/test` in a real browser, against the real binary: what the seed of `ai_stream` tried on its test page. Settings and
screenshots as in `test_browser.py`."""

import asyncio

from cdp import Browser
from headwater import Server
from test_browser import SHOTS, words
from test_pages import browser, kinds, register, text  # noqa: F401 (`browser` is a fixture)


def test_the_seeds_scenarios_on_the_page(tmp_path):
    with Server(tmp_path / "data", tokens=100, gap_ms=40) as server:
        asyncio.run(visit(server))


async def visit(server: Server) -> None:
    async with Browser() as page:
        await page.open(f"{server.url}/ws/ai/test")
        await page.until("nobody is connected", f"{text('#status')} === 'disconnected'")
        await page.click("#connect")
        await page.until("a missing token is said before anything is sent", f"{text('#errors')}.includes('A token is needed')")
        assert page.frames == []
        await register(page)
        await page.until("connected", f"{text('#status')} === 'connected'")

        await page.click("#ping")
        await page.until("ping is answered", f"{text('#inspector')}.includes('pong')")
        await page.click("#no-prompt")
        await page.until("a missing prompt is said", f"{text('#errors')}.includes('Prompt is required for generate action')")
        await page.click("#unknown")
        await page.until("an unknown action is said", f"{text('#errors')}.includes('Unknown action: unknown')")

        await page.fill("#prompt", "Say hello.")
        await page.fill("#system", "Be short.")
        await page.click("#generate")
        await page.until("the answer streams", f"{text('#phase')} === 'running' && {text('#answer')}.length > 40")
        await page.screenshot(SHOTS / "ai-stream.png")
        await page.until("it is whole", f"{text('#phase')} === 'done'")
        chunks = "".join(frame["text"] for frame in kinds(page, "chunk"))
        assert chunks and words(await page.js(text("#answer"))) == words(chunks)
        assert kinds(page, "done")[0]["user_id"] == await page.text("#user-id")
        await page.until("one is counted", f"{text('#remaining')} === '49 of 50'")

        await page.click("#generate")
        await page.until("the next one streams on the same socket", f"{text('#phase')} === 'running' && {text('#answer')}.length > 40")
        await page.click("#stop")
        await page.until("it is stopped", f"{text('#phase')} === 'stopped'")
        assert [frame.get("stopped") for frame in kinds(page, "done")] == [None, True]
        await page.click("#disconnect")
        await page.until("closed", f"{text('#status')} === 'disconnected'")
        assert not page.complaints, page.complaints
