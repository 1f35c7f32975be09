# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a page back: which elements it has, and which numbers its curves show."""

from __future__ import annotations

import html.parser
import re

VOID = {"meta", "br", "line", "circle", "path", "input"}


class Page(html.parser.HTMLParser):
    """The elements of a page, and those that were not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        # (run, metric) -> points in values, of each curve of the page.
        self.curves: dict[tuple[str, str], list[tuple[float, float]]] = {}
        self._chart: dict[str, str] = {}
        self._line: tuple[str, str] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = {name: value or "" for name, value in attrs}
        self.attributes += list(values.items())
        if tag not in VOID:
            self.open.append(tag)
        if tag == "svg":
            self._chart = values
        elif tag == "g":
            self._line = (values["data-run"], values["data-metric"])
            self.curves[self._line] = []
        elif tag == "path":
            self.curves[self._line] += [self._value(*map(float, point)) for point in re.findall(r"([\d.]+) ([\d.]+)", values["d"])]
        elif tag == "circle":
            self.curves[self._line].append(self._value(float(values["cx"]), float(values["cy"])))
            self.curves[self._line].sort()

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()
        elif tag not in VOID:
            self.open.append(f"/{tag}")

    def _value(self, x: float, y: float) -> tuple[float, float]:
        """What a place in the drawing stands for, by the axes that the drawing says it has."""
        left, right = map(float, self._chart["data-x"].split())
        low, high = map(float, self._chart["data-y"].split())
        start, end, top, bottom = map(float, self._chart["data-box"].split())
        share = (bottom - y) / (bottom - top)
        value = low * (high / low) ** share if self._chart["data-log"] == "1" else low + (high - low) * share
        return left + (right - left) * (x - start) / (end - start), value


def page_of(text: str) -> Page:
    return Page(text)


def drawn_curves(text: str) -> dict[tuple[str, str], list[tuple[float, float]]]:
    return Page(text).curves


def agree(drawn: list[tuple[float, float]], expected: list[tuple[float, float]]) -> bool:
    """Whether both have the same points, as exactly as two decimals of the drawing's units can say it."""
    if len(drawn) != len(expected) or not expected:
        return False
    tall = max(value for _place, value in expected) - min(value for _place, value in expected) or 1.0
    wide = expected[-1][0] - expected[0][0] or 1.0
    return all(
        abs(place - other) <= wide / 1000 and abs(value - wanted) <= max(tall, abs(wanted)) / 1000
        for (place, value), (other, wanted) in zip(drawn, expected, strict=True)
    )
