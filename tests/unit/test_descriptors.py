# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No path of more than one component goes into a system call below an open descriptor: read from the syntax trees of plugins/."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._system import at

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
GATE = PLUGINS / "module_utils" / "_system" / "at.py"
DIR_FDS = {"dir_fd", "src_dir_fd", "dst_dir_fd"}
# How a name may enter such a call in the gate: checked, or a constant that names the directory or the opened object itself.
ITSELF = {"", "."}


def calls(tree):
    """Calls that take a descriptor, each with the function it stands in."""
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.Lambda, ast.Module)):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and any(keyword.arg in DIR_FDS for keyword in node.keywords):
                    yield getattr(function, "name", ""), node


def unchecked(tree):
    """Lines of the gate where a call takes a name that is not checked."""
    lines = set()
    for function, call in calls(tree):
        if not function:
            continue
        names = [value for value in call.args if not is_plain_flag(value)]
        checked = [value for value in names if is_checked(value) or is_step(value)]
        wanted = 2 if any(keyword.arg == "dst_dir_fd" for keyword in call.keywords) else 1
        if len(checked) < wanted:
            lines.add(call.lineno)
    return lines


def is_step(value):
    """C(name if name == ".." else one(name)), or the like."""
    return isinstance(value, ast.IfExp) and is_checked(value.orelse) and ".." in ast.unparse(value.test)


def is_plain_flag(value):
    return isinstance(value, ast.Name) and value.id in ("flags", "mode", "text")


def is_checked(value):
    if isinstance(value, ast.Constant):
        return value.value in ITSELF
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "one"


def outside(source):
    return sorted({call.lineno for _function, call in calls(ast.parse(source))})


@pytest.mark.parametrize("path", sorted(PLUGINS.rglob("*.py")), ids=lambda path: str(path.relative_to(PLUGINS)))
def test_descriptors_are_used_through_one_module(path):
    source = path.read_text(encoding="utf-8")
    if path == GATE:
        assert unchecked(ast.parse(source)) == set()
        assert len(list(calls(ast.parse(source)))) > 20
    else:
        assert outside(source) == [], "use module_utils/_system/at.py"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("import os\nos.unlink('a/b', dir_fd=fd)", 2),
        ("from os import open as o\no(name, 0, dir_fd=fd)", 2),
        ("def f():\n    return lambda: rename(a, b, src_dir_fd=x)", 2),
    ],
)
def test_a_call_outside_is_found(source, line):
    assert outside(source) == [line]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("os.mkdir(one(name), mode, dir_fd=d)", set()),
        ("os.open('.', flags, dir_fd=d)", set()),
        ("os.mkdir(name, mode, dir_fd=d)", {2}),
        ("os.rename(one(name), new_name, src_dir_fd=d, dst_dir_fd=t)", {2}),
        ("os.unlink('.rsync-partial/x', dir_fd=d)", {2}),
    ],
)
def test_an_unchecked_name_in_the_gate_is_found(line, found):
    assert unchecked(ast.parse(f"def call(d, name):\n    {line}\n")) == found


def test_the_rename_that_python_lacks_is_checked_too():
    source = (PLUGINS / "module_utils" / "_apply" / "rename.py").read_text(encoding="utf-8")
    assert source.count("os.fsencode(at.one(") == source.count("os.fsencode(") == 2


@pytest.mark.parametrize("name", ["a/b", "/a", "a/", "", ".", ".."])
def test_a_path_is_no_name(name, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b").touch()
    with pytest.raises(ValueError, match="is not a single name"):
        at.one(name)


@pytest.mark.parametrize("folder", ["link/b", "a/link/b", "link"])
def test_no_folder_on_the_way_may_be_a_link(tmp_path, folder):
    (tmp_path / "a/c").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b").touch()
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "a/link").symlink_to("../elsewhere")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="Not a directory"):
            os.close(at.opened(fd, f"{folder}/b".replace("/b/b", "/b"), os.O_RDONLY))
    finally:
        os.close(fd)
