# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Headers of arrays as the tests write them."""

from __future__ import annotations

import struct


def begin(version, length, cut=None):
    return (b"\x93NUMPY" + bytes((version, 0)) + struct.pack("<H" if version == 1 else "<I", length) + b"{'")[:cut]


def raw(text, version=1):
    encoded = text if isinstance(text, bytes) else text.encode("latin-1" if version < 3 else "utf-8")
    return begin(version, len(encoded), 10 if version == 1 else 12) + encoded


def described(descr="'<f4'", shape="(2, 3)", order="False"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
