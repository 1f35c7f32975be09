# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far an upload is: read from rsync's log while it runs, and shown for all hosts of a run together."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .._report.words import size

# A file that was sent, see LOG_FORMAT; what rsync says of folders and of itself does not count.
_SENT = re.compile(rb"\] sent [<>]f\S* (\d+) (\d+)\s*\Z")

# Seconds between two looks at the log, and between two lines if the output is not a terminal.
TICK, LINE_EVERY = 0.5, 5.0
# What a host that died left behind is no longer shown after so many seconds.
_STALE = 10.0
# Seconds over which the rate is taken.
_WINDOW = 10.0

# Whether the run's own output is a terminal. Ansible's workers are cut off from it, but the process that starts
# them loads this plugin too, before it does.
_STARTED_ON_TERMINAL = sys.stdout is not None and sys.stdout.isatty()

# (text, to the terminal as it is?)
Show = Callable[[str, bool], None]


@dataclass
class Progress:
    """One upload. Sizes in bytes; C(files), C(bytes): on the host so far, with what an earlier upload had sent."""

    host: str
    set_name: str
    total_files: int
    total_bytes: int
    files: int = 0
    bytes: int = 0
    rate: float = 0.0
    updated: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """At the present rate; None if that says nothing yet."""
        return (self.total_bytes - self.bytes) / self.rate if self.rate > 0 else None

    @property
    def percent(self) -> int:
        return 100 if self.bytes >= self.total_bytes else int(100 * self.bytes / self.total_bytes)


class Meter:
    """Reads the growing logs of rsyncs, and keeps a Progress up to date. C(wire): bytes that really went over the line."""

    def __init__(self, progress: Progress, logs: Sequence[Path]) -> None:
        self.progress = progress
        self.wire = 0
        self.sent = 0
        self._offsets = dict.fromkeys(logs, 0)
        self._samples: deque[tuple[float, int]] = deque()

    def update(self, now: float) -> None:
        """Reads what the logs say since the last time."""
        for log, offset in self._offsets.items():
            with contextlib.suppress(OSError), open(log, "rb") as file:
                file.seek(offset)
                data = file.read()
                whole = data[: data.rfind(b"\n") + 1]
                self._offsets[log] = offset + len(whole)
                for line in whole.splitlines():
                    self._line(line)
        progress = self.progress
        progress.updated = now
        self._samples.append((now, progress.bytes))
        while len(self._samples) > 2 and now - self._samples[0][0] > _WINDOW:
            self._samples.popleft()
        began, before = self._samples[0]
        if now > began:
            progress.rate = (progress.bytes - before) / (now - began)

    def _line(self, line: bytes) -> None:
        found = _SENT.search(line)
        if found:
            self.wire += int(found.group(1))
            self.sent += 1
            self.progress.files += 1
            self.progress.bytes += int(found.group(2))


def clock(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def plain_line(progress: Progress) -> str:
    left = progress.seconds_left
    text = (
        f"{progress.host}: {progress.set_name}: {progress.percent}%, {size(progress.bytes)} of"
        f" {size(progress.total_bytes)}, {progress.files:,} of {progress.total_files:,} files, {size(progress.rate)}/s"
    )
    return text if left is None else f"{text}, {clock(left)} left"


def block(uploads: Sequence[Progress], width: int, height: int) -> list[str]:
    """The lines of the compact block, one upload each, no wider and no more than the terminal can show."""
    shown = sorted(uploads, key=lambda one: (one.host, one.set_name))
    hidden = shown[height:] if height > 0 else []
    shown = shown[: len(shown) - len(hidden)]
    columns = [_columns(one) for one in shown]
    widths = [max((len(row[index]) for row in columns), default=0) for index in range(len(_LEFT_OUT_FIRST))]
    kept = set(range(len(widths)))
    for index in _LEFT_OUT_FIRST:
        if sum(widths[one] + 2 for one in kept) < width:
            break
        kept.discard(index)
    room = width - 3 - sum(widths[index] + 2 for index in kept)
    lines = []
    for one, row in zip(shown, columns, strict=True):
        cells = [text.ljust(w) if index < 2 else text.rjust(w) for index, (text, w) in enumerate(zip(row, widths, strict=True))]
        texts = [cell for index, cell in enumerate(cells) if index in kept]
        if room >= _SMALLEST_BAR:
            texts.insert(2, _bar(one, min(30, room)))
        lines.append(("  " + "  ".join(texts)).rstrip()[: width - 1])
    if hidden:
        lines.append(f"  and {len(hidden)} more hosts"[: width - 1])
    return lines


# Which columns a narrow terminal goes without: files, rate, bytes, the set's name, ...
_LEFT_OUT_FIRST = (4, 5, 3, 1, 6, 2, 0)
_SMALLEST_BAR = 8


def _columns(one: Progress) -> tuple[str, ...]:
    left = one.seconds_left
    return (
        one.host,
        one.set_name,
        f"{one.percent:3}%",
        f"{size(one.bytes)} of {size(one.total_bytes)}",
        f"{one.files:>{len(f'{one.total_files:,}')},}/{one.total_files:,} files",
        f"{size(one.rate)}/s",
        "" if left is None else f"{clock(left)} left",
    )


def _bar(one: Progress, width: int) -> str:
    filled = (width - 2) * one.percent // 100
    return "[" + "#" * filled + "." * (width - 2 - filled) + "]"


def paint(lines: Sequence[str]) -> str:
    """The block below the cursor, which goes back to where it was.

    So whatever else the run prints next takes the place of the block's empty first line, and what is left of the
    block is cleared with the next painting. No lines: only clear.
    """
    below = "".join("\n" + line for line in lines)
    back = f"\x1b[{len(lines)}A" if lines else ""
    return f"\r\x1b[J{below}{back}\r"


def terminal_size() -> tuple[int, int] | None:
    """(columns, lines) of the terminal that the run prints to; None if it prints elsewhere."""
    if os.environ.get("TERM", "dumb") == "dumb":
        return None
    for name in ("/proc/self/fd/1", f"/proc/{os.getppid()}/fd/1"):
        try:
            fd = os.open(name, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            if os.isatty(fd):
                found = os.get_terminal_size(fd)
                return (found.columns or 80, found.lines or 24)
        except OSError:
            continue
        finally:
            os.close(fd)
    return (80, 24) if _STARTED_ON_TERMINAL and not os.path.isdir("/proc/self") else None


class Board:
    """Where the uploads of one run, each in a process of its own, leave their progress so that it is shown together.

    directory: shared by the processes of the run. show: prints a text.
    """

    def __init__(self, directory: Path, show: Show) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        self.directory = directory
        self.show = show
        self.size = terminal_size()
        self._last_line = time.monotonic()

    def update(self, progress: Progress) -> None:
        """Shows how far it is, now or a little later."""
        if self.size is None:
            if time.monotonic() - self._last_line >= LINE_EVERY:
                self._last_line = time.monotonic()
                self.show(plain_line(progress), False)
            return
        self._leave(progress)
        with open(self.directory / "paint.lock", "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return  # another host's process is painting
            painted = self.directory / "painted"
            if not painted.exists() or time.time() - painted.stat().st_mtime >= TICK * 0.8:
                painted.touch()
                self._paint()

    def finish(self, progress: Progress, message: str) -> None:
        """Takes an upload off the board and reports how it ended, if there is something to report."""
        if self.size is not None:
            with open(self.directory / "paint.lock", "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._file(progress).unlink(missing_ok=True)
                self.show(paint([]), True)
                if message:
                    self.show(message, False)
                self._paint()
        elif message:
            self.show(message, False)

    def _file(self, progress: Progress) -> Path:
        return self.directory / f"{os.getpid()}.json"

    def _leave(self, progress: Progress) -> None:
        path = self._file(progress)
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(progress)), "ascii")
        temporary.rename(path)

    def _paint(self) -> None:
        uploads = []
        for path in self.directory.glob("*.json"):
            try:
                one = Progress(**json.loads(path.read_text("ascii")))
            except (OSError, ValueError, TypeError):
                continue  # it ended meanwhile
            if time.time() - one.updated < _STALE:
                uploads.append(one)
        self.size = terminal_size() or self.size
        columns, lines = self.size or (80, 24)
        text = paint(block(uploads, columns, max(1, lines - 4)))
        self.show(text, True)


@contextlib.contextmanager
def watch(meter: Meter, board: Board) -> Iterator[None]:
    """Show an upload's progress from a thread of its own, for as long as the context lasts."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(TICK):
            meter.update(time.time())
            # What cannot be shown must not end an upload.
            with contextlib.suppress(OSError):
                board.update(meter.progress)

    thread = threading.Thread(target=run, name="feature_upload progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        meter.update(time.time())
