"""The real local model and the real embeddings, asked through the real socket. Needs the weights, which `make test` fetches."""

import asyncio
import json
import os
from pathlib import Path

import httpx
import pytest
from headwater import Server
from websockets.asyncio.client import connect

ROOT = Path(__file__).resolve().parents[2]
MODELS = Path(os.environ.get("MODELS", ROOT / "models"))
FILES = ["smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf", "all-minilm-l6-v2/model.safetensors"]


async def ask(server: Server, questions: list[str]) -> list[dict]:
    """The last frame of each turn, on one socket and in one session."""
    answers = []
    async with asyncio.timeout(120):  # a bound, not an expectation
        async with connect(f"{server.ws}/ws/chat?token={server.token()}", proxy=None) as socket:
            for question in questions:
                await socket.send(json.dumps({"type": "message", "message": question, "session_id": "s"}))
                while (frame := json.loads(await socket.recv()))["type"] not in ("complete", "error"):
                    pass
                answers.append(frame)
    return answers


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if not all((MODELS / file).is_file() for file in FILES):
        pytest.skip(f"no model in {MODELS}: `make model` fetches it")
    with Server(tmp_path_factory.mktemp("real") / "data", provider="local", models=MODELS) as server:
        yield server


def test_an_answer_has_the_figure_of_the_knowledge_base_and_a_memory(server):
    power, fuel = asyncio.run(ask(server, ["What is the engine power?", "What fuel does it use?"]))
    assert "128" in power["response"], power
    context = power["metadata"]["context"]
    assert context["sources"][0] == "specs_genautox1_2024.md" and context["classified_intent"] == "SPECS"
    assert any(word in fuel["response"].lower() for word in ("gasoline", "ethanol", "flex")), fuel


def test_what_the_knowledge_base_does_not_have_is_not_made_up(server):
    (answer,) = asyncio.run(ask(server, ["Who won the football world cup in 1998?"]))
    assert "do not have information" in answer["response"] and not answer["metadata"]["context"]["sources"], answer


def test_the_server_says_who_answers(server):
    provider = httpx.get(f"{server.url}/health", trust_env=False).json()["provider"]
    assert (provider["name"], provider["label"]) == ("local", "tiny local model")
