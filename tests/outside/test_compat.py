"""`headwater serve --compat`: a listener in the role of each original's port, here on port 0, and on each the client of the
seed that used that port, with its address unchanged but for host and port. In development, as the originals were used."""

import asyncio
import uuid

import httpx
import pytest
from websockets.asyncio.client import connect

from headwater import Server
from test_ai_stream import Expansion
from test_orchestrate import Client, brief, check
from test_seed_clients import python_example
from tutor_client import NativeSocket, Stream
from viewers import within

# The original's port, the surface, what stands at `/api/health` and at `/health` there, and a path of each other system.
ROLES = {
    8000: ("main", {"/api/health": "healthy", "/health": "healthy", "/health/ready": "ready"}, []),
    8001: ("tutor", {"/api/health": "ok"}, ["/", "/health", "/ws/test", "/ws/chat", "/ws/ai/stream", "/api/orchestrate/models"]),
    8888: ("orchestrate", {"/health": "healthy", "/ready": "ready"}, ["/api/health", "/ws/test", "/ws/chat", "/api/ws", "/api/v1/metrics/x"]),
}


@pytest.fixture(scope="module")
def compat(tmp_path_factory):
    listen = ",".join(f"{surface}=127.0.0.1:0" for surface, _, _ in ROLES.values())
    data = tmp_path_factory.mktemp("compat") / "data"
    with Server(data, tokens=20, gap_ms=10, listen=listen, args=["--compat", "--development"]) as server:
        server.surfaces["main"] = server.url
        yield server


def test_each_says_where_it_is_and_serves_its_own(compat):
    assert set(compat.surfaces) == {"main", "tutor", "orchestrate"} and len(set(compat.surfaces.values())) == 3
    for surface, has, lacks in ROLES.values():
        with httpx.Client(base_url=compat.surfaces[surface], trust_env=False, timeout=20) as http:
            for path, status in has.items():
                answer = http.get(path)
                assert (answer.status_code, answer.json()["status"]) == (200, status), (surface, path)
            for path in lacks:
                assert http.get(path).status_code == 404, (surface, path)


def test_port_8000_has_the_clients_of_chat_and_ai_stream(compat, tmp_path):
    said = python_example(compat.at("main"), tmp_path)
    assert said.startswith("Authenticated!\n") and "\n\nComplete!\nResponse: " in said, said
    assert httpx.get(f"{compat.url}/ws/test", trust_env=False).status_code == 200
    done = asyncio.run(within(30, Expansion(compat.at("main"), "test-user-123").run("Expand this")))
    assert done.text and done.unknown == [] and done.ending["type"] == "done", vars(done)
    assert done.ending["user_id"] == "test-user-123"


def test_port_8001_has_the_tutors_client(compat):
    async def lesson():
        tutor = compat.at("tutor")
        token = await asyncio.to_thread(tutor.token, "tess", "tess@example.com", "Tess")
        socket = NativeSocket(f"{tutor.ws}/api/ws?token={token}")
        try:
            stream = Stream(socket, "Why is grass green?", str(uuid.uuid4()))
            await stream.over.wait()
            return stream
        finally:
            await socket.close()

    stream = asyncio.run(within(30, lesson()))
    assert stream.ending["type"] == "stream_complete", stream.ending
    assert stream.text and stream.text == stream.ending["data"]["full_content"]


def test_port_8888_has_the_client_of_orchestrate(compat):
    server = compat.at("orchestrate")
    job, teams = brief(server)
    client = Client(server, job, teams)

    async def watch():
        async with connect(client.url, proxy=None) as socket:
            await client.see_all(socket)

    asyncio.run(within(60, watch()))
    check(client, "complete")
