# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words that every report shares: status in words, counts, sizes, and text made safe to print."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.trainprep.features.plugins.module_utils._plan.status import STATUS_WORDS

STATE_WORDS = {
    "absent": "absent",
    "empty": "empty",
    "present": "no feature",
    "unreadable": "CANNOT BE READ",
}


def status_words(status: int | None) -> str:
    """A status code (0 to 3, or None for null) in words; anything else is told as unknown."""
    return STATUS_WORDS.get(status, f"unknown status {plain(status)}")


def plain(value: object) -> str:
    """Text that is safe in a terminal and in UTF-8 files.

    A file name may hold escape sequences, line breaks or bytes that are no text (surrogates): all of them come out as
    backslash escapes, everything printable as it is.
    """
    text = value if isinstance(value, str) else str(value)
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode("ascii")
        for char in text
    )


def number(value: object) -> int:
    """A count out of a result, 0 where there is none (facts of another version, a skipped task)."""
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """``8,690 features``, ``1 feature``, ``no feature``."""
    if amount == 0:
        return f"no {noun}"
    if amount == 1:
        return f"1 {noun}"
    return f"{amount:,} {plural or noun + 's'}"


def size(amount: int | float) -> str:
    """Bytes for people, in decimal units as file managers and clouds show them: ``3.6 GB``."""
    value = float(amount)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{int(value)} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def listed(items: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    words = list(items)
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]


def sentence(text: object) -> str:
    """One printable sentence, with a full stop at its end."""
    line = plain(" ".join(str(text).split()))
    return line if not line or line[-1] in ".!?:…" else line + "."
