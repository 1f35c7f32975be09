# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input to the role: one clear sentence, no traceback, nothing changed on the host. One run for the whole table."""

from __future__ import annotations

import json

import pytest

from tests.support.cases import Case, Cases, one_set
from tests.support.layout import write_facenet

OLD = "features('old', 'a', 'b')"


def bad(setup=OLD, **keys):
    """A case whose one set differs from a good one by ``keys`` (``D`` in a text is the case's directory)."""
    return Case(setup, lambda d: one_set(d, **filled(keys, d)))


def bad_sets(*sets, setup=OLD):
    return Case(setup, lambda d: {"prepare_features_sets": filled(list(sets), d)})


def filled(value, d):
    if isinstance(value, dict):
        return {key: filled(item, d) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, d) for item in value]
    return value.replace("D/", f"{d}/") if isinstance(value, str) else value


# case -> (the case, what its sentence must say)
TABLE = {
    "no_target": (bad_sets({"name": "clips", "legacy": ["D/old"]}), ["'clips' has no 'target'"]),
    "no_name": (bad_sets({"target": "D/target"}), ["feature set 1 in prepare_features_sets has no 'name'"]),
    "no_sets": (Case("", lambda d: {"prepare_features_sets": []}), ["prepare_features_sets is empty"]),
    "set_is_text": (Case("", lambda d: {"prepare_features_sets": ["clips"]}), ["prepare_features_sets"]),
    "one_name": (
        bad_sets({"name": "clips", "target": "D/one"}, {"name": "clips", "target": "D/two"}),
        ["'clips' is listed twice"],
    ),
    "one_target": (
        bad_sets({"name": "a", "target": "D/target"}, {"name": "b", "target": "D/target/"}),
        ["'a' and 'b' have one target", "/target"],
    ),
    "one_target_by_link": (
        bad_sets({"name": "a", "target": "D/target"}, {"name": "b", "target": "D/alias"},
                 setup="os.mkdir('target'); link('alias', 'target')"),
        ["'a' and 'b' have one target", "/alias"],
    ),
    "relative_target": (bad(target="data/clips"), ["'clips'", "target 'data/clips' is a relative path"]),
    "relative_legacy": (bad(legacy=["old"]), ["'clips'", "legacy 'old' is a relative path"]),
    "dots": (bad(target="D/x/../target"), ["'clips'", "contains '..'"]),
    "legacy_is_target": (bad(legacy=["D/target"]), ["'clips'", "/target is the target"]),
    "legacy_contains_target": (
        bad(setup="features('old', 'a')", target="D/old/target"), ["/old contains the target", "/old/target"]),
    "legacy_in_target": (
        bad(setup="features('target/old', 'a')", legacy=["D/target/old"]), ["/target/old is in the target"]),
    "legacy_is_other_target": (
        bad_sets({"name": "a", "target": "D/a", "legacy": ["D/b"]}, {"name": "b", "target": "D/b"}),
        ["'a'", "/b is the target", "of set 'b'"],
    ),
    "legacy_is_target_by_link": (
        bad(setup="features('target', 'a'); link('old', 'target')"), ["/old is the target", "/target"]),
    "legacy_contains_target_by_link": (
        bad(setup="features('volume/deep/target', 'a'); link('old', 'volume')", target="D/volume/deep/target"),
        ["/old contains the target"],
    ),
    "legacy_in_target_by_link": (
        bad(setup="features('target/deep/old', 'a'); link('old', 'target/deep/old')"), ["/old is in the target"]),
    "target_is_file": (bad(setup=OLD + "; write('target', b'x')"), ["target", "/target is a file"]),
    "target_below_file": (bad(setup=OLD + "; write('t', b'x')", target="D/t/target"), ["/t/target", "file"]),
    "unknown_key": (bad(sorce="/x"), ["'clips' has the unknown key 'sorce'", "source"]),
    "slash_in_pattern": (bad(patterns=["*/a.npz"]), ["'clips'", "'patterns'", "'*/a.npz' with a slash"]),
    "slash_in_exclude": (bad(exclude=["x/*"]), ["'clips'", "'exclude'", "'x/*' with a slash"]),
    "slash_in_reads": (bad(reads=["x/*"]), ["'clips'", "'reads'", "'x/*' with a slash"]),
    "no_such_user": (bad(prepare_features_user="nemo"), ["prepare_features_user", "no account 'nemo'"]),
    "no_such_home": (bad(legacy=["~nemo/old"]), ["~nemo/old", "no account 'nemo'"]),
    "arrays_unknown_dtype": (bad(arrays={"x": {"dtype": "float33"}}), ["'clips'", "float33", "dtype"]),
    "arrays_bad_shape": (bad(arrays={"x": {"shape": [None, -1]}}), ["'clips'", "shape"]),
    "arrays_shape_text": (bad(arrays={"x": {"shape": "wide"}}), ["'clips'", "shape"]),
    "arrays_unknown_key": (bad(arrays={"x": {"size": 3}}), ["'clips'", "size"]),
    "arrays_not_dict": (bad(arrays={"x": "float32"}), ["'clips'", "x"]),
    "arrays_text": (bad(arrays="float32"), ["'clips'", "arrays"]),
    "legacy_numbers": (bad(legacy=[["D/old"]]), ["'clips'", "'legacy' must be a list of texts"]),
    "no_reads": (bad(reads=[]), ["'clips'", "'reads' is empty"]),
    "relative_mount": (bad(mount="data"), ["'clips'", "mount 'data' is a relative path"]),
    "root_target": (bad(target="/"), ["'clips'", "target / cannot be"]),
    "negative_expected": (bad(expected=-1), ["'clips'", "expected '-1'"]),
    "expected_text": (bad(expected="many"), ["'clips'", "expected 'many'"]),
    "required_word": (bad(required="maybe"), ["'clips'", "required 'maybe'", "true, false or any"]),
    "verify_word": (bad(verify="sloppy"), ["'clips'", "verify 'sloppy'", "quick"]),
    "layout_word": (bad(layout="round"), ["'clips'", "layout 'round'", "flat"]),
    "conflict_word": (bad(prepare_features_on_conflict="win"), ["prepare_features_on_conflict", "win", "first"]),
    "prune_word": (bad(prepare_features_prune="all"), ["prepare_features_prune", "all", "stray"]),
    "state_word": (bad(prepare_features_state="gone"), ["prepare_features_state", "gone", "absent"]),
}


# A source is on the controller: it is looked at where something is to be uploaded, before any set is changed.
NOWHERE, OTHERS = "/nowhere/features", "OTHERS"
SOURCES = {
    "source_missing": (bad("", source=NOWHERE), [f"source {NOWHERE} does not exist"]),
    "source_without_features": (bad("", source=OTHERS), ["OTHERS", "holds no feature of set 'clips'"]),
    "source_of_one_set": (
        bad_sets({"name": "a", "target": "D/a", "legacy": ["D/old"]}, {"name": "b", "target": "D/b", "source": NOWHERE}),
        [f"source {NOWHERE} does not exist"],
    ),
}


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """A directory on the controller that holds another model's files only."""
    directory = tmp_path_factory.mktemp("others")
    write_facenet(directory / "a.npz")
    return directory


@pytest.fixture(scope="module")
def outcomes(start_host, play, tmp_path_factory, others):
    cases = Cases(start_host("input"), play, tmp_path_factory.mktemp("input"))
    rows = {**TABLE, **SOURCES}
    table = {"good": bad(), **{name: row[0] for name, row in rows.items()}}
    for name in SOURCES:
        case = table[name]
        table[name] = Case(
            case.setup, lambda d, case=case: json.loads(json.dumps(case.variables(d)).replace("OTHERS", str(others))))
    return cases.run(table)


@pytest.mark.parametrize("name", TABLE)
def test_bad_input_is_one_sentence_and_no_change(outcomes, name):
    outcome = outcomes[name]
    assert outcome.failed
    assert outcome.recap["changed"] == 0
    assert outcome.after == outcome.before
    # The role's own variables are checked by Ansible itself, which says this first.
    sentence = outcome.message.replace("Validation of arguments failed:\n", "")
    missing = [word for word in TABLE[name][1] if word not in sentence]
    assert not missing, sentence
    assert "\n" not in sentence
    results = outcome.result.results(name)
    assert not any("module_stderr" in event["result"] for event in results)
    # Refused before anything else runs: by the check of the variables, or by the first look.
    assert len([event for event in results if event["event"] != "skipped"]) <= 2


@pytest.mark.parametrize("name", SOURCES)
def test_a_bad_source_is_one_sentence_and_no_change(outcomes, others, name):
    outcome = outcomes[name]
    assert outcome.failed
    # What another set's legacy directories hold is linked first: that comes before an upload in the order of work.
    assert name == "source_of_one_set" or outcome.after == outcome.before
    missing = [word for word in SOURCES[name][1] if word.replace("OTHERS", str(others)) not in outcome.message]
    assert not missing, outcome.message
    assert "\n" not in outcome.message


def test_what_the_bad_ones_are_variations_of_is_good(outcomes):
    good = outcomes["good"]
    assert good.ready and not good.failed
    assert sorted(good.links()) == ["a.npz", "b.npz"]
