# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""All known formats, recognised by content. A new one is a file next to this one, and a line here."""

from __future__ import annotations

from typing import Dict, Optional, Tuple

from . import arrow, hdf5, interface, npy, npz, parquet, safetensors, tar
from .reader import Reader

FORMATS: Tuple[interface.Format, ...] = (
    npz.FORMAT,
    npy.FORMAT,
    safetensors.FORMAT,
    parquet.FORMAT,
    arrow.FORMAT,
    tar.FORMAT,
    hdf5.FORMAT,
)

KINDS: Tuple[interface.Kind, ...] = tuple(kind for one in FORMATS for kind in one.kinds)

# The kinds that the end of a name promises, by that end in lower case.
PROMISES: Dict[str, Tuple[interface.Kind, ...]] = {}
for _kind in KINDS:
    for _suffix in _kind.suffixes:
        PROMISES[_suffix] = (*PROMISES.get(_suffix, ()), _kind)


def recognise(reader: Reader) -> Optional[interface.Format]:
    """Return the format that a file begins as."""
    for one in FORMATS:
        if one.begins(reader):
            return one
    return None


def promised(name: str) -> Tuple[interface.Kind, ...]:
    """Return the kinds that a file's name promises."""
    return PROMISES.get("." + name.rpartition(".")[2].lower(), ()) if "." in name else ()
