# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import Policy, parse_arguments
from ansible_collections.trainprep.features.plugins.module_utils._spec.options import PLAN_ARGUMENTS
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, named
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing

DEFAULTS = {name: option.get("default") for name, option in PLAN_ARGUMENTS.items()}
RIGHT = {**DEFAULTS, "sets": [{"name": "s", "target": "/t"}], "user": "root"}


def test_what_a_module_does_not_have_is_as_documented():
    sets, account, policy = parse_arguments(RIGHT)
    assert ([one.name for one in sets], account.name, policy) == (["s"], "root", Policy())


def test_what_is_given_is_taken():
    given = {"on_conflict": "first", "prune": "stray", "search_roots": ["/home", "~"], "on_discovery": "link", "top_up": True}
    assert parse_arguments({**RIGHT, **given})[2] == Policy("first", "stray", ("/home", "/root"), "link", True)


BAD = [
    ({"user": "nosuchuser"}, ["user: ", "'nosuchuser'"]),
    ({"search_roots": ["/home", "data"]}, ["search_roots: ", "'data'", "relative"]),
    ({"sets": []}, ["sets is empty"]),
]


@pytest.mark.parametrize(("bad", "words"), BAD, ids=[words[0] for _bad, words in BAD])
def test_bad_input_names_the_option(bad, words):
    with pytest.raises(FeatureError) as caught:
        parse_arguments({**RIGHT, **bad})
    assert [word for word in words if word not in str(caught.value)] == []


class Module:
    """As much of AnsibleModule as is used for a failure."""

    def __init__(self, **params):
        self.params = params

    def fail_json(self, **result):
        self.result = result


def test_errors_become_results_with_one_sentence():
    for error, words in (
        (FeatureError("one sentence"), ["one sentence"]),
        (OSError(5, "Input/output error", "/data/x"), ["/data/x", "Input/output error"]),
        (TypeError("no such argument"),
         ["internal error in trainprep.features (TypeError: no such argument, in test_arguments.py", "-vvv"]),
    ):
        module = Module()
        with failing(module):
            raise error
        assert set(module.result) == ({"msg", "exception"} if isinstance(error, TypeError) else {"msg"})
        assert "test_arguments.py" in module.result.get("exception", "test_arguments.py")
        assert [word for word in words if word not in module.result["msg"]] == []


@pytest.mark.parametrize("typed", [[], [""], ["[]"]], ids=["list", "empty", "brackets"])
def test_no_search_roots_also_as_they_are_typed_on_a_command_line(typed):
    assert parse_arguments({**RIGHT, "search_roots": typed})[2].search_roots == ()


@pytest.mark.parametrize("prefix", ["", "prepare_features_", "monitor_training_"])
def test_errors_call_the_options_as_the_module_is_told_to(prefix):
    module = Module(variable_prefix=prefix)
    with failing(module):
        parse_arguments({**RIGHT, "user": "nosuchuser"})
    assert module.result["msg"].startswith(f"{prefix}user: this host has no account 'nosuchuser': ")
    assert named("user") == "user"
