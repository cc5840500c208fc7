"""A fifth assistant, made by writing a file: it answers beside the shipped one, from its own documents alone."""

import json
import urllib.request

from websockets.sync.client import connect

from headwater import ROOT, Server

LIBRARY = ROOT / "examples" / "library" / "assistant.toml"


def answer(server, path, question):
    """What the chat's client gets: the whole answer and where it comes from."""
    with connect(f"{server.ws}{path}{'&' if '?' in path else '?'}token={server.token()}") as socket:
        socket.send(json.dumps({"type": "message", "message": question}))
        while True:
            frame = json.loads(socket.recv(30))
            if frame["type"] in ("complete", "error"):
                return frame


def test_a_file_makes_an_assistant(tmp_path):
    with Server(tmp_path / "data", tokens=5, env={"HEADWATER_ASSISTANTS": str(LIBRARY)}) as server:
        frame = answer(server, "/ws/chat?assistant=library", "How do I renew a loan?")
        assert frame["type"] == "complete", frame
        assert frame["metadata"]["agent"] == "loans"
        sources = frame["metadata"]["context"]["sources"]
        assert "library/loans.md" in sources and all(s.startswith("library/") for s in sources), sources
        # The shipped one answers at its place, and knows nothing of loans.
        frame = answer(server, "/ws/chat", "What is the engine power of the GenAuto X1?")
        sources = frame["metadata"]["context"]["sources"]
        assert sources and not any("/" in s for s in sources), sources
        # By its name, through every other door.
        request = urllib.request.Request(
            f"{server.url}/api/runs", method="POST",
            data=json.dumps({"workflow": "library", "message": "When do you open on Saturday?"}).encode(),
            headers={"Authorization": f"Bearer {server.token()}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:
            assert reply.status in (200, 201, 202), reply.status
        assert answer(server, "/ws/chat?assistant=nobody", "Hello")["type"] == "error"
