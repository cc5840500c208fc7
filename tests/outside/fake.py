"""`headwater fake-provider` as a child process: a host that says what a test scripts, and writes down who called."""

import json
import os
import select
import signal
import subprocess
import time
import urllib.request

from headwater import CLEAN, START_SECONDS, binary


class Fake:
    """One fake provider. `with` ends it."""

    def __init__(self, *args: str):
        self.process = subprocess.Popen(
            [binary(), "fake-provider", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=CLEAN
        )
        out, until = b"", time.monotonic() + START_SECONDS
        while not out.endswith(b"\n"):
            assert select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))[0], "it did not listen"
            piece = os.read(self.process.stdout.fileno(), 4096)
            assert piece, self.process.stderr.read().decode()
            out += piece
        self.url = out.decode().splitlines()[-1].removeprefix("listening on ")

    def ask(self, path: str, knobs: dict | None = None):
        body = None if knobs is None else json.dumps(knobs).encode()
        with urllib.request.urlopen(f"{self.url}/_fake/{path}", body, timeout=20) as answer:
            return json.load(answer)

    def stop(self) -> str:
        """SIGTERM; what it had said on standard error."""
        self.process.send_signal(signal.SIGTERM)
        said = self.process.communicate(timeout=20)[1].decode()
        assert self.process.returncode == 0, said
        return said

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate(timeout=20)
