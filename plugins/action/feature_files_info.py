# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the module of this name and print its report: lines for a person, and feature sets in YAML."""

from collections.abc import Mapping, Sequence
from textwrap import indent
from typing import Any

import yaml
from ansible.utils.display import Display

from ..module_utils.errors import named, naming
from ..plugin_utils._report.words import count, plain
from ..plugin_utils.feature_answers import DESCRIPTIONS
from ..plugin_utils.module_action import ModuleAction

display = Display()
_HEAD = "# Keep the sets that you train on. target: the directory that your training script reads."


class ActionModule(ModuleAction):
    module = "feature_files_info"
    answer = DESCRIPTIONS

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        if not self._task.args.get("paths"):
            msg = "no directory to scan was named: add -e describe_paths=/home/ubuntu,/mnt (option paths of the module feature_files_info)"
            return {"failed": True, "msg": msg}
        result = super().run(tmp, task_vars)
        if "groups" in result:
            with naming(self._task.args):
                result["text"] = sets_block(result["groups"])
            result["report"] = [*report_lines(result), *result["text"].splitlines()]
            # One call, so that the lines of hosts that run concurrently do not mix. No indent: the block is for pasting.
            host = str((task_vars or {}).get("inventory_hostname", "host"))
            display.display("\n".join([f"{host}:", *map(plain, result["report"])]))
        return result


class _OneLine(dict[str, Any]):
    """A mapping that is written on one line."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_OneLine, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True))


def sets_block(groups: Sequence[Mapping[str, Any]]) -> str:
    """Return one YAML block that declares a set for each group, ready to paste into group_vars; empty without groups."""
    if not groups:
        return ""
    entries = [dict(group["entry"]) for group in groups]
    for entry in entries:
        if "arrays" in entry:
            entry["arrays"] = {name: _OneLine(array) for name, array in entry["arrays"].items()}
    items = yaml.dump(entries, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=10**6, allow_unicode=True)
    return f"{_HEAD}\n{named('sets')}:\n{indent(items, '  ')}"


def report_lines(found: Mapping[str, Any]) -> list[str]:
    """Return groups, then what was left out."""
    lines: list[str] = []
    for one in found["groups"]:
        arrays = ", ".join(f"{name or 'one array'} {array['dtype']} {_shape(array['shape'])}" for name, array in one["arrays"].items())
        more = [f"{one['duplicates']} of them duplicates"] if one["duplicates"] else []
        more += [f"{count(one['links'], 'link')} to them"] if one["links"] else []
        counts = ", ".join([count(one["files"], f"{one['kind']} file"), f"{one['bytes'] / 1e6:,.1f} MB", *more])
        lines.append(f"{counts}: {arrays}" if arrays else counts)
        lines += [f"  {item['files']} in {item['path']}" for item in one["directories"]]
    if found["groups_left_out"]:
        lines.append(f"{count(found['groups_left_out'], 'smaller group')} of files left out")
    for files, word in ((found["damaged"], "damaged"), (found["other"], "of other kinds")):
        if files["count"]:
            example = f"{files['samples'][0]['path']}, which {files['samples'][0]['reason']}"
            lines.append(f"{count(files['count'], 'file')} {word} (e.g. {example})")
    links = found["links"]
    lines += [count(links["dangling"], "dangling link")] if links["dangling"] else []
    if links["directories"]:
        lines.append(f"{count(links['directories'], 'link to a directory', 'links to directories')}, not followed")
    lines += [*found["unreadable"]["samples"], *(f"not scanned in full: {reason}" for reason in found["cut_short"])]
    return lines or ["no files"]


def _shape(lengths: Sequence[int | None]) -> str:
    return f"[{', '.join('null' if length is None else str(length) for length in lengths)}]"
