"""Raw sockets that do what no client does, and what a server costs while they do it."""

import asyncio
import base64
import os
import random
import resource
import struct
from pathlib import Path


def many_files() -> None:
    """As many open files as this process may have: thousands of sockets are two ends each."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def rss(pid: int) -> int:
    """Bytes of memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


async def back_to(pid: int, files_before: int, seconds: float = 30) -> None:
    """Waits until the server has let go of every socket; the bound is one on hanging."""
    for _ in range(int(seconds * 20)):
        if files(pid) <= files_before:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{files(pid)} files are open, {files_before} were before")


def upgrade(token: str, path: str = "/ws/chat") -> bytes:
    return (
        f"GET {path}?token={token} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


async def open_socket(host: str, port: int, token: str, path: str = "/ws/chat", local: str | None = None):
    local_addr = (local, 0) if local else None
    reader, writer = await asyncio.open_connection(host, port, local_addr=local_addr)
    writer.write(upgrade(token, path))
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return reader, writer


def frame(payload: bytes, opcode: int = 1, fin: bool = True) -> bytes:
    first = (0x80 if fin else 0) | opcode
    size = len(payload)
    if size < 126:
        head = bytes([first, 0x80 | size])
    elif size < 65536:
        head = bytes([first, 0xFE]) + struct.pack(">H", size)
    else:
        head = bytes([first, 0xFF]) + struct.pack(">Q", size)
    return head + b"\0\0\0\0" + payload


def close_of(data: bytes) -> tuple[int, str] | None:
    """The close frame among the frames that a server sent."""
    while len(data) >= 2:
        first, size, at = data[0], data[1], 2
        if size == 126:
            size, at = struct.unpack(">H", data[2:4])[0], 4
        elif size == 127:
            size, at = struct.unpack(">Q", data[2:10])[0], 10
        if first == 0x88:
            return struct.unpack(">H", data[at:at + 2])[0], data[at + 2:at + size].decode()
        data = data[at + size:]
    return None


def bad_handshake(chance: random.Random, token: str) -> bytes:
    """Bytes that are no request, or one that is no WebSocket's, or a good one that was damaged."""
    good = bytearray(upgrade(token))
    kind = chance.randrange(8)
    if kind == 0:
        return chance.randbytes(chance.randrange(1, 400))
    if kind == 1:  # some bytes of it are others
        for _ in range(chance.randrange(1, 12)):
            good[chance.randrange(len(good))] = chance.randrange(256)
        return bytes(good)
    if kind == 2:  # cut off
        return bytes(good[:chance.randrange(1, len(good))])
    if kind == 3:
        return bytes(good).replace(b"Version: 13", b"Version: " + str(chance.randrange(100)).encode())
    if kind == 4:
        key = base64.b64encode(chance.randbytes(chance.randrange(40)))
        return bytes(good).replace(b"dGhlIHNhbXBsZSBub25jZQ==", key)
    if kind == 5:
        method = chance.choice([b"POST", b"PUT", b"OPTIONS", b"TRACE", b"get", b"CONNECT", b"\xff"])
        return bytes(good).replace(b"GET", method, 1)
    if kind == 6:
        extra = b"".join(b"x-%d: %s\r\n" % (n, b"y" * chance.randrange(300)) for n in range(chance.randrange(100)))
        return bytes(good).replace(b"Host: x\r\n", b"Host: x\r\n" + extra)
    return bytes(good).replace(b"\r\nHost: x", chance.choice([b"", b"\r\nHost: x\r\nHost: y", b"\r\nHost: \xff", b"\r\n Host: x"]))


def bad_frames(chance: random.Random) -> bytes:
    """Up to three frames, of which at least one is wrong, or nothing that could be called frames."""
    if chance.random() < 0.3:
        return chance.randbytes(chance.randrange(1, 300))
    pieces = []
    for _ in range(chance.randrange(1, 4)):
        kind = chance.randrange(9)
        body = chance.randbytes(chance.randrange(200))
        if kind == 0:  # reserved bits
            pieces.append(bytes([0x80 | chance.randrange(1, 8) << 4 | 1, 0x80]) + b"\0\0\0\0")
        elif kind == 1:  # reserved opcodes
            pieces.append(frame(body, chance.choice([3, 4, 5, 6, 7, 11, 12, 13, 14, 15])))
        elif kind == 2:  # control frames that are too long, or in fragments
            pieces.append(frame(body + b"x" * 126, chance.choice([8, 9, 10]), chance.random() < 0.5))
        elif kind == 3:  # not masked
            pieces.append(bytes([0x81, len(body) % 126]) + body[:len(body) % 126])
        elif kind == 4:  # no UTF-8
            pieces.append(frame(b"\xc3\x28" + body))
        elif kind == 5:  # closes with codes and reasons that nobody may send
            pieces.append(frame(struct.pack(">H", chance.randrange(65536)) + body[:chance.randrange(120)], 8))
        elif kind == 6:  # longer than anything
            pieces.append(bytes([0x82, 0xFF]) + struct.pack(">Q", chance.randrange(1 << 17, 1 << 64)) + b"\0\0\0\0" + body)
        elif kind == 7:  # continuations of nothing, messages within messages
            pieces.append(frame(body, chance.randrange(3), chance.random() < 0.5))
        else:  # good frames with bad contents
            pieces.append(frame(chance.choice([b"", b"{", b"[]", b"null", b'{"type":7}', b'{"type":"message"}', b'{"type":"resume","after":-1}'])))
    data = b"".join(pieces)
    return data[:chance.randrange(1, len(data) + 1)] if chance.random() < 0.3 else data


async def misbehave(host: str, port: int, chance: random.Random, token: str) -> str:
    """One bad client: what became of it. Never longer than its bound."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        if chance.random() < 0.5:
            writer.write(bad_handshake(chance, token))
        else:
            writer.write(upgrade(token, chance.choice(["/ws", "/ws/chat"])))
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            data = bad_frames(chance)
            cut = chance.randrange(len(data) + 1)  # in two pieces
            writer.write(data[:cut])
            await asyncio.sleep(0)
            writer.write(data[cut:])
        how = chance.randrange(3)
        if how == 0:  # gone without a word, with a reset where something is unread
            writer.transport.abort()
            return "aborted"
        if writer.can_write_eof():
            writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 30)
        return "answered" if answer else "closed"
    except (OSError, asyncio.IncompleteReadError):
        return "cut off"
    finally:
        writer.close()
