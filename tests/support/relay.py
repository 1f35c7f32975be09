# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line of one's own in front of a host: an address, a delay and a rate, before a port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Iterator, Sequence

_CHUNK = 65536
# What may wait in front of the line, in seconds of its rate. It bridges what timers are late by: less, and the rate is not reached.
_QUEUE = 0.004


class Gate:
    """What stands in a line: it can stop passing bytes without closing, and cut what goes through it. For other threads."""

    def __init__(self) -> None:
        self.closed = False
        self.passed = 0  # bytes towards the host, all connections together
        self._cut_at: int | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def cut_after(self, count: int) -> None:
        """Cuts every connection once when so many bytes more have gone towards the host."""
        self._cut_at = self.passed + count

    def has_cut(self) -> bool:
        """Whether it came to that; it does no more."""
        has_cut, self._cut_at = self._cut_at is None, None
        return has_cut

    async def go_through(self, count: int, to_host: bool) -> None:
        while self.closed:
            await asyncio.sleep(0.05)
        if not to_host:
            return
        self.passed += count
        if self._cut_at is not None and self.passed >= self._cut_at:
            self._cut_at = None
            for writer in self._writers:
                writer.transport.abort()

    @contextlib.contextmanager
    def holds(self, *writers: asyncio.StreamWriter) -> Iterator[None]:
        self._writers.update(writers)
        try:
            yield
        finally:
            self._writers.difference_update(writers)


class _Rate:
    """What one direction of the line carries, in bytes a second, for all connections together."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.free_at = 0.0

    async def pass_through(self, count: int) -> float:
        """Waits until the line takes so many bytes; the time at which the last of them will have gone into it."""
        now = asyncio.get_running_loop().time()
        if not self.rate:
            return now
        self.free_at = max(now, self.free_at) + count / self.rate
        if self.free_at - now > _QUEUE:
            await asyncio.sleep(self.free_at - now - _QUEUE)
        return self.free_at


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, rate: _Rate, gate: Gate, to_host: bool
) -> None:
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
            await gate.go_through(len(data), to_host)
            gone = await rate.pass_through(len(data))
            under_way.put_nowait((gone + delay, data))
        await delivery
    finally:
        delivery.cancel()


async def _serve(
    address: str, ports: Sequence[int], round_trip: float, rate: float, gate: Gate, ready: list[int], told: threading.Event
) -> None:
    there, back = _Rate(rate), _Rate(rate)

    async def connected(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A line that is taken down cancels what goes through it, which asyncio would report as a fault of ours.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            with gate.holds(writer, far_writer):
                delay = round_trip / 2
                await asyncio.gather(
                    _pump(reader, far_writer, delay, there, gate, True), _pump(far_reader, writer, delay, back, gate, False)
                )
            far_writer.close()
        writer.close()

    servers = [await asyncio.start_server(functools.partial(connected, port), address, 0) for port in ports]
    ready.extend(server.sockets[0].getsockname()[1] for server in servers)
    told.set()
    await asyncio.gather(*(server.serve_forever() for server in servers))


@contextlib.contextmanager
def lines(
    ports: Sequence[int], address: str = "127.0.0.1", round_trip: float = 0.0, rate: float = 0.0, gate: Gate | None = None
) -> Iterator[list[int]]:
    """The ports, on an address of this machine, of one line to several ports of 127.0.0.1. rate: bytes a second; 0: no limit."""
    loop = asyncio.new_event_loop()
    ready: list[int] = []
    told = threading.Event()
    task = loop.create_task(_serve(address, ports, round_trip, rate, gate or Gate(), ready, told))

    def run() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        left = asyncio.all_tasks(loop)
        for one in left:
            one.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, name="line", daemon=True)
    thread.start()
    told.wait(10)
    try:
        yield ready
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)


@contextlib.contextmanager
def line(
    port: int, address: str = "127.0.0.1", round_trip: float = 0.0, rate: float = 0.0, gate: Gate | None = None
) -> Iterator[int]:
    """As lines, to one port."""
    with lines([port], address, round_trip, rate, gate) as ready:
        yield ready[0]
