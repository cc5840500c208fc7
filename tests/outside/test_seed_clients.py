"""The two client examples of the owner's seed document, run as they are. seed/seed_client.js and seed/seed_client.py hold the
document's code blocks byte for byte; the test replaces the URL and the token while it copies them, and nothing else."""

import hashlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fake import Fake
from headwater import Server

SEED = Path(__file__).parent / "seed"
URL, TOKEN = "ws://localhost:8000/ws/chat", "your_jwt_token"
STEPS = ["[starting] Processing your question...", "[agent_routing] Routing to the right expert...",
         "[rag_retrieval] Searching knowledge base...", "[generating] Generating response..."]


def test_the_examples_are_the_documents_own():
    """They were taken from the seed document on 2026-11-21; whoever edits them here is told."""
    digests = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in SEED.glob("seed_client.*")}
    assert digests == {
        "seed_client.js": "16bc4cd56e085430e6520218e8962da5c9622d9cc1ef97553b555121af0a9e1a",
        "seed_client.py": "367f6b6c93430f53aa1ac0947e604cf01682fd19203a68355e5fb6842ac532fb",
    }


def example(name: str, server, folder: Path, token: str | None = None) -> Path:
    code = (SEED / name).read_text()
    assert code.count(URL) == 1 and code.count(TOKEN) == 1
    token = server.token("seed", "seed@example.com", "Seed") if token is None else token
    ready = folder / name
    ready.write_text(code.replace(URL, f"{server.ws}/ws/chat").replace(TOKEN, token))
    return ready


def python_example(server, folder: Path, token: str | None = None) -> str:
    code = example("seed_client.py", server, folder, token)
    done = subprocess.run([sys.executable, code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_python_example_runs_unchanged(server, tmp_path):
    said = python_example(server, tmp_path)
    assert said.startswith("Authenticated!\n"), said
    streamed, whole = said.split("\n\nComplete!\nResponse: ")
    for step in STEPS:
        assert step in streamed
    response, agent = whole.rsplit("\nAgent: ", 1)
    assert agent.strip() in ("specs", "maintenance", "troubleshoot")
    # What came token by token is the whole answer.
    assert response and streamed.removeprefix("Authenticated!\n" + "\n".join(STEPS) + "\n") == response


def javascript_example(server, folder: Path, mark: bytes, token: str | None = None) -> str:
    """What it prints until a line with the mark, and what its page shows."""
    node = shutil.which("node")
    if not node:
        pytest.fail("node is not installed: the seed's JavaScript example cannot be run")
    # Node 20 has the browser's WebSocket behind a flag; from 22 on it is there, and the flag may be gone one day.
    flag = "--experimental-websocket"
    known = subprocess.run([node, "-p", f"process.allowedNodeEnvironmentFlags.has('{flag}')"], capture_output=True, text=True, timeout=20)
    command = [node, *([flag] if known.stdout.strip() == "true" else []), "--require", SEED / "page.cjs"]
    child = subprocess.Popen(
        [*command, example("seed_client.js", server, folder, token)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "NODE_NO_WARNINGS": "1"},
    )
    try:
        said = read_until(child, mark, 30)
        child.terminate()
        rest, _ = child.communicate(timeout=10)
    finally:
        child.kill()
        child.wait(10)
    said = (said + rest).decode()
    assert child.returncode == 0, said
    return said


def test_the_javascript_example_runs_unchanged(server, tmp_path):
    said = javascript_example(server, tmp_path, b"Confidence:")
    assert said.startswith("Connected\nAuthenticated: {"), said
    assert "Error [" not in said, said
    for step in STEPS:
        assert step in said
    assert "\nAgent: " in said
    response = said.split("\nComplete: ", 1)[1].rsplit("\nAgent: ", 1)[0]
    page = json.loads(said.rsplit("\nPAGE ", 1)[1])
    assert page and page == response, "the page shows another text than `complete` carries"


def test_a_bad_token_is_told_to_both_examples(server, tmp_path):
    """`auth_error` has no code; the socket stays open, so the question that follows is answered with AUTH_REQUIRED."""
    assert python_example(server, tmp_path, "nobodys") == "Authentication failed\n"
    said = javascript_example(server, tmp_path, b"AUTH_REQUIRED", "nobodys")
    assert said.startswith("Connected\nError [undefined]: Invalid token\nError [AUTH_REQUIRED]: Authentication required\n"), said
    assert "Disconnected" not in said and "Complete" not in said, said


def test_a_host_that_fails_is_told_to_both_examples(tmp_path):
    with Fake() as fake, Server(tmp_path / "data", provider="openai", env={"OPENAI_BASE_URL": f"{fake.url}/v1", "OPENAI_API_KEY": "any"}) as failing:
        fake.ask("script", {"failure": {"kind": "status", "status": 400}})
        said = python_example(failing, tmp_path)
        assert said.startswith("Authenticated!\n") and "\nError: " in said and "Complete!" not in said, said
        said = javascript_example(failing, tmp_path, b"PROCESSING_ERROR")
        assert "\nError [PROCESSING_ERROR]: " in said and "Complete" not in said, said


def read_until(child: subprocess.Popen, mark: bytes, seconds: float) -> bytes:
    text, pipe, limit = b"", child.stdout.fileno(), time.monotonic() + seconds
    while time.monotonic() < limit:
        if select.select([pipe], [], [], 0.2)[0]:
            piece = os.read(pipe, 65536)
            text += piece
            # The line is wanted whole.
            if mark in text and text.rsplit(mark, 1)[1].endswith(b"\n"):
                return text
            if not piece:
                break
    raise AssertionError(f"{mark!r} was not printed within {seconds} s:\n{text.decode(errors='replace')}")
