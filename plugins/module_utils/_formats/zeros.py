# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CRC-32 of zeros without reading them: of a file's holes, which may be most of it.

Zeros change a checksum by a linear map of its bits, and the maps of 1, 2, 4, … zeros come from each other.
"""

from __future__ import annotations

from typing import List

_POLYNOMIAL = 0xEDB88320
_ALL = 0xFFFFFFFF

# A map as what each value of each of the four bytes adds to the result. By the power of two of the number of zeros.
_Map = List[List[int]]
_maps: List[_Map] = []


def crc_of_zeros(length: int, crc: int) -> int:
    """As C(zlib.crc32(bytes(length), crc))."""
    state, power = crc ^ _ALL, 0
    while length >> power:
        if length >> power & 1:
            state = _apply(_power(power), state)
        power += 1
    return state ^ _ALL


def _apply(tables: _Map, value: int) -> int:
    first, second, third, fourth = tables
    return first[value & 255] ^ second[value >> 8 & 255] ^ third[value >> 16 & 255] ^ fourth[value >> 24]


def _power(power: int) -> _Map:
    while len(_maps) <= power:
        if not _maps:
            images = [_after_one_zero(1 << bit) for bit in range(32)]
        else:
            last = _maps[-1]
            images = [_apply(last, _apply(last, 1 << bit)) for bit in range(32)]
        _maps.append([_table(images[start : start + 8]) for start in (0, 8, 16, 24)])
    return _maps[power]


def _after_one_zero(state: int) -> int:
    for _bit in range(8):
        state = state >> 1 ^ (_POLYNOMIAL if state & 1 else 0)
    return state


def _table(images: List[int]) -> List[int]:
    """Result for each value of a byte, from the result for each of its bits."""
    found = [0]
    for image in images:
        found += [value ^ image for value in found]
    return found
