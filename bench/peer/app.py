"""The peer: what people write by hand today. A FastAPI WebSocket endpoint that speaks the same frames and streams the same
scripted answer. It stores nothing, forgets the answer when the socket drops, and cannot hear "stop" while it streams."""

import asyncio
import os
import socket
import sys

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

TOKENS = int(os.environ["PEER_TOKENS"])
app = FastAPI()


async def model():
    for i in range(TOKENS):
        await asyncio.sleep(0)  # a provider's stream is awaited; this one is always ready
        yield f"word{i} "


@app.websocket("/ws/chat")
async def chat(ws: WebSocket):
    await ws.accept()
    try:
        while True:
            await ws.receive_json()
            text = ""
            await ws.send_json({"type": "progress", "step": "generating", "message": "Generating response..."})
            async for token in model():
                text += token
                await ws.send_json({"type": "token", "token": token, "partial_response": ""})
            await ws.send_json({"type": "complete", "response": text, "session_id": "s", "metadata": {}})
    except WebSocketDisconnect:
        pass


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(f"listening on http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)


if __name__ == "__main__":
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    # The quick event loop, parser and WebSocket library, no access log, no compression: the peer at its best.
    config = uvicorn.Config(app, log_level="error", access_log=False, loop="uvloop", http="httptools", ws="websockets-sansio", ws_per_message_deflate=False)
    Server(config).run([listener])
    sys.exit(0)
