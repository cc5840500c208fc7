"""The real binary as a child process: started on port 0, spoken to over loopback, ended by its own process id."""

import json
import os
import re
import select
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]

# The one setting whose name the harness must know: how durable a commit is. `process_safe` is the mutant of the power-loss test.
DURABILITY = "HEADWATER_DURABILITY"
FULL, PROCESS_SAFE = "full", "process_safe"
# Tests and load generators are many users behind one address.
LIMITS = ROOT / "bench" / "limits.toml"

START_SECONDS = 60  # a bound, not an expectation: the first start indexes the knowledge base
# What may reach the child from the developer's shell: nothing of Headwater's (an unknown HEADWATER_ key is refused) and no
# real provider's key (a test must never spend money).
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("HEADWATER_") and not k.endswith(("_API_KEY", "_BASE_URL"))}


def binary() -> Path:
    given = os.environ.get("HEADWATER_BIN")
    places = [Path(given)] if given else [ROOT / "target" / kind / "headwater" for kind in ("release", "debug")]
    for place in places:
        if place.is_file():
            return place.resolve()
    raise FileNotFoundError(f"no headwater at {' or '.join(map(str, places))}: run `cargo build --release` or set HEADWATER_BIN")


def http(server, method: str, path: str, body=None, token: str | None = None):
    """The status and the JSON that a page is answered with."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(server.url + path, None if body is None else json.dumps(body).encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


class Server:
    """One life of the server. `with` ends it, however the test ended."""

    def __init__(self, data: Path, *, tokens: int | None = None, gap_ms: int | None = None, durability: str = FULL,
                 env: dict[str, str] | None = None, log: Path | None = None, args: list[str] | None = None, provider: str = "scripted",
                 models: Path | None = None, limits: Path | None = LIMITS, listen: str = "127.0.0.1:0"):
        self.data = Path(data)
        self.surfaces: dict[str, str] = {}  # what listens beside the main address, and where
        # FULL is not asked for: it has to be what the server does by itself.
        self.env = {**CLEAN, **({} if durability == FULL else {DURABILITY: durability}), **(env or {})}
        if tokens is not None:
            self.env["HEADWATER_SCRIPTED_TOKENS"] = str(tokens)
        if gap_ms is not None:
            self.env["HEADWATER_SCRIPTED_GAP_MS"] = str(gap_ms)
        self.data.parent.mkdir(parents=True, exist_ok=True)
        self.log = Path(log) if log else self.data.parent / "server.log"
        self.began = time.monotonic()
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                # Without a folder of models it has no embeddings, so that a test does not depend on what the machine has.
                [binary(), "serve", "--listen", listen, "--data", self.data, "--provider", provider,
                 "--models", models or self.data / "no-models", *(["--config", limits] if limits else []), *(args or [])],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=out, env=self.env,
            )
        try:
            self.url = self._address()
        except BaseException:
            self.kill()
            raise
        self.listening_after = time.monotonic() - self.began

    def _address(self) -> str:
        """Reads standard output up to the promised last line. Unbuffered reads, so that `select` tells the truth."""
        text, pipe = b"", self.process.stdout.fileno()
        while time.monotonic() - self.began < START_SECONDS:
            if not select.select([pipe], [], [], 0.2)[0]:
                continue
            piece = os.read(pipe, 4096)
            if not piece:
                raise AssertionError(f"the server ended before it listened (exit {self.process.wait(10)}):\n{text.decode()}{self.tail()}")
            text += piece
            for line in text.decode(errors="replace").splitlines(keepends=True):
                if (beside := re.fullmatch(r"(\w+) on (https?://\S+): .+\n", line)) is not None:
                    self.surfaces[beside[1]] = beside[2]
                if line.startswith(("listening on http://", "listening on https://")) and line.endswith("\n"):
                    return line.removeprefix("listening on ").strip().rstrip("/")
        raise AssertionError(f"the server did not listen within {START_SECONDS} s:\n{text.decode()}{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    @property
    def ws(self) -> str:
        return "ws" + self.url.removeprefix("http")

    def at(self, surface: str) -> SimpleNamespace:
        """Another listener of it, for the clients that belong there."""
        url = self.surfaces[surface]
        return SimpleNamespace(url=url, ws="ws" + url.removeprefix("http"), token=self.token)

    def token(self, user: str = "ledger", email: str = "ledger@example.com", name: str = "Ledger") -> str:
        """By the command that operators use; under the same environment, so under the shim where there is one."""
        done = subprocess.run(
            [binary(), "token", "--data", self.data, "--user", user, "--email", email, "--name", name],
            env=self.env, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"headwater token: exit {done.returncode}\n{done.stderr}"
        return done.stdout.strip().splitlines()[-1]

    def kill(self) -> None:
        """SIGKILL. Returns when the process is gone, so the data folder is nobody's."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        self.process.stdout.close()

    def stop(self) -> int:
        """SIGTERM: the drain. Returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.kill()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
