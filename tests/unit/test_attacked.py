# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every call of the host's code that changes a directory is in the table of attacks, or a reason why it cannot be attacked."""

from __future__ import annotations

import ast

import pytest

from tests.support.changing_calls import (
    GATES,
    KINDS,
    OF_LIBRARY,
    OF_OS,
    REASONS,
    SOURCE,
    calls_of,
    changing_calls,
    read_table,
)

CALLS = changing_calls()


def test_every_call_has_its_row():
    table = read_table()
    assert CALLS - set(table) - set(REASONS) == set(), "attack them in tests/system/attacks/steps.py, or say why it cannot be"


def test_no_row_is_left_over():
    table = read_table()
    assert (set(table) | set(REASONS)) - CALLS == set()
    assert set(table) & set(REASONS) == set()


def test_every_row_has_all_three_attackers():
    assert {call for call, (kinds, _operations) in read_table().items() if kinds != set(KINDS)} == set()


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_such_calls_are_made_by_their_modules_names(path):
    """Imported by themselves they would not be found."""
    changing = {"os": OF_OS | {"open"}, **GATES, **OF_LIBRARY}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").rpartition(".")[2] in changing:
            names = {alias.name for alias in node.names} & changing[(node.module or "").rpartition(".")[2]]
            assert not names or path.name == "at.py", names


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("at.unlink(fd, name)", ["unlink"]),
        ("rename.move_file(name, one, other)", ["move_file"]),
        ("os.open(path, os.O_WRONLY | os.O_CREAT)", ["open"]),
        ("os.open(path, os.O_RDONLY)", []),
        ("open(path, 'w')", ["open"]),
        ("open(path, mode='ab')", ["open"]),
        ("open(path, 'rb')", []),
        ("x = [shutil.rmtree(one) for one in those]", ["rmtree"]),
        ("os.stat(path)", []),
    ],
)
def test_calls_are_found(line, found):
    assert list(calls_of(ast.parse(f"def f():\n    {line}\n"))) == [("f", call) for call in found]
