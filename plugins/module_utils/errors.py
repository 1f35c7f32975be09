# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors that end in one sentence for the user."""

from __future__ import annotations

import errno
import os

REPORT_TO = "https://github.com/trainprep/features/issues"


class FeatureError(Exception):
    """One sentence: which path or variable, what is wrong, what to do about it."""


def our_fault(what: str, error: BaseException) -> FeatureError:
    """What an exception becomes that nobody foresaw: our fault, told with its place, and no statement about any file.

    what: what could not be done, with the path that it concerns.
    """
    said = f": {error}" if str(error) else ""
    return FeatureError(
        f"{what}, by a fault of trainprep.features ({type(error).__name__}{said}, in {_place(error)}), which says nothing"
        f" about your files: nothing is concluded from it, please report this sentence at {REPORT_TO}"
    )


def _place(error: BaseException) -> str:
    """The file and line of ours where an exception was raised: its traceback does not survive another process."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return "a place unknown"
    return f"{os.path.basename(place.tb_frame.f_code.co_filename)}, line {place.tb_lineno}"


def advice(error: OSError) -> str:
    """What to do where the system refuses to change something, for the end of a sentence."""
    refused = "let the role's user write there: root with prepare_features_become, else the connecting one"
    found = {
        errno.EACCES: refused,
        errno.EPERM: refused,
        errno.EROFS: "its file system is mounted read-only; mount it for writing",
        errno.ENOSPC: "its file system is full; make room there and run again",
        errno.EDQUOT: "a quota is used up; make room there and run again",
        errno.ENOTDIR: "a part of the path is a file; move that away",
        errno.EEXIST: "a part of the path is a file; move that away",
    }
    return found.get(error.errno or 0, "look at it on the host, then run again")
