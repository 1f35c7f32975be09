# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task of training_run asks for, understood on the controller before any host is asked: paths, commands, features."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import shlex
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...module_utils._training.runs import check_session
from ...module_utils.errors import FeatureError, named
from .. import run_id
from ..survey import structured
from .project import Project, check_start, read_commit, read_project

# What the action plugin makes an order of; the module gets all other options as they are.
UNDERSTOOD = ("arguments", "command", "environment", "features", "metrics", "on_end", "project", "require_gpu_memory", "script")
_ROOT = Path(__file__).resolve().parents[3]
# What is run on the host outside of the module.
PROGRAMS = (*sorted((_ROOT / "roles/deploy_training/files").glob("*.py")), _ROOT / "plugins/module_utils/_training/checkpoints.py")
_SCRIPT = re.compile(r"[^/\0\n]+\Z")
_MEMORY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([KMGT])(?:i?B)?)?\s*\Z", re.IGNORECASE)
_MIB = {"K": 1 / 1024, "M": 1.0, "G": 1024.0, "T": 1024.0**2}


@dataclass(frozen=True)
class ParsedOrder:
    """C(given) is what the module gets; C(project) what is to be sent before."""

    given: dict[str, Any]
    project: Project | None


def find_on_controller(path: str, base: str) -> str:
    """Return the real path of a file or folder, from the current directory or from the playbook's; empty if there is none."""
    for candidate in (os.path.expanduser(path), os.path.join(base, path)):
        if os.path.exists(candidate):
            return os.path.realpath(candidate)
    return ""


def read_order(arguments: Mapping[str, Any], variables: Mapping[str, Any]) -> ParsedOrder:
    """Return the order of a task. variables: of the task; paths are relative to the current directory or to their C(playbook_dir)."""
    check_session(str(arguments.get("session") or "attn_crnn_v2"))
    base = str(variables.get("playbook_dir") or os.getcwd())
    programs = {path.name: path.read_text(encoding="utf-8") for path in PROGRAMS}
    given: dict[str, Any] = {"by": f"{_deployer()}@{socket.gethostname()}", "files": programs}
    given.update(dict.fromkeys(("ready_for", "manifest", "archive"), ""))
    if str(arguments.get("state") or "started") != "started":
        return ParsedOrder(given, None)
    words = split_arguments(arguments.get("arguments"))
    command, text = parse_command(arguments.get("command"), named("command"))
    on_end, on_end_text = parse_command(arguments.get("on_end"), named("on_end"))
    folder = str(arguments.get("project") or "")
    project = read_project(find_on_controller(folder, base) or folder) if folder else None
    record: dict[str, Any] = dict.fromkeys(("project", "commit", "dirty"))
    record["metrics"] = _globs(arguments.get("metrics") or [])
    script, script_path = None, ""
    if not command and not text:
        script, script_path = _script(str(arguments.get("script") or ""), project, base, record)
    if project:
        check_start(project, script_path, command[0] if command else "")
        known = {"commit": project.commit, "dirty": project.dirty}
        record.update(project={"path": project.path, "files": len(project.files), **known}, **known)
    given.update(
        script=script,
        script_path=script_path,
        command=[*command, *words] if command else [],
        text=text,
        arguments=words,
        command_line=show_parsed(command, text, words) if command or text else "",
        on_end=on_end,
        on_end_text=on_end_text,
        programs={named("command"): command[0] if command else "", named("on_end"): on_end[0] if on_end else ""},
        environment=parse_environment(structured(arguments.get("environment") or {}, dict, named("environment"))),
        variables=_place(variables),
        gpu_memory=parse_memory(arguments.get("require_gpu_memory")),
        record=record,
    )
    return ParsedOrder(given, project)


def _globs(raw: Any) -> list[str]:
    """Return a list of globs; a survey gives it as text, in YAML or with commas."""
    if isinstance(raw, str):
        raw = structured(raw, list, named("metrics")) if raw.lstrip().startswith("[") else raw.split(",")
    return [str(one).strip() for one in raw if str(one).strip()]


def _deployer() -> str:
    with contextlib.suppress(OSError, KeyError):
        return getpass.getuser()
    return str(os.getuid())


def _script(path: str, project: Project | None, base: str, record: dict[str, Any]) -> tuple[str | None, str]:
    """Return a script's content and where it is on the host; of a project, its path below that alone."""
    found = find_on_controller(os.path.join(project.path, path) if project else path, base) if path else ""
    if not found or not os.path.isfile(found):
        where = f"below {named('project')}" if project else "from the current directory or from the playbook's"
        wrong = f"'{path}' is not there on the controller" if path else "is not set"
        raise FeatureError(
            f"{named('script')} {wrong}: give the path of the training script, {where}{'' if path else ', or set ' + named('command')}"
        )
    if project:
        return None, path
    if not _SCRIPT.match(os.path.basename(found)):
        raise FeatureError(f"{named('script')}: '{os.path.basename(found)}' has a line break in its name: rename it")
    # Only for the record: whatever git refuses here keeps no training from its start.
    with contextlib.suppress(FeatureError):
        record["commit"], record["dirty"] = read_commit(os.path.dirname(found))
    try:
        content = Path(found).read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise FeatureError(f"{named('script')}: {found} cannot be read ({error.strerror}): make it readable") from None
    return content, os.path.join("scripts", os.path.basename(path))


def _place(variables: Mapping[str, Any]) -> dict[str, str]:
    """Return what torchrun and its like ask for, under the names that they use themselves.

    No RANK and WORLD_SIZE: a training that is not distributed would take itself for one process of many.
    """
    hosts = list(variables.get("ansible_play_hosts_all") or [variables.get("inventory_hostname", "localhost")])
    first = variables.get("hostvars", {}).get(hosts[0], {})
    return {
        "NODE_RANK": str(hosts.index(variables["inventory_hostname"]) if variables.get("inventory_hostname") in hosts else 0),
        "NNODES": str(len(hosts)),
        "MASTER_ADDR": str(first.get("ansible_host") or hosts[0]),
        "MASTER_PORT": "29500",
    }


def add_features(order: ParsedOrder, variables: Mapping[str, Any], check_mode: bool) -> str:
    """Put the features that the facts of this run describe into the record. Refuse facts of another run, and a host that is not ready.

    Returns why the run would start nothing, in check mode; there a host counts as ready if the run makes it so.
    """
    host, facts = str(variables.get("inventory_hostname", "this host")), variables.get("ansible_facts") or {}
    if facts.get(run_id.FACT) != run_id.run_id() or "features_ready" not in facts:
        raise FeatureError(
            f"this run has not looked at the features of {host}, so nothing is started: let the role trainprep.features.prepare_features"
            " run before, in the same run, and leave none of its tasks out"
        )
    sets = facts.get("feature_sets") or {}
    if not (facts["features_ready"] or (check_mode and facts.get("features_will_be_ready"))):
        problems = [str(problem) for one in sets.values() for problem in one.get("problems") or []]
        reason = f"the features of {host} are not ready, so nothing is started: {'; '.join(problems) or 'no feature set holds any'}"
        if not check_mode:
            raise FeatureError(reason)
        return reason
    inspected = variables.get("prepare_features_inspected") or {}
    order.given["ready_for"] = next((one["access"]["user"] for one in sets.values() if one["access"].get("user")), "")
    order.given["record"].update(
        feature_status=inspected.get("found_status", facts.get("feature_status")),
        sets=[one["declared"] for one in sets.values() if "declared" in one],
        data={"digest": facts.get("feature_digest"), "sets": {name: one.get("digest") for name, one in sets.items()}},
    )
    return ""


def split_arguments(raw: Any, variable: str = "") -> list[str]:
    """Return the arguments of a program: a list is taken item by item, a text is split as a shell would."""
    if raw is None:
        return []
    variable = variable or named("arguments")
    if isinstance(raw, str):
        try:
            return shlex.split(raw)
        except ValueError as error:
            raise FeatureError(f"{variable} cannot be split ({error}): close the quote, or give a list") from None
    if not isinstance(raw, (list, tuple)):
        raise FeatureError(f"{variable} must be a list of arguments, or one text")
    arguments = []
    for item in raw:
        if isinstance(item, (list, tuple, dict)) or item is None:
            raise FeatureError(f"{variable}: {item!r} is not a single argument: the list must hold texts and numbers")
        arguments.append(_check_text(str(item), variable))
    return arguments


def _check_text(text: str, variable: str) -> str:
    if "\0" in text:
        raise FeatureError(f"{variable}: {text!r} contains a NUL character: no argument can; remove it")
    return text


def parse_command(raw: Any, variable: str) -> tuple[list[str], str]:
    """Return a command as a host starts it: the words of a list, or a text for a shell; both empty if none is given."""
    if isinstance(raw, str):
        return [], _check_text(raw.strip(), variable)
    words = split_arguments(raw, variable)
    if words and not words[0]:
        raise FeatureError(f"{variable}: its first item is empty: name the program to run")
    return words, ""


def show_parsed(words: Sequence[str], text: str, arguments: Sequence[str]) -> str:
    """Return a parsed command and its arguments for people; a text stays unchanged."""
    return f"{text} {shlex.join(arguments)}".strip() if text else shlex.join([*words, *arguments])


def parse_memory(raw: Any) -> int:
    """Return an amount of memory in MiB, which is also the unit of a bare number."""
    if not str(raw or "").strip():
        return 0
    match = _MEMORY.match(str(raw))
    if not match:
        raise FeatureError(f"{named('require_gpu_memory')} '{raw}' is no amount of memory: write MiB, or a unit (e.g. 20 GiB)")
    return round(float(match.group(1)) * _MIB[(match.group(2) or "M").upper()])


def parse_environment(raw: Any) -> dict[str, str]:
    """Return the configured variables as texts."""
    if not isinstance(raw, dict):
        raise FeatureError(f"{named('environment')} is not a dictionary of variables: write each as NAME: value")
    return {str(name): _check_text(str(value), named("environment")) for name, value in raw.items()}
