"""A line between a client and the server, on an address that stays: a test cuts it, holds it, takes it away, and leads it elsewhere."""

import asyncio
from urllib.parse import urlsplit


class Line:
    def __init__(self, url: str):
        self.lead(url)
        self.down = False
        self.tries = 0
        self._through = asyncio.Event()
        self._through.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task] = set()

    def lead(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = (parts.hostname, parts.port)

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()

    def cut(self) -> None:
        """Every connection breaks, without a word."""
        for writer in list(self._writers):
            writer.transport.abort()

    def hold(self) -> None:
        """What the server says stays on its way; what the client says arrives."""
        self._through.clear()

    def release(self) -> None:
        self._through.set()

    async def _carry(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self.tries += 1
        ends = [writer]
        # A cut is of what is being made as well.
        self._writers.add(writer)
        try:
            if self.down:
                return
            back, forth = await asyncio.open_connection(*self._to)
            ends.append(forth)
            if self.down or writer.transport.is_closing():
                return
            self._writers.add(forth)
            await asyncio.gather(self._pass(reader, forth, False), self._pass(back, writer, True))
        except OSError:
            pass
        finally:
            self._writers.difference_update(ends)
            for end in ends:
                end.transport.abort()

    async def _pass(self, reader, writer, held: bool):
        try:
            while piece := await reader.read(65536):
                if held:
                    await self._through.wait()
                writer.write(piece)
                await writer.drain()
            writer.write_eof()
        except (OSError, RuntimeError):
            writer.transport.abort()
