# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._spec.folders import FolderRule
from ansible_collections.trainprep.features.plugins.module_utils._spec.names import name_filter
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import SET_OPTIONS, parse_sets
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

PLAIN = {"name": "s", "target": "/t"}


def test_what_is_left_out_has_the_documented_defaults():
    (one,) = parse_sets([PLAIN])
    assert (one.legacy, one.patterns, one.exclude, one.reads) == ((), ("*.npz",), (), ("*.npz",))
    assert (one.verify, one.layout, one.expected, one.required) == ("quick", "flat", None, "true")
    assert (one.mount, one.source) == (None, None)
    assert one.arrays == parse_sets([{**PLAIN, "arrays": None}])[0].arrays


def test_what_ansible_fills_in_means_the_same_as_what_is_left_out():
    filled = {key: option.get("default") for key, option in SET_OPTIONS.items()}
    assert parse_sets([{**filled, **PLAIN}]) == parse_sets([PLAIN])


def test_one_text_is_a_list_of_one():
    (one,) = parse_sets([{**PLAIN, "legacy": "/old", "patterns": "*.npy"}])
    assert (one.legacy, one.patterns) == (("/old",), ("*.npy",))


REQUIRED = [
    (True, "true"),
    ("yes", "true"),
    (False, "false"),
    ("False", "false"),
    ("any", "any"),
    ("ANY", "any"),
    (None, "true"),
]


@pytest.mark.parametrize(("value", "expected"), REQUIRED)
def test_required(value, expected):
    assert parse_sets([{**PLAIN, "required": value}])[0].required == expected


def test_sets_with_one_question_share_it():
    spec = {"x": {"dtype": "float32", "shape": [None, 3]}}
    raw = [
        {"name": "1", "target": "/1", "arrays": spec},
        {"name": "2", "target": "/2", "arrays": dict(spec)},
        {"name": "3", "target": "/3", "arrays": spec, "verify": "full"},
    ]
    one, two, three = parse_sets(raw)
    assert one.criteria == two.criteria != three.criteria


def test_a_pattern_that_ends_in_a_slash_names_folders():
    one, two = parse_sets(
        [{**PLAIN, "exclude": ["x_*.npz", "backup*/"]}, {"name": "two", "target": "/two", "hidden": "yes", "exclude": []}]
    )
    assert (one.exclude, one.folders) == (("x_*.npz",), FolderRule(False, ("backup*",)))
    assert two.folders == FolderRule(True, ())


@pytest.mark.parametrize(
    ("path", "entered"),
    [("", True), ("a/b", True), ("backup-1", False), ("a/backup/b", False), ("a/.snapshot", False), ("a/LOST+FOUND/b", False)],
)
def test_paths_are_entered_where_each_folder_is(path, entered):
    assert FolderRule(False, ("backup*",)).enters(path) is entered


# Each is one set of an otherwise right run; the sentence has to name the set, the key and the value.
BAD_SETS = [
    ({"target": "/t"}, ["feature set 1", "'name'"]),
    ({"name": "s"}, ["feature set 's'", "'target'"]),
    ({"name": "s", "target": ""}, ["feature set 's'", "'target'"]),
    ({"name": "s", "target": "data/x"}, ["feature set 's'", "target 'data/x'", "relative"]),
    ({"name": "s", "target": "/"}, ["feature set 's'", "target /"]),
    ({"name": "s", "target": "/a/../b"}, ["feature set 's'", "target '/a/../b'", "'..'"]),
    ({"name": "s", "target": "/a\0b"}, ["feature set 's'", "target", "NUL"]),
    ({"name": "s", "target": "/a\ud800b"}, ["feature set 's'", "target", "UTF-8"]),
    ({**PLAIN, "legacy": ["/ok", "old/x"]}, ["feature set 's'", "legacy 'old/x'", "relative"]),
    ({**PLAIN, "legacy": [""]}, ["feature set 's'", "'legacy'"]),
    ({**PLAIN, "legacy": [7]}, ["feature set 's'", "'legacy'"]),
    ({**PLAIN, "legacy": [["/old"]]}, ["feature set 's'", "'legacy' must be a list of texts"]),
    ({**PLAIN, "mount": "data"}, ["feature set 's'", "mount 'data'", "relative"]),
    ({**PLAIN, "legcy": ["/x"]}, ["feature set 's'", "'legcy'", "legacy"]),
    ({**PLAIN, "patterns": ["a/*.npz"]}, ["feature set 's'", "'patterns'", "'a/*.npz'", "slash"]),
    ({**PLAIN, "exclude": ["a/*.npz"]}, ["feature set 's'", "'exclude'", "'a/*.npz'", "slash"]),
    ({**PLAIN, "exclude": ["a/b/"]}, ["feature set 's'", "'exclude'", "'a/b/'", "slash"]),
    ({**PLAIN, "exclude": ["/"]}, ["feature set 's'", "'exclude'", "'/'", "slash"]),
    ({**PLAIN, "patterns": ["a/"]}, ["feature set 's'", "'patterns'", "'a/'", "slash"]),
    ({**PLAIN, "hidden": "some"}, ["feature set 's'", "hidden 'some'", "true or false"]),
    ({**PLAIN, "reads": ["a/*.npz"]}, ["feature set 's'", "'reads'", "'a/*.npz'", "slash"]),
    ({**PLAIN, "patterns": []}, ["feature set 's'", "'patterns'", "empty"]),
    ({**PLAIN, "reads": []}, ["feature set 's'", "'reads'", "empty"]),
    ({**PLAIN, "expected": -1}, ["feature set 's'", "expected '-1'"]),
    ({**PLAIN, "expected": "many"}, ["feature set 's'", "expected 'many'"]),
    ({**PLAIN, "required": "maybe"}, ["feature set 's'", "required 'maybe'", "any"]),
    ({**PLAIN, "verify": "deep"}, ["feature set 's'", "verify 'deep'", "quick", "full"]),
    ({**PLAIN, "layout": "nested"}, ["feature set 's'", "layout 'nested'", "flat", "tree"]),
    ({**PLAIN, "arrays": ["x"]}, ["feature set 's'", "arrays", "dictionary"]),
    ({**PLAIN, "arrays": "float32"}, ["feature set 's'", "arrays", "dictionary"]),
    ({**PLAIN, "arrays": {"x": "float32"}}, ["feature set 's'", "arrays", "x"]),
    ({**PLAIN, "arrays": {"x": {"shape": "wide"}}}, ["feature set 's'", "arrays", "x", "shape"]),
    ({**PLAIN, "arrays": {"x": {"dtype": "float33"}}}, ["feature set 's'", "arrays", "x", "dtype 'float33'"]),
    ({**PLAIN, "arrays": {"x": {"dtype": "object"}}}, ["feature set 's'", "arrays", "x", "dtype 'object'", "pickle"]),
    ({**PLAIN, "arrays": {"x": {"shape": 768}}}, ["feature set 's'", "arrays", "x", "shape 768"]),
    ({**PLAIN, "arrays": {"x": {"shape": [-1, 768]}}}, ["feature set 's'", "arrays", "x", "length -1"]),
    ({**PLAIN, "arrays": {"x": {"size": 3}}}, ["feature set 's'", "arrays", "x", "'size'"]),
    ("s", ["feature set 1", "dictionary"]),
]


@pytest.mark.parametrize(("raw", "words"), BAD_SETS, ids=[str(number) for number in range(len(BAD_SETS))])
def test_bad_input_is_refused_in_one_sentence_that_names_it(raw, words):
    with pytest.raises(FeatureError) as caught:
        parse_sets([raw])
    said = str(caught.value)
    assert [word for word in words if word not in said] == [], said
    assert "\n" not in said and len(said) < 300


BAD_LISTS = [
    ([], ["sets is empty"]),
    ([PLAIN, {"name": "s", "target": "/u"}], ["'s'", "twice"]),
    ([PLAIN, {"name": "r", "target": "/t/"}], ["'s'", "'r'", "one target", "/t"]),
]


@pytest.mark.parametrize(("raw", "words"), BAD_LISTS, ids=["empty", "one name", "one target"])
def test_bad_lists_of_sets(raw, words):
    with pytest.raises(FeatureError) as caught:
        parse_sets(raw)
    assert [word for word in words if word not in str(caught.value)] == []


NAMES = [
    ("a.npz", ["*.npz"], [], True),
    ("a.NPZ", ["*.npz"], [], False),  # case counts
    ("a.npz.bak", ["*.npz"], [], False),
    (".npz", ["*.npz"], [], False),  # a leading dot must be asked for
    (".a.npz", ["*.npz"], [], False),
    (".a.npz", ["?a.npz", "[.]a.npz"], [], False),
    (".a.npz", [".*.npz"], [], True),
    ("a.npz", [".*.npz"], [], False),
    ("cremad_1.npz", ["cremad_*.npz"], [], True),
    ("cremad_1.npz", ["*.npz"], ["cremad_*.npz"], False),
    ("ravdess_1.npz", ["*.npz"], ["cremad_*.npz"], True),
    ("a1.npz", ["a[0-9].npz"], [], True),
    ("ab.npz", ["a[!0-9].npz"], [], True),
    ("a\nb.npz", ["*.npz"], [], True),
    ("a\nb.npz", ["a?b.npz"], [], True),
    ("b\udcff.npz", ["*.npz"], [], True),
    ("x.npy", ["*.npz", "*.npy"], [], True),
    ("a.npz\n", ["*.npz"], [], False),
    ("a[1].npz", ["a[[]1].npz"], [], True),
    ("anything", [], [], False),
]


@pytest.mark.parametrize(("name", "patterns", "exclude", "expected"), NAMES, ids=[str(n) for n in range(len(NAMES))])
def test_names_are_matched_as_a_shell_does_it(name, patterns, exclude, expected):
    assert bool(name_filter(patterns, exclude)(name)) is expected
