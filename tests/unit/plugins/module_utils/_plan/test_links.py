# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table: what lies in the targets, what in the legacy directories, the options, and what is then to be done."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._plan.links import (
    plan_links,
    plan_removal,
)
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_links import input_of, said_of

# (title, target, legacy, what the set and the run are asked, the plan)
ONE_SET = [
    ("nothing anywhere", {}, {"/old": {}}, {}, []),
    ("features in the target only", {"a": "A"}, {"/old": {}}, {}, []),
    ("features in a legacy directory only", {}, {"/old": {"a": "A", "b": "B"}}, {}, ["link a -> /old/a", "link b -> /old/b"]),
    ("what the target lacks", {"a": "A"}, {"/old": {"a": "A", "b": "B"}}, {}, ["kept", "link b -> /old/b"]),
    ("other kinds are no candidates", {}, {"/old": {"a": "other", "b": "damaged"}}, {}, []),
    ("sub-folders lie flat in the target", {}, {"/old": {"x/a": "A"}}, {}, ["link a -> /old/x/a"]),
    ("the first directory's path is used", {}, {"/one": {"a": "A"}, "/two": {"a": "A"}}, {}, ["link a -> /one/a"]),
    # --- one name twice in a directory
    ("the shallower path wins", {}, {"/old": {"x/y/a": "Z", "w/a": "A"}}, {}, ["link a -> /old/w/a", "outranked /old/x/y/a by /old/w/a"]),
    ("in each directory by itself", {}, {"/one": {"a": "A"}, "/two": {"a": "A", "x/a": "Z"}}, {},
     ["link a -> /one/a", "outranked /two/x/a by /one/a"]),
    ("also in a later one, where it differs", {}, {"/one": {"a": "A"}, "/two": {"a": "B", "x/a": "Z"}}, {"on_conflict": "first"},
     ["differing a", "link a -> /one/a", "outranked /two/x/a by /one/a"]),
    ("not where both lie as deep", {}, {"/old": {"x/a": "A", "y/a": "B", "x/y/a": "Z"}}, {},
     ["conflict a: /old/x/a /old/y/a", "outranked /old/x/y/a by /old/x/a"]),
    ("a link at the top wins over a file below", {}, {"/old": {"x/a": "Z", "a": "A -> /store/1"}}, {},
     ["link a -> /old/a", "outranked /old/x/a by /old/a"]),
    ("unless it leads there", {}, {"/old": {"x/a": "A", "a": "A -> x/a", "x/y/a": "Z"}}, {},
     ["link a -> /old/x/a", "outranked /old/x/y/a by /old/x/a"]),
    ("a link to what is outranked stays", {"a": "Z -> /old/x/a"}, {"/old": {"a": "A", "x/a": "Z"}}, {},
     ["differing a", "kept", "outranked /old/x/a by /old/a"]),
    ("with sub-folders kept both are wanted", {}, {"/old": {"a": "A", "x/a": "Z"}}, {"tree": True},
     ["link a -> /old/a", "link x/a -> /old/x/a"]),
    # --- names that are taken
    ("taken by the same feature", {"a": "A copy"}, {"/old": {"a": "A"}}, {}, ["kept"]),
    ("taken by another feature", {"a": "Z"}, {"/old": {"a": "A"}}, {}, ["kept", "differing a"]),
    ("taken by a damaged file", {"a": "damaged"}, {"/old": {"a": "A"}}, {}, ["taken a by a file that is damaged (is bad)"]),
    ("taken by a file of another kind", {"a": "other"}, {"/old": {"a": "A"}}, {}, ["taken a by a file of another kind (is bad)"]),
    ("taken by a file of another kind, prune or not", {"a": "other"}, {"/old": {"a": "A"}}, {"prune": "stray"},
     ["taken a by a file of another kind (is bad)"]),
    ("taken by a directory or FIFO", {"a": "special"}, {"/old": {"a": "A"}}, {}, ["taken a by not a regular file"]),
    ("taken by a link to a directory", {"a": "special -> /x"}, {"/old": {"a": "A"}}, {}, ["taken a by a link to /x"]),
    ("taken by somebody's link to another kind", {"a": "other -> /mine/a"}, {"/old": {"a": "A"}}, {},
     ["taken a by a link to /mine/a of another kind (is bad)"]),
    ("taken by somebody's link to another feature", {"a": "Z -> /mine/a"}, {"/old": {"a": "A"}}, {}, ["kept", "differing a"]),
    ("reached another way", {"a": "A -> /alias/a"}, {"/old": {"a": "A"}}, {}, ["kept"]),
    ("reached by a relative link", {"a": "A -> ../old/a"}, {"/old": {"a": "A"}}, {}, ["kept"]),
    ("the link as we make it", {"a": "A -> /old/a"}, {"/old": {"a": "A"}}, {}, ["kept"]),
    # --- dangling links
    ("a dangling link under a wanted name", {"a": "dangling -> /old/gone"}, {"/old": {"a": "A"}}, {},
     ["replace a -> /old/a (was /old/gone)"]),
    ("the same into an undeclared directory", {"a": "dangling -> /gone/a"}, {"/old": {"a": "A"}}, {},
     ["replace a -> /old/a (was /gone/a)"]),
    ("the same into a directory that is missing", {"a": "dangling -> /gone/a"}, {"/old": {"a": "A"}},
     {"missing": ["/gone"], "prune": "dangling"}, ["replace a -> /old/a (was /gone/a)"]),
    ("a dangling link to no wanted feature", {"a": "dangling -> /gone/a"}, {"/old": {}}, {}, []),
    ("the same, pruned: not ours", {"a": "dangling -> /gone/a"}, {"/old": {}}, {"prune": "stray"}, []),
    ("a dangling link into a legacy directory", {"a": "dangling -> /old/a"}, {"/old": {"b": "B"}}, {},
     ["dangling into legacy a", "link b -> /old/b"]),
    ("the same, pruned", {"a": "dangling -> /old/a"}, {"/old": {"b": "B"}}, {"prune": "dangling"},
     ["dangling into legacy a", "link b -> /old/b", "remove a -> /old/a"]),
    ("the same, pruned with the stray ones", {"a": "dangling -> /old/a"}, {"/old": {"b": "B"}}, {"prune": "stray"},
     ["dangling into legacy a", "link b -> /old/b", "remove a -> /old/a"]),
    ("a relative one, pruned", {"a": "dangling -> ../old/a"}, {"/old": {}}, {"prune": "dangling"},
     ["dangling into legacy a", "remove a -> ../old/a"]),
    ("by another name of the directory, pruned", {"a": "dangling -> /alias/a"}, {"/old": {}},
     {"aliases": ["/alias"], "prune": "dangling"}, ["dangling into legacy a", "remove a -> /alias/a"]),
    ("never while that directory is missing", {"a": "dangling -> /gone/a"}, {"/old": {"b": "B"}},
     {"missing": ["/gone"], "prune": "dangling"}, ["dangling into legacy a", "link b -> /old/b"]),
    ("nor where a directory around it is missing", {"a": "dangling -> /gone/sub/a"}, {"/gone/sub": {}},
     {"missing": ["/gone"], "prune": "stray"}, ["dangling into legacy a"]),
    ("only through a legacy directory's name", {"a": "dangling -> /old/../mine/a"}, {"/old": {}}, {"prune": "stray"}, []),
    ("a similar name is another directory", {"a": "dangling -> /older/a"}, {"/old": {}}, {"prune": "stray"}, []),
    # --- the run that uploads
    ("an upload prunes no stray links", {"v": "other -> /old/v"}, {"/old": {"v": "other"}},
     {"uploads": True, "prune": "stray"}, ["stray v"]),
    ("dangling links are pruned first, by a run that does not upload", {"a": "dangling -> /old/a", "v": "other -> /old/v"},
     {"/old": {"v": "other"}}, {"uploads": True, "prune": "stray"},
     ["dangling into legacy a", "remove a -> /old/a", "remove v -> /old/v", "stray v"]),
    ("topping up prunes nothing", {"a": "dangling -> /old/a"}, {"/old": {"b": "B"}}, {"tops_up": True, "prune": "stray"},
     ["dangling into legacy a", "link b -> /old/b"]),
    # --- stray links
    ("a link to another kind in a legacy directory", {"v": "other -> /old/v"}, {"/old": {"v": "other"}}, {}, ["stray v"]),
    ("the same, prune dangling", {"v": "other -> /old/v"}, {"/old": {"v": "other"}}, {"prune": "dangling"}, ["stray v"]),
    ("the same, prune stray", {"v": "other -> /old/v"}, {"/old": {"v": "other"}}, {"prune": "stray"}, ["remove v -> /old/v", "stray v"]),
    ("to a damaged one", {"v": "damaged -> /old/v"}, {"/old": {"v": "damaged"}}, {"prune": "stray"}, ["remove v -> /old/v", "stray v"]),
    ("a link to another kind anywhere else", {"v": "other -> /mine/v"}, {"/old": {}}, {"prune": "stray"}, []),
    ("a feature linked under a second name", {"a": "A -> /old/a", "z": "A -> /old/a"}, {"/old": {"a": "A"}},
     {"prune": "stray"}, ["kept", "remove z -> /old/a", "stray z"]),
    ("a feature linked under a wrong name", {"z": "A -> /old/a"}, {"/old": {"a": "A"}}, {}, ["held by stray", "stray z"]),
    ("the same, prune stray", {"z": "A -> /old/a"}, {"/old": {"a": "A"}}, {"prune": "stray"},
     ["link a -> /old/a", "remove z -> /old/a", "stray z"]),
    ("a stray link under a wanted name", {"a": "other -> /two/a"}, {"/one": {"a": "A"}, "/two": {"a": "other"}}, {},
     ["held by stray", "stray a"]),
    ("the same, prune stray", {"a": "other -> /two/a"}, {"/one": {"a": "A"}, "/two": {"a": "other"}}, {"prune": "stray"},
     ["link a -> /one/a", "remove a -> /two/a", "stray a"]),
    ("a wanted name's link to what is wanted elsewhere", {"a": "B -> /old/b"}, {"/old": {"a": "A", "b": "B"}}, {},
     ["held by stray", "held by stray", "stray a"]),
    ("the same, prune stray", {"a": "B -> /old/b"}, {"/old": {"a": "A", "b": "B"}}, {"prune": "stray"},
     ["link a -> /old/a", "link b -> /old/b", "remove a -> /old/b", "stray a"]),
    ("a link to what cannot be read is not stray", {"z": "unread -> /old/z"}, {"/old": {"a": "A"}}, {"prune": "stray"},
     ["link a -> /old/a"]),
    ("nor under a wanted name", {"a": "unread -> /old/z"}, {"/old": {"a": "A"}}, {"prune": "stray"},
     ["taken a by a link to /old/z that cannot be read (Permission denied)"]),
    ("a link to a folder of a legacy directory", {"d": "special -> /old/d"}, {"/old": {"d/a": "A"}}, {"prune": "stray"},
     ["link a -> /old/d/a", "remove d -> /old/d", "stray d"]),
    ("a link to a folder anywhere else", {"d": "special -> /mine/d"}, {"/old": {}}, {"prune": "stray"}, []),
    # --- conflicts
    ("one name, two features", {}, {"/one": {"a": "A"}, "/two": {"a": "B"}}, {}, ["conflict a: /one/a /two/a"]),
    ("one name, two features in one directory", {}, {"/one": {"x/a": "A", "y/a": "B"}}, {}, ["conflict a: /one/x/a /one/y/a"]),
    ("one name, two features, the first wins", {}, {"/one": {"a": "A"}, "/two": {"a": "B"}}, {"on_conflict": "first"},
     ["differing a", "link a -> /one/a"]),
    ("the first listed, not the first by name", {}, {"/two": {"a": "B"}, "/one": {"a": "A"}}, {"on_conflict": "first"},
     ["differing a", "link a -> /two/a"]),
    ("a conflict over a dangling link", {"a": "dangling -> /x"}, {"/one": {"a": "A"}, "/two": {"a": "B"}}, {},
     ["conflict a: /one/a /two/a"]),
    ("no conflict for a name that the target has", {"a": "A"}, {"/one": {"a": "A"}, "/two": {"a": "B"}}, {}, ["differing a", "kept"]),
    ("once the first is linked it is still said", {"a": "A -> /one/a"}, {"/one": {"a": "A"}, "/two": {"a": "B"}},
     {"on_conflict": "first"}, ["differing a", "kept"]),
    ("also in place of a dangling link", {"a": "dangling -> /x"}, {"/one": {"a": "A"}, "/two": {"a": "B"}},
     {"on_conflict": "first"}, ["differing a", "replace a -> /one/a (was /x)"]),
    ("nor for one that it links to the second", {"a": "B -> /two/a"}, {"/one": {"a": "A"}, "/two": {"a": "B"}}, {},
     ["differing a", "kept"]),
    ("a conflict's second feature has a name of its own", {}, {"/one": {"a": "A"}, "/two": {"a": "B", "b": "B"}},
     {"on_conflict": "first"}, ["differing a", "link a -> /one/a", "link b -> /two/b"]),
    ("a conflict over a name whose first feature has its place", {"z": "A copy"}, {"/one": {"a": "A"}, "/two": {"a": "B"}}, {},
     ["conflict a: /one/a /two/a"]),
    ("the same, the first that has none wins", {"z": "A copy"}, {"/one": {"a": "A"}, "/two": {"a": "B"}},
     {"on_conflict": "first"}, ["differing a", "link a -> /two/a"]),
    ("no conflict over a name that no link needs", {"y": "B copy", "z": "A copy"}, {"/one": {"a": "A"}, "/two": {"a": "B"}}, {}, []),
    # --- each feature once
    ("one feature under two names", {}, {"/old": {"a": "A", "z": "A copy"}}, {}, ["link a -> /old/a"]),
    ("a hard link", {}, {"/old": {"a": "A", "z": "A"}}, {}, ["link a -> /old/a"]),
    ("the target has it under another name", {"z": "A copy"}, {"/old": {"a": "A"}}, {}, []),
    ("somebody's link has it under another name", {"z": "A copy -> /mine/a"}, {"/old": {"a": "A"}}, {}, []),
    ("a name that pruning frees serves too", {"a": "other", "b": "other -> /old/v"}, {"/old": {"a": "A", "b": "A copy", "v": "other"}},
     {"prune": "stray"}, ["link b -> /old/b", "remove b -> /old/v", "stray b"]),
    ("no name is freed that is not pruned", {"a": "other", "b": "other -> /old/v"},
     {"/old": {"a": "A", "b": "A copy", "v": "other"}}, {"prune": "dangling"},
     ["stray b", "taken a by a file of another kind (is bad)"]),
    ("a taken name whose first feature has its place and whose second has none", {"a": "other", "z": "A copy"},
     {"/one": {"a": "A"}, "/two": {"a": "B"}}, {}, ["taken a by a file of another kind (is bad)"]),
    ("the second name serves where the first is taken", {"a": "Z"}, {"/old": {"a": "A", "b": "A copy"}}, {}, ["link b -> /old/b"]),
    ("a nested legacy directory", {}, {"/old": {"sub/a": "A", "b": "B"}, "/old/sub": {"a": "A"}}, {},
     ["link a -> /old/sub/a", "link b -> /old/b"]),
    # --- tree
    ("tree keeps sub-folders", {}, {"/old": {"x/a": "A", "y/a": "B"}}, {"tree": True}, ["link x/a -> /old/x/a", "link y/a -> /old/y/a"]),
    ("tree, each feature once", {}, {"/old": {"x/a": "A", "y/a": "A"}}, {"tree": True}, ["link x/a -> /old/x/a"]),
    ("tree, a nested legacy directory", {}, {"/old": {"sub/a": "A"}, "/old/sub": {"a": "A"}}, {"tree": True}, ["link sub/a -> /old/sub/a"]),
    ("tree, the folder is there", {"x": "folder", "x/b": "B"}, {"/old": {"x/a": "A"}}, {"tree": True}, ["link x/a -> /old/x/a"]),
    ("tree, a file is where the folder should be", {"x": "other"}, {"/old": {"x/a": "A"}}, {"tree": True},
     ["taken x by something that is not a folder of the target"]),
    ("tree, a link is where the folder should be", {"x": "special -> /y"}, {"/old": {"x/a": "A"}}, {"tree": True},
     ["taken x by something that is not a folder of the target"]),
    ("tree, a folder is where a link should be", {"a": "folder"}, {"/old": {"a": "A"}}, {"tree": True}, ["taken a by not a regular file"]),
    ("tree, one file's name is another's folder", {}, {"/one": {"x": "A"}, "/two": {"x/a": "B"}}, {"tree": True},
     ["link x -> /one/x", "taken x by something that is not a folder of the target"]),
    ("tree, another name serves where a folder cannot be made", {"x": "other"}, {"/old": {"x/a": "A", "y/a": "A copy"}}, {"tree": True},
     ["link y/a -> /old/y/a"]),
    ("tree, pruning makes way for a folder", {"x": "dangling -> /old/x"}, {"/old": {"x/a": "A"}}, {"tree": True, "prune": "dangling"},
     ["dangling into legacy x", "link x/a -> /old/x/a", "remove x -> /old/x"]),
    ("tree, where nothing is pruned another name serves", {"x": "dangling -> /old/x"}, {"/old": {"x/a": "A", "y/a": "A copy"}},
     {"tree": True}, ["dangling into legacy x", "link y/a -> /old/y/a"]),
    ("tree, nor does topping up make way", {"x": "dangling -> /old/x"}, {"/old": {"x/a": "A", "y/a": "A copy"}},
     {"tree": True, "tops_up": True, "prune": "dangling"}, ["dangling into legacy x", "link y/a -> /old/y/a"]),
    ("tree, nor is way made while a directory is missing", {"x": "dangling -> /gone/x"}, {"/old": {"x/a": "A", "y/a": "A copy"}},
     {"tree": True, "missing": ["/gone"], "prune": "dangling"}, ["dangling into legacy x", "link y/a -> /old/y/a"]),
    ("tree, the first name where pruning makes way", {"x": "dangling -> /old/x"}, {"/old": {"x/a": "A", "y/a": "A copy"}},
     {"tree": True, "prune": "dangling"}, ["dangling into legacy x", "link x/a -> /old/x/a", "remove x -> /old/x"]),
    ("tree, a relative link", {"x": "folder", "x/a": "A -> ../../old/x/a"}, {"/old": {"x/a": "A"}}, {"tree": True}, ["kept"]),
    ("tree, a stray link in a folder", {"x": "folder", "x/v": "other -> /old/x/v"}, {"/old": {"x/v": "other"}},
     {"tree": True, "prune": "stray"}, ["remove x/v -> /old/x/v", "stray x/v"]),
    # --- what a killed run left
    ("a killed run's leftover goes", {".trainprep-0123": "dangling -> /old/a"}, {"/old": {"a": "A"}}, {},
     ["link a -> /old/a", "remove .trainprep-0123 -> /old/a"]),
    ("also where nothing else is to be done", {"a": "A -> /old/a", ".trainprep-0123": "A -> /old/a"}, {"/old": {"a": "A"}}, {},
     ["kept", "remove .trainprep-0123 -> /old/a"]),
    ("a file of such a name is not one", {".trainprep-0123": "other"}, {"/old": {}}, {}, []),
    ("nor is a link to a folder", {".trainprep-0123": "special -> /mine"}, {"/old": {}}, {}, []),
]  # fmt: skip


@pytest.mark.parametrize(("target", "legacy", "asked", "expected"), [row[1:] for row in ONE_SET], ids=[row[0] for row in ONE_SET])
def test_one_set(target, legacy, asked, expected):
    asked = dict(asked)
    options = {key: asked.pop(key) for key in ("prune", "on_conflict") if key in asked}
    one, keys = input_of(1, target, legacy, **asked)
    (plan,) = plan_links([one], keys, **options)
    assert said_of(plan) == sorted(expected)


# (title, both targets, both sets' legacy directories, options, both plans)
TWO_SETS = [
    ("a feature wanted by both goes to the first", ({}, {}), ({"/old": {"a": "A"}}, {"/old": {"a": "A"}}), {}, (["link a -> /old/a"], [])),
    ("it stays where it is linked", ({}, {"a": "A -> /old/a"}), ({"/old": {"a": "A"}}, {"/old": {"a": "A"}}), {}, ([], ["kept"])),
    ("it stays where it lies", ({}, {"z": "A copy"}), ({"/old": {"a": "A"}}, {"/old": {"a": "A"}}), {}, ([], [])),
    ("linked in both: once is enough", ({"a": "A -> /old/a"}, {"a": "A -> /old/a"}),
     ({"/old": {"a": "A"}}, {"/old": {"a": "A"}}), {"prune": "stray"}, (["kept"], ["remove a -> /old/a", "stray a"])),
    ("wanted under two names", ({}, {}), ({"/one": {"a": "A"}}, {"/two": {"b": "A copy"}}), {}, (["link a -> /one/a"], [])),
    ("taken in the first, free in the second", ({"a": "other"}, {}), ({"/old": {"a": "A"}}, {"/old": {"a": "A"}}), {},
     ([], ["link a -> /old/a"])),
    ("a stray link into the other set's directory", ({"b": "B -> /two/b"}, {}), ({"/one": {}}, {"/two": {"b": "B"}}), {},
     (["stray b"], ["held by stray"])),
    ("the same, prune stray", ({"b": "B -> /two/b"}, {}), ({"/one": {}}, {"/two": {"b": "B"}}), {"prune": "stray"},
     (["remove b -> /two/b", "stray b"], ["link b -> /two/b"])),
    ("a dangling link into the other set's directory is not this set's to remove",
     ({"b": "dangling -> /two/b"}, {}), ({"/one": {}}, {"/two": {}}), {"prune": "stray"}, (["dangling into legacy b"], [])),
    ("a conflict in one set says nothing of the other", ({}, {}), ({"/one": {"a": "A"}, "/two": {"a": "B"}}, {"/three": {"c": "C"}}),
     {}, (["conflict a: /one/a /two/a"], ["link c -> /three/c"])),
]  # fmt: skip


@pytest.mark.parametrize(("targets", "legacies", "options", "expected"), [row[1:] for row in TWO_SETS], ids=[row[0] for row in TWO_SETS])
def test_two_sets(targets, legacies, options, expected):
    inputs, keys = [], set()
    for number, (target, legacy) in enumerate(zip(targets, legacies), 1):
        one, seen = input_of(number, target, legacy)
        inputs.append(one)
        keys |= seen
    plans = plan_links(inputs, keys, **options)
    assert [said_of(plan) for plan in plans] == [sorted(lines) for lines in expected]


def _after(target, plan):
    """The target's table once a plan is carried out; contents as the legacy directories of the mess below have them."""
    left = {name: word for name, word in target.items() if name not in {name for name, _text in plan.to_remove}}
    left.update({name: f"{text[-1].upper()} -> {text}" for name, text in plan.to_create})
    left.update({name: f"{text[-1].upper()} -> {text}" for name, text, _old in plan.to_replace})
    return left


def test_the_mess_of_the_old_scripts_is_cleared_with_each_clip_once():
    """Every file of every legacy directory linked into both targets; the sets share the directories by name."""
    ravdess, crema, video = list("rstu"), list("cdef"), list("vwxy")
    files = {name: name.upper() for name in ravdess + crema}
    files.update(dict.fromkeys(video, "other"))
    mess = {name: f"{word} -> /old/{name}" for name, word in files.items()}
    legacies = [{"/old": {n: w for n, w in files.items() if n not in crema}}, {"/old": {n: files[n] for n in crema}}]

    def plan_for(targets, prune):
        inputs, keys = [], set()
        for number, (target, legacy) in enumerate(zip(targets, legacies), 1):
            one, seen = input_of(number, target, legacy)
            inputs.append(one)
            keys |= seen
        return plan_links(inputs, keys, prune=prune)

    first, second = plan_for([mess, mess], "none")
    assert first.is_empty and second.is_empty
    assert sorted(first.stray) == sorted(crema + video)
    assert sorted(second.stray) == sorted(ravdess + video)

    plans = plan_for([mess, mess], "stray")
    cleared = [_after(mess, plan) for plan in plans]
    assert [sorted(target) for target in cleared] == [ravdess, crema]
    assert all(plan.is_empty for plan in plan_for(cleared, "stray"))


# (title, target, legacy, what is removed)
REMOVALS = [
    ("what present makes", {"a": "A -> /old/a"}, {"/old": {"a": "A", "b": "B"}}, ["a"]),
    ("not a file", {"a": "A copy"}, {"/old": {"a": "A"}}, []),
    ("not a link that says something else", {"a": "A -> ../old/a"}, {"/old": {"a": "A"}}, []),
    ("not a link under another name", {"z": "A -> /old/a"}, {"/old": {"a": "A"}}, []),
    ("not a link to another kind", {"v": "other -> /old/v"}, {"/old": {"v": "other"}}, []),
    ("not a dangling link", {"a": "dangling -> /old/a"}, {"/old": {"b": "B"}}, []),
    ("the link to either feature of a conflict", {"a": "B -> /two/a"}, {"/one": {"a": "A"}, "/two": {"a": "B"}}, ["a"]),
    ("not what the target has itself", {"z": "A copy", "a": "A -> /old/a"}, {"/old": {"a": "A"}}, []),
    ("each of several links to one feature", {"a": "A -> /old/a", "b": "A -> /old/b"}, {"/old": {"a": "A", "b": "A"}}, ["a", "b"]),
    ("what a killed run left", {".trainprep-01": "dangling -> /old/a"}, {"/old": {}}, [".trainprep-01"]),
]  # fmt: skip


@pytest.mark.parametrize(("target", "legacy", "expected"), [row[1:] for row in REMOVALS], ids=[row[0] for row in REMOVALS])
def test_state_absent_removes(target, legacy, expected):
    one, keys = input_of(1, target, legacy)
    (plan,) = plan_removal([one], keys)
    assert sorted(name for name, _text in plan.to_remove) == expected
    assert not (plan.to_create or plan.to_replace)


@pytest.mark.parametrize("asked", [{}, {"tree": True}])
def test_state_absent_undoes_present(asked):
    legacy = {"/one": {"x/a": "A", "b": "B"}, "/two": {"x/a": "A", "c": "C"}}
    (plan,) = plan_links([input_of(1, {}, legacy, **asked)[0]], input_of(1, {}, legacy)[1])
    made = _after({}, plan)
    assert len(made) == 3
    one, keys = input_of(1, made, legacy, **asked)
    (removal,) = plan_removal([one], keys)
    assert dict(removal.to_remove) == dict(plan.to_create)


def test_a_planned_link_fits_into_its_set_once_it_is_made():
    """After any row of the table that changes something, a second plan changes nothing."""
    tried = 0
    for title, target, legacy, asked, _expected in ONE_SET:
        asked = dict(asked)
        options = {key: asked.pop(key) for key in ("prune", "on_conflict") if key in asked}
        one, keys = input_of(1, target, legacy, **asked)
        (plan,) = plan_links([one], keys, **options)
        if plan.is_empty or asked.get("uploads"):
            continue
        contents = {f"{path}/{name}": word for path, files in legacy.items() for name, word in files.items()}
        after = {name: word for name, word in target.items() if name not in {name for name, _text in plan.to_remove}}
        after.update({name: f"{contents[text].split()[0]} -> {text}" for name, text in plan.to_create})
        after.update({name: f"{contents[text].split()[0]} -> {text}" for name, text, _old in plan.to_replace})
        (again,) = plan_links([input_of(1, after, legacy, **asked)[0]], keys, **options)
        assert again.is_empty, title
        tried += 1
    assert tried > 20


@pytest.mark.parametrize(
    ("target", "legacy", "copies"),
    [
        ({}, {"/old": {"a": "A", "b": "A copy", "c": "C"}}, [("b", "a")]),
        ({"a": "A"}, {"/old": {"a": "A", "x/b": "A copy"}}, [("b", "a")]),
        ({"z": "A"}, {"/old": {"a": "A"}, "/two": {"a": "A copy"}}, [("a", "z")]),
        ({"b": "B"}, {"/old": {"a": "A", "b": "A copy"}}, []),  # the name is not left out: another feature has it
    ],
)
def test_names_that_are_left_out_say_what_they_are_copies_of(target, legacy, copies):
    one, keys = input_of(1, target, legacy)
    plan = plan_links([one], keys)[0]
    assert plan.copies == copies


def test_of_many_copies_ten_are_named_and_all_counted():
    one, keys = input_of(1, {}, {"/old": {f"{number:02}": f"A {number}" for number in range(30)}})
    (plan,) = plan_links([one], keys)
    assert (len(plan.copies), plan.copies[0]) == (29, ("01", "00"))


def test_a_copy_in_another_set_is_named_with_its_target():
    (one, keys), (two, more) = input_of(1, {}, {"/old": {"a": "A"}}), input_of(2, {}, {"/two": {"b": "A copy"}})
    assert plan_links([one, two], keys | more)[1].copies == [("b", "/t1/a")]
