# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A role's argument spec, checked by the role's first task: Ansible's own check is a task of its own on every host."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.yaml import yaml_load
from ansible.utils.display import Display

from ..module_utils.errors import FeatureError
from .survey import structured

display = Display()
_CUTOFF = 0.85  # similarity, 0 to 1
_ROLES = Path(__file__).parents[2] / "roles"


@cache
def role_spec(role: str) -> dict[str, dict[str, Any]]:
    loaded = yaml_load((_ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    options: dict[str, dict[str, Any]] = loaded["argument_specs"]["main"]["options"]
    return options


@cache
def all_variables() -> frozenset[str]:
    return frozenset(name for path in _ROLES.iterdir() if (path / "meta").is_dir() for name in role_spec(path.name))


@cache
def shipped_sets() -> list[Any]:
    loaded = yaml_load((_ROLES / "prepare_features" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    return list(loaded["prepare_features_sets"])


@cache
def _validator(role: str) -> ArgumentSpecValidator:
    return ArgumentSpecValidator(role_spec(role))


def _kind(option: dict[str, Any]) -> type | None:
    """Return the type of an option that a survey can give only as text: a dictionary, or a list of them."""
    return dict if option["type"] == "dict" else list if option.get("elements") == "dict" else None


def prepare_check(role: str) -> None:
    """Read what the check needs, in Ansible's main process: otherwise the worker of each host would do it again."""
    _validator(role)
    all_variables()


def warn_of_misspelt(task: Any, variables: Mapping[str, Any]) -> None:
    """Name variables that look like one of the roles' and are none, if a role of this collection has the task."""
    role = getattr(task, "_role", None)
    if role is not None and role.get_name().startswith("trainprep.features."):
        for message in misspelt(variables, all_variables()):
            display.warning(message)


def check_role_arguments(role: str, variables: dict[str, Any], templar: Any) -> None:
    """AnsibleActionFail for variables that the role cannot take. variables: as of a task, not templated."""
    spec = role_spec(role)
    given = {name: templar.template(variables[name]) for name in spec if name in variables}
    try:
        given = {name: structured(value, _kind(spec[name]), name) for name, value in given.items()}
    except FeatureError as error:
        raise AnsibleActionFail(f"{role}: {error}") from None
    # For a wrong type, Ansible ends the message with the value's class, which helps no user.
    problems = [message.partition(": <class")[0] for message in _validator(role).validate(given).error_messages]
    if problems:
        raise AnsibleActionFail(f"{role}: {'; '.join(problems)}")


def misspelt(variables: Mapping[str, Any], known: Collection[str]) -> list[str]:
    """Return a message for each variable that is not known but begins like a known one, or is similar to one.

    variables: by name, as of a task. known: the variables of all roles. Registered results of tasks are left out.
    """
    roles = {"_".join(name.split("_")[:2]) + "_" for name in known}
    beginnings = {role[:6] for role in roles}
    messages = []
    for name in sorted(variables):
        if name in known or name[:6] not in beginnings or _is_result(variables[name]):
            continue
        similar = difflib.get_close_matches(name, known, 1, _CUTOFF)
        if similar:
            messages.append(f"{name} is not a variable of the roles and has no effect: did you mean {similar[0]}?")
        elif name.startswith(tuple(roles)):
            messages.append(f"{name} is not a variable of the roles and has no effect: remove it (docs/variables.md lists the variables)")
    return messages


def _is_result(value: Any) -> bool:
    return isinstance(value, Mapping) and ("changed" in value or "skipped" in value)
