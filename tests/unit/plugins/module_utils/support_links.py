# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of links: what a cell means, and a plan in lines."""

from __future__ import annotations

from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import (
    DAMAGED,
    FEATURE,
    OTHER,
    Classification,
)
from ansible_collections.trainprep.features.plugins.module_utils._plan.links import SetInput
from ansible_collections.trainprep.features.plugins.module_utils._scan.model import (
    DANGLING,
    FILE,
    FOLDER,
    LINK,
    SPECIAL,
    UNCLASSIFIED,
    UNREAD,
    Entry,
)


def _key(content):
    return int.from_bytes(content.encode(), "big")


def _entry(name, word):
    """What a cell of the table means: a content (one capital letter is a feature), after ``-> text`` where it is a link."""
    text = None
    if "->" in word:
        word, text = (part.strip() for part in word.split("->"))
    if word == "dangling":
        return Entry(name, DANGLING, 0, 0, UNCLASSIFIED, text)
    if word in ("special", "folder"):
        return Entry(name, SPECIAL if word == "special" else FOLDER, 0, 0, UNCLASSIFIED, text)
    kind = FILE if text is None else LINK
    if word == "unread":
        return Entry(name, kind, 0, 0, Classification(UNREAD, "cannot be read (Permission denied)", None), text)
    if word in ("other", "damaged"):
        return Entry(name, kind, _key(word + name), 1, Classification(OTHER if word == "other" else DAMAGED, "is bad", None), text)
    content, _space, inode = word.partition(" ")
    return Entry(name, kind, _key(inode or content), 1, Classification(FEATURE, "", content.encode().ljust(16)), text)


def input_of(number, target, legacy, *, missing=(), tree=False, uploads=False, tops_up=False, aliases=()):
    """One set of a table, and the inode keys of all that lies in its legacy directories."""
    entries = {name: _entry(name, word) for name, word in target.items()}
    inputs, keys = [], set()
    for path, files in legacy.items():
        found = [_entry(name, word) for name, word in files.items()]
        keys |= {entry.key for entry in found}
        inputs.append((path, [entry for entry in found if entry.is_feature]))
    declared = {**dict.fromkeys([*legacy, *aliases], True), **dict.fromkeys(missing, False)}
    return SetInput(f"/t{number}", tree, entries, inputs, declared, uploads, tops_up), keys


def said_of(plan):
    """A plan in lines, all of it."""
    lines = [f"link {name} -> {text}" for name, text in plan.to_create]
    lines += [f"replace {name} -> {text} (was {old})" for name, text, old in plan.to_replace]
    lines += [f"remove {name} -> {text}" for name, text in plan.to_remove]
    lines += [f"stray {name}" for name in plan.stray]
    lines += [f"dangling into legacy {name}" for name in plan.dangling_into_legacy]
    lines += [f"conflict {name}: {' '.join(paths)}" for name, paths in plan.conflicts]
    lines += [f"taken {name} by {what}" for name, what in plan.obstructed]
    lines += [f"differing {name}" for name in plan.differing]
    lines += [f"outranked {other} by {used}" for used, other in plan.outranked]
    lines += ["kept"] * plan.unchanged + ["held by stray"] * plan.blocked_by_stray
    return sorted(lines)
