# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Messages that block a set in one situation and only warn in another. Pure."""

from __future__ import annotations

from typing import Sequence

from .._scan import model
from .._system import paths, samples, words
from .state import SetState


def dangling_inside(legacy: model.LegacyScan) -> str:
    """Dangling links of a legacy directory."""
    number = len(legacy.dangling)
    return (
        f"{words.count(number, 'link')} in {paths.display(legacy.place.path)} {words.verb(number, 'dangle')}"
        f" (as {paths.display(legacy.dangling[0].path)} to {paths.display(legacy.dangling[0].link_target or '')})"
    )


def not_understood(state: SetState, directory: str, entries: Sequence[model.Entry]) -> str:
    """Files that may be features, since no reader here knows what they hold. entries: at least one, below the directory."""
    path = f"{paths.display(directory)}/{paths.display(entries[0].path)}"
    return (
        f"{words.count(len(entries), 'file')} in {paths.display(directory)} {words.verb(len(entries), 'be')} not understood (e.g. {path},"
        f" which {entries[0].classification.reason}): the reader of the format here does not know what"
        f" {words.verb(len(entries), 'be')} in {'it' if len(entries) == 1 else 'them'}, and features may be. With 'format: any' the set"
        f" '{state.name}' takes every matching file as it is, told apart by bytes; to leave such files out, move them away or"
        " correct 'patterns', 'exclude' or 'reads'"
    )


def discovered(state: SetState) -> str:
    """Directories with features that a search found, or that are folders that are not entered."""
    directories = state.discovery.directories
    found = ", ".join(f"{paths.display(path)} ({number or 'not all could be seen'})" for path, number in directories[:samples.SAMPLES])
    found += f" and {len(directories) - samples.SAMPLES} more" if len(directories) > samples.SAMPLES else ""
    return f"features of the set '{state.name}' lie in directories that nobody listed: {found}"


def hidden_from_trainer(state: SetState) -> str:
    """Features whose names a trainer does not read."""
    hidden = [(one, entry) for one in state.legacy for entry in one.hidden_from_trainer]
    if not hidden:
        return ""
    one, entry = hidden[0]
    return (
        f"{words.count(len(hidden), 'feature')} of the legacy directories"
        f" {words.verb(len(hidden), 'have')} a name that the trainer does not read,"
        f" as {paths.display(one.place.path)}/{paths.display(entry.path)} ('reads': {', '.join(state.feature_set.reads)}):"
        " correct 'reads' or 'patterns'"
    )
