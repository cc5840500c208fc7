"""A host that speaks OpenAI's chat completions, as the operator's environment names it; here a few lines of Python on loopback."""

import asyncio
import json

from headwater import Server
from ledger import text_of
from viewers import Api, within


class Host:
    """Answers each request with these words; `None` hangs until the client is gone."""

    def __init__(self, words: list[str | None]):
        self.words, self.asked, self.gone = words, [], asyncio.Event()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length"))
        self.asked.append((head, json.loads(await reader.readexactly(length))))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for word in self.words:
            if word is None:
                await reader.read()  # until the other side closes: how a stop arrives here
                self.gone.set()
                break
            writer.write(b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": word}}]}).encode() + b"\n\n")
            await writer.drain()
        else:
            writer.write(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
        writer.close()


async def with_host(tmp_path, words, what):
    async with Host(words) as host:
        env = {"OPENAI_BASE_URL": host.url, "OPENAI_API_KEY": "sk-secret", "HEADWATER_MODEL": "some-model"}
        server = await asyncio.to_thread(Server, tmp_path / "data", provider="openai", env=env)
        try:
            async with Api(server.url, await asyncio.to_thread(server.token)) as api:
                await within(30, what(api, host))
        finally:
            server.kill()
        assert "sk-secret" not in server.log.read_text(), "the key is in the log"


def test_a_real_keys_host_is_asked_and_its_words_are_the_answer(tmp_path):
    async def what(api, host):
        run, _ = await api.start("What is the engine power?", "m1")
        while (shown := await api.run(run))["status"] == "running":
            await asyncio.sleep(0.02)  # polls an outside process; bounded by `within`
        assert (shown["status"], shown["provider"], shown["model"]) == ("completed", "openai", "some-model"), shown
        assert text_of(await api.log(run)) == "128 hp, über alles"
        head, body = host.asked[0]
        assert "authorization: bearer sk-secret" in head.lower() and body["stream"] is True and body["model"] == "some-model"

    asyncio.run(with_host(tmp_path, ["128", " hp", ", über alles"], what))


def test_a_stop_closes_the_connection_to_the_host(tmp_path):
    async def what(api, host):
        run, _ = await api.start("Tell me everything", "m1")
        while (await api.run(run))["tail"] < 4:
            await asyncio.sleep(0.02)  # polls an outside process; bounded by `within`
        answer = await api.http.post(f"/api/runs/{run}/stop")
        assert answer.json()["outcome"] == "cancelled"
        await host.gone.wait()
        assert text_of(await api.log(run)) == "endless"

    asyncio.run(with_host(tmp_path, ["endless", None], what))
