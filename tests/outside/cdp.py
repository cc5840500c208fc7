"""A headless Chromium and one page of it, over the Chrome DevTools Protocol: as much as the browser test needs, and no npm."""

import asyncio
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from websockets.asyncio.client import connect

# As root without a sandbox of its own; nothing that a start or a page does may reach for the network.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--window-size=1280,900", "--remote-debugging-port=0", "--remote-debugging-address=127.0.0.1",
]


def chromium() -> str | None:
    return os.environ.get("HEADWATER_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """`async with Browser() as page`. Ends its whole process group, which it started itself."""

    async def __aenter__(self) -> "Page":
        self.profile = tempfile.mkdtemp(prefix="headwater-chromium-")
        self.log = Path(self.profile) / "stderr.log"
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                [chromium(), *FLAGS, f"--user-data-dir={self.profile}", "about:blank"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=out, start_new_session=True,
            )
        try:
            self.socket = await connect(await self._address(), max_size=None, proxy=None, ping_interval=None)
            self.page = Page(self.socket)
            await self.page.attach()
        except BaseException:
            await self.__aexit__()
            raise
        return self.page

    async def _address(self) -> str:
        limit = time.monotonic() + 60  # a cold start beside compilers
        while time.monotonic() < limit:
            if found := re.search(r"DevTools listening on (ws://\S+)", self.log.read_text(errors="replace")):
                return found[1]
            assert self.process.poll() is None, f"Chromium ended:\n{self.log.read_text(errors='replace')[-2000:]}"
            await asyncio.sleep(0.05)  # polls an outside process
        raise AssertionError("Chromium did not open its debugging port within 60 s")

    async def __aexit__(self, *_):
        if hasattr(self, "page"):
            await self.page.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)
        shutil.rmtree(self.profile, ignore_errors=True)


class Page:
    def __init__(self, socket):
        self.socket, self.session, self.number = socket, None, 0
        self.waiting: dict[int, asyncio.Future] = {}
        self.frames: list[dict] = []  # what the page's WebSockets received, independent of what the page makes of it
        self.complaints: list[str] = []  # uncaught exceptions and policy violations
        self.reader = asyncio.create_task(self._read())

    async def attach(self) -> None:
        target = (await self.call("Target.createTarget", url="about:blank"))["targetId"]
        self.session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.call(f"{domain}.enable")

    async def close(self) -> None:
        await self.socket.close()
        await self.reader

    async def _read(self) -> None:
        async for text in self.socket:
            said = json.loads(text)
            if "id" in said:
                self.waiting.pop(said["id"]).set_result(said)
            elif said["method"] == "Network.webSocketFrameReceived":
                try:
                    self.frames.append(json.loads(said["params"]["response"]["payloadData"]))
                except ValueError:
                    pass
            elif said["method"] == "Runtime.exceptionThrown":
                details = said["params"]["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description") or details["text"])
            elif said["method"] == "Log.entryAdded" and "Content Security Policy" in said["params"]["entry"]["text"]:
                self.complaints.append(said["params"]["entry"]["text"])
        for future in self.waiting.values():
            future.set_exception(ConnectionError("Chromium is gone"))

    async def call(self, method: str, **params) -> dict:
        self.number += 1
        future = self.waiting[self.number] = asyncio.get_running_loop().create_future()
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        await self.socket.send(json.dumps(message))
        async with asyncio.timeout(30):
            said = await future
        assert "error" not in said, f"{method}: {said['error']}"
        return said["result"]

    async def js(self, expression: str):
        got = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in got, f"{expression}: {got['exceptionDetails']}"
        return got["result"].get("value")

    async def until(self, what: str, expression: str, seconds: float = 20):
        """Polls the page, an outside process, until the expression is true; bounded."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            if value := await self.js(expression):
                return value
            await asyncio.sleep(0.02)
        state = await self.js("document.body ? document.body.innerText : ''")
        raise AssertionError(f"not within {seconds} s: {what}\nthe page shows:\n{state[-1500:]}\ncomplaints: {self.complaints}")

    async def open(self, url: str) -> None:
        await self.call("Page.navigate", url=url)
        await self.until("the page has loaded", f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url)})")

    async def text(self, selector: str) -> str:
        # textContent, not innerText: what is folded away on screen counts too.
        return await self.js(f"(document.querySelector({json.dumps(selector)})?.textContent ?? '')")

    async def click(self, selector: str) -> None:
        """With the mouse, where a person would: an element that is covered, hidden or disabled is not clicked."""
        box = await self.js(
            f"""(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) return null;
                e.scrollIntoView({{block: 'center', behavior: 'instant'}}); const r = e.getBoundingClientRect();
                const x = r.x + r.width / 2, y = r.y + r.height / 2, top = document.elementFromPoint(x, y);
                return {{x, y, hit: !!top && (e === top || e.contains(top) || top.contains(e))}}; }})()"""
        )
        assert box and box["hit"], f"{selector} cannot be clicked: {box}"
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=box["x"], y=box["y"], button="left", clickCount=1)

    async def fill(self, selector: str, text: str) -> None:
        await self.click(selector)
        await self.js(f"document.querySelector({json.dumps(selector)}).select?.()")
        await self.call("Input.insertText", text=text)
        await self.until(f"{selector} holds what was typed", f"document.querySelector({json.dumps(selector)}).value === {json.dumps(text)}", 5)

    async def screenshot(self, path: Path) -> None:
        await self.js("scrollTo(0, 0)")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"]))
