# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each role's defaults and argument_specs say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.trainprep.features.plugins.doc_fragments.sets import ModuleDocFragment

ROLES = sorted((Path(__file__).resolve().parents[2] / "roles").iterdir())


def _read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def _options(role):
    return _read(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_defaults_and_argument_specs_are_in_step(role):
    defaults = _read(role / "defaults" / "main.yml")
    options = _options(role)
    assert set(defaults) - set(options) == set(), "defaults that argument_specs do not know"
    without_default = {name for name in set(options) - set(defaults) if not options[name].get("required")}
    # A role may leave a value to another role's variable; then its description says so.
    undefined = {name for name in without_default if "default" in options[name]}
    assert undefined == set(), "defaults of argument_specs that defaults/main.yml does not set"
    stated = {name: option["default"] for name, option in options.items() if "default" in option}
    assert stated == {name: defaults[name] for name in stated}
    for name, option in options.items():
        assert name.startswith(role.name + "_"), name
        assert option.get("description"), name
        assert "type" in option, name
        if name in defaults and not isinstance(defaults[name], str):
            kinds = {"bool": bool, "int": int, "list": list, "dict": dict, "raw": object, "str": str, "path": str, "float": float}
            assert isinstance(defaults[name], kinds[option["type"]]), name


def test_the_role_describes_each_key_of_a_set():
    """ansible-doc -t role alone suffices to write a set."""
    sets = _options(ROLES[0].parent / "prepare_features")["prepare_features_sets"]
    described = [re.match(r"C\((\w+)\)(?: and C\((\w+)\))?", line) for line in sets["description"]]
    keys = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["sets"]["suboptions"]
    assert {name for match in described if match for name in match.groups() if name} == set(keys)


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_shows_plays_that_use_it(role):
    plays = yaml.safe_load(_read(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["examples"])
    for play in plays:
        tasks = play.get("roles", []) + [task["ansible.builtin.import_role"] for task in play.get("pre_tasks", [])]
        assert any(f"trainprep.features.{role.name}" in task.values() for task in tasks), play["name"]


def _tasks(tasks):
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from _tasks(task.get(part, []))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_messages_name_the_variables_of_the_role(role):
    """Each module that has the option is told the prefix, and each variable that is called otherwise is there."""
    group = {f"trainprep.features.{name}" for name in _read(ROLES[0].parents[1] / "meta" / "runtime.yml")["action_groups"]["features"]}
    told = {f"trainprep.features.{path.stem}" for path in (ROLES[0].parents[1] / "plugins" / "modules").glob("*.py")
            if "  - trainprep.features.naming\n" in path.read_text(encoding="utf-8")}
    assert group <= told
    tasks = [task for path in (role / "tasks").glob("*.yml") for task in _tasks(_read(path))]
    defaults = {name: given for task in tasks for name, given in task.get("module_defaults", {}).items()}
    of_group = defaults.get("group/trainprep.features.features", {})
    calls = [(name, task[name] or {}) for task in tasks for name in told & set(task)]
    assert calls
    variables = {name for one in ROLES for name in _options(one)}
    for name, arguments in calls:
        given = {**(of_group if name in group else {}), **defaults.get(name, {}), **arguments}
        assert given["variable_prefix"] == f"{role.name}_", name
        assert set(given.get("variable_names", {}).values()) <= variables, name


def test_each_variable_of_deploy_training_reaches_the_module():
    role = ROLES[0].parent / "deploy_training"
    [defaults] = [task["module_defaults"] for task in _tasks(_read(role / "tasks" / "training.yml")) if "module_defaults" in task]
    given = defaults["trainprep.features.training_run"]
    names = {name.removeprefix("deploy_training_"): name for name in _options(role)}
    names["arguments"] = names.pop("args")
    assert {name: given.get(name) for name in names if name != "become"} == {
        name: f"{{{{ {variable} }}}}" for name, variable in names.items() if name != "become"}  # fmt: skip


def test_there_are_roles():
    assert [role.name for role in ROLES] == ["deploy_training", "monitor_training", "prepare_features"]
