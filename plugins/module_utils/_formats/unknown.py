# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kinds of files recognized by their first bytes alone, so that a report can name them."""

from __future__ import annotations

from typing import Optional, Tuple

_LABELS: Tuple[Tuple[bytes, str], ...] = (
    (b"version https://git-lfs.github.com/spec/", "is a Git LFS pointer, not the file itself: fetch it with 'git lfs pull'"),
    (b"/annex/objects/", "is a git-annex pointer, not the file itself: fetch it with 'git annex get'"),
    (b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", "is in torch's old form, which only a pickle can load"),
    (b"\x80\x02", "is a pickle, which is never loaded"),
    (b"\x80\x03", "is a pickle, which is never loaded"),
    (b"\x80\x04\x95", "is a pickle, which is never loaded"),
    (b"\x80\x05\x95", "is a pickle, which is never loaded"),
    (b"<!DOCTYPE", "is a web page, as a download leaves it that was answered with an error"),
    (b"<html", "is a web page, as a download leaves it that was answered with an error"),
    (b"<?xml", "is an XML text, as a download leaves it that was answered with an error"),
    (b"\x1f\x8b", "is packed by gzip: unpack it"),
    (b"BZh", "is packed by bzip2: unpack it"),
    (b"\xfd7zXZ\0", "is packed by xz: unpack it"),
    (b"\x28\xb5\x2f\xfd", "is packed by Zstandard: unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "is packed by 7-Zip: unpack it"),
)


def name_unknown(head: bytes) -> Optional[str]:
    """What completes "the file ..." for a known beginning."""
    return next((label for beginning, label in _LABELS if head.startswith(beginning)), None)
