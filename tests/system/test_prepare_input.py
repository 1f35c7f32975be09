# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input to the role: one clear message, no traceback, nothing changed on the host. One run for the whole table.

A row for each place that refuses: Ansible's check of the role's variables, the parser, the host. What the parser refuses is the table of
`_spec/test_sets.py`, what the host refuses that of `_steps/test_inspect.py`.
"""

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


# case -> (the case, what its message must say)
TABLE = {
    "no_target": (bad_sets({"name": "clips", "legacy": ["D/old"]}), ["'clips'", "'target'"]),
    "no_name": (bad_sets({"target": "D/target"}), ["feature set 1 in prepare_features_sets has no 'name'"]),
    "no_sets": (Case("", lambda d: {"prepare_features_sets": []}), ["prepare_features_sets is empty"]),
    "sets_are_a_dictionary": (
        Case("", lambda d: {"prepare_features_sets": {"clips": {"target": f"{d}/target"}}}),
        ["prepare_features_sets is a dictionary instead of a list"],
    ),
    "sets_are_broken_yaml": (
        Case("", lambda d: {"prepare_features_sets": "- name: clips\n  target: [x"}),
        ["prepare_features_sets is a text that is neither YAML nor JSON (line 2)"],
    ),
    "set_is_text": (Case("", lambda d: {"prepare_features_sets": ["clips"]}), ["prepare_features_sets"]),
    "one_target_by_link": (
        bad_sets({"name": "a", "target": "D/target"}, {"name": "b", "target": "D/alias"},
                 setup="os.mkdir('target'); link('alias', 'target')"),
        ["'a' and 'b' have one target", "/alias"],
    ),
    "legacy_in_target_by_link": (
        bad(setup="features('target/deep/old', 'a'); link('old', 'target/deep/old')"), ["/old is in the target"]),
    "target_is_file": (bad(setup=OLD + "; write('target', b'x')"), ["target", "/target is a file"]),
    "unknown_key": (bad(sorce="/x"), ["'clips'", "the key 'sorce' is unknown", "'source'"]),
    "no_such_user": (bad(prepare_features_user="nemo"), ["prepare_features_user", "no account 'nemo'"]),
    "arrays_unknown_dtype": (bad(arrays={"x": {"dtype": "float33"}}), ["'clips'", "float33", "dtype"]),
    "verify_word": (bad(verify="sloppy"), ["'clips'", "verify 'sloppy'", "quick"]),
    "conflict_word": (bad(prepare_features_on_conflict="win"), ["prepare_features_on_conflict", "win", "first"]),
    "state_word": (bad(prepare_features_state="gone"), ["prepare_features_state", "gone", "absent"]),
}


# A source is on the controller: it is inspected if something has to be uploaded, before any set is changed.
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
def test_bad_input_is_one_message_and_no_change(outcomes, name):
    outcome = outcomes[name]
    assert outcome.failed
    assert outcome.recap["changed"] == 0
    assert outcome.after == outcome.before
    # The role's own variables are checked by Ansible itself, which says this first.
    message = outcome.message.replace("Validation of arguments failed:\n", "")
    missing = [word for word in TABLE[name][1] if word not in message]
    assert not missing, message
    assert "\n" not in message
    results = outcome.result.results(name)
    assert not any("module_stderr" in event["result"] for event in results)
    # Refused before anything else runs: by the check of the variables, or by the first inspection.
    assert len([event for event in results if event["event"] != "skipped"]) <= 2


@pytest.mark.parametrize("name", SOURCES)
def test_a_bad_source_is_one_message_and_no_change(outcomes, others, name):
    outcome = outcomes[name]
    assert outcome.failed
    # What another set's legacy directories hold is linked first: that comes before an upload in the order of work.
    assert name == "source_of_one_set" or outcome.after == outcome.before
    missing = [word for word in SOURCES[name][1] if word.replace("OTHERS", str(others)) not in outcome.message]
    assert not missing, outcome.message
    assert "\n" not in outcome.message


def test_the_input_without_errors_is_accepted(outcomes):
    good = outcomes["good"]
    assert good.ready and not good.failed
    assert sorted(good.links()) == ["a.npz", "b.npz"]
