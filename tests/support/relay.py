# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line of one's own in front of a host: an address, a delay and a rate, before a port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

_CHUNK = 65536


class _Rate:
    """What one direction of the line carries, in bytes a second, for all connections together."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.free_at = 0.0

    async def pass_through(self, count: int) -> None:
        if self.rate:
            now = asyncio.get_running_loop().time()
            self.free_at = max(now, self.free_at) + count / self.rate
            await asyncio.sleep(self.free_at - now)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, rate: _Rate) -> None:
    """Carries bytes in order, each delay seconds later than the line took it."""
    loop = asyncio.get_running_loop()
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                break
            writer.write(data)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    delivery = asyncio.create_task(deliver())
    try:
        data = b"x"
        while data:
            data = await reader.read(_CHUNK)
            await rate.pass_through(len(data))
            under_way.put_nowait((loop.time() + delay, data))
        await delivery
    finally:
        delivery.cancel()


async def _serve(address: str, port: int, round_trip: float, rate: float, ready: list[int], told: threading.Event) -> None:
    there, back = _Rate(rate), _Rate(rate)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            pumps = [_pump(reader, far_writer, round_trip / 2, there), _pump(far_reader, writer, round_trip / 2, back)]
            await asyncio.gather(*pumps)
            far_writer.close()
        writer.close()

    server = await asyncio.start_server(connected, address, 0)
    ready.append(server.sockets[0].getsockname()[1])
    told.set()
    await server.serve_forever()


@contextlib.contextmanager
def line(port: int, address: str = "127.0.0.1", round_trip: float = 0.0, rate: float = 0.0) -> Iterator[int]:
    """The port, on an address of this machine, of a line to a port of 127.0.0.1. rate: bytes a second; 0: no limit."""
    loop = asyncio.new_event_loop()
    ready: list[int] = []
    told = threading.Event()
    task = loop.create_task(_serve(address, port, round_trip, rate, ready, told))

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        left = asyncio.all_tasks(loop)
        for one in left:
            one.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, name="line", daemon=True)
    thread.start()
    told.wait(10)
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
