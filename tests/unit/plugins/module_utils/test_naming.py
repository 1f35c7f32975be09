# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How messages call options: by their names, or by the variables of the role that calls."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._access.nodes import not_seen
from ansible_collections.trainprep.features.plugins.module_utils._cache.basis import basis_of
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._steps.facts import facts
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils._system.words import advice
from ansible_collections.trainprep.features.plugins.module_utils._training.runs import check_session
from ansible_collections.trainprep.features.plugins.module_utils._training.start import plan_start
from ansible_collections.trainprep.features.plugins.module_utils.errors import (
    FeatureError,
    named,
    naming,
    variable_prefix,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.failures import Where, explain
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.rsync import check_streams
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import (
    a_set,
    features,
    link,
    see,
)

ALONE = {}
PREPARE = {"variable_prefix": "prepare_features_", "variable_names": {"streams": "prepare_features_upload_streams"}}
DEPLOY = {
    "variable_prefix": "deploy_training_",
    "variable_names": {"ready_for": "prepare_features_user"},
}
REFUSED = OSError(errno.EACCES, "Permission denied")


def other_user():
    plan_start(find_account(""), {"session": "s", "ready_for": "nobody-else"})


def said_by(function, *arguments):
    with pytest.raises(FeatureError) as caught:
        function(*arguments)
    return str(caught.value)


SENTENCES = [
    (lambda: not_seen("/d", REFUSED), ALONE, "set become to true"),
    (lambda: not_seen("/d", REFUSED), PREPARE, "set prepare_features_become to true"),
    (lambda: advice(REFUSED), ALONE, "let the task's user write there: root with become, else the connecting one"),
    (lambda: advice(REFUSED), PREPARE, "let the role's user write there: root with prepare_features_become, else the connecting one"),
    (lambda: said_by(parse_sets, []), ALONE, "sets is empty: name at least one feature set with 'name' and 'target'"),
    (lambda: said_by(parse_sets, []), PREPARE, "prepare_features_sets is empty: name at least one feature set with 'name' and 'target'"),
    (lambda: said_by(parse_sets, [3]), ALONE, "feature set 1 in sets is not a dictionary: give it 'name' and 'target'"),
    (lambda: said_by(check_session, "a b"), ALONE, "session 'a b' cannot name a tmux session"),
    (lambda: said_by(check_session, "a b"), DEPLOY, "deploy_training_session 'a b' cannot name a tmux session"),
    (lambda: said_by(other_user), ALONE, "set ready_for and user to one account"),
    (lambda: said_by(other_user), DEPLOY, "set prepare_features_user and deploy_training_user to one account"),
    (lambda: said_by(check_streams, 0), ALONE, "streams: '0' is not a number of connections"),
    (lambda: said_by(check_streams, 0), PREPARE, "prepare_features_upload_streams: '0' is not a number of connections"),
    (lambda: explain(12, "feature_upload: refuses -l", Where("h", "u", "/s")), ALONE, "rsync_opts: the host's side does not accept"),
    (lambda: explain(12, "feature_upload: refuses -l", Where("h", "u", "/s")), PREPARE, "prepare_features_rsync_opts: the host's side"),
]


@pytest.mark.parametrize(("sentence", "caller", "words"), SENTENCES, ids=[words for _sentence, _caller, words in SENTENCES])
def test_a_sentence_calls_the_options_as_the_caller_does(sentence, caller, words):
    with naming(caller):
        assert words in sentence()


def test_it_ends_with_the_caller_also_by_an_error():
    with pytest.raises(FeatureError), naming(PREPARE):
        parse_sets([])
    assert (named("user"), variable_prefix()) == ("user", "")


def test_nothing_else_in_a_sentence_changes(host):
    """Not the paths, which may hold any word."""
    place = host / "user" / "prune become" / "prepare_features_prune"
    features(place / "t", "a.npz")
    (place / "old").mkdir()
    link(place / "t/b.npz", place / "old/b.npz")
    raw = a_set(place / "t", place / "old")
    alone = facts(see(raw))["feature_sets"]["t"]["problems"]
    with naming(PREPARE):
        in_the_role = facts(see(raw))["feature_sets"]["t"]["problems"]
    assert "set prune to dangling" in alone[0] and alone[0].count(str(place)) == in_the_role[0].count(str(place))
    assert in_the_role == [alone[0].replace("set prune to", "set prepare_features_prune to")]


def test_a_look_is_remembered_for_those_who_call_the_options_the_same(host):
    """The facts that are kept hold sentences."""
    account, params = find_account(""), {"sets": [{"name": "t", "target": str(host / "t")}], "variable_prefix": ""}
    alone, again = basis_of(params, account), basis_of(dict(params), account)
    in_the_role = basis_of({**params, **PREPARE}, account)
    assert alone == again and alone["asked"] != in_the_role["asked"]
