# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every call of the host's code that changes a directory, read from the syntax trees, and how it was attacked.

``tests/system/test_attacks.py`` writes the table of the calls that it attacked (TRAINPREP_ATTACKS=write); those that no user can attack
are here, each with its reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.hosts import REPOSITORY

SOURCE = REPOSITORY / "plugins" / "module_utils"
TABLE = REPOSITORY / "tests" / "system" / "attacks" / "calls.txt"
KINDS = ("parent", "content", "above")
OF_OS = {"mkdir", "makedirs", "mknod", "mkfifo", "rename", "renames", "replace", "unlink", "remove", "rmdir", "removedirs",
         "symlink", "link", "chown", "fchown", "lchown", "chmod", "fchmod", "setxattr", "removexattr", "truncate", "utime"}  # fmt: skip
# By module of the collection, what changes a directory; the calls inside these are those of their callers.
GATES = {"at": {"create", "mkdir", "symlink", "unlink", "rmdir", "rename", "link"}, "rename": {"rename_new", "move_file", "move_directory"}}
OF_LIBRARY = {"shutil": {"rmtree", "move", "copy", "copy2", "copyfile", "copytree", "chown"}, "tempfile": {"mkdtemp", "mkstemp"}}

_TRAINING = "in a process that has become the training user (modules/training_run, training_info), below that user's directory"
_OWN = "as the training user, in a directory of mode 0700 that it has just made below /tmp"
_ERROR = "only after an error of the disk, or if the same name was made at that moment: the kills and errors of the fault suite lead there"
_ATTACKED = "only in turns in which the rename before it was attacked; an attack cannot be followed by another one here"
_MODES = "on file systems without ACLs; through the descriptor that setxattr would have, see _apply setxattr"
REASONS: dict[str, str] = {
    "_access/apply.py: _apply chmod": _MODES,
    "_apply/directories.py: _remove rmdir": _ERROR,
    "_apply/links.py: _remove_link link": _ATTACKED,
    "_apply/links.py: _remove_link rename_new": _ATTACKED,
    "_training/offer.py: _remove_stale rmtree": _TRAINING,
    "_training/offer.py: offer makedirs": _TRAINING,
    "_training/offer.py: offer mkdir": _TRAINING,
    "_training/offer.py: offer symlink": _TRAINING,
    "_training/session.py: begin_run mkdir": _TRAINING,
    "_training/session.py: begin_run rmtree": _TRAINING,
    "_training/session.py: finish_run rename": _TRAINING,
    "_training/session.py: lock_runs open": _TRAINING,
    "_training/session.py: make_directories makedirs": _TRAINING,
    "_training/session.py: write_file fchmod": _TRAINING,
    "_training/session.py: write_file open": _TRAINING,
    "_training/session.py: write_file replace": _TRAINING,
    "_training/session.py: write_file unlink": _TRAINING,
    "_upload/peer_send.py: _start makedirs": _OWN,
    "_upload/peer_send.py: _start mkdtemp": _OWN,
    "_upload/peer_send.py: _start rmtree": _OWN,
    "_upload/peer_send.py: _start symlink": _OWN,
    "_upload/publication.py: _remove_link link": _ATTACKED,
    "_upload/staging.py: _remove_empty rmdir": _ERROR,
}


def changing_calls() -> set[str]:
    """C(file: function call) of each."""
    gates = {"_system/at.py", "_apply/rename.py"}
    files = {str(path.relative_to(SOURCE)): path for path in SOURCE.rglob("*.py")}
    return {
        f"{name}: {function} {call}"
        for name, path in files.items() if name not in gates
        for function, call in calls_of(ast.parse(path.read_text(encoding="utf-8")))
    }  # fmt: skip


def calls_of(node: ast.AST, function: str = "<module>") -> Iterator[tuple[str, str]]:
    """The calls below a node, each with the function that it is in."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        function = node.name
    if isinstance(node, ast.Call) and (call := changing(node)):
        yield function, call
    for child in ast.iter_child_nodes(node):
        yield from calls_of(child, function)


def changing(call: ast.Call) -> str:
    """The name of a call that changes a directory, else nothing."""
    if isinstance(call.func, ast.Name) and call.func.id == "open":
        mode = call.args[1] if len(call.args) > 1 else next((word.value for word in call.keywords if word.arg == "mode"), None)
        return "open" if isinstance(mode, ast.Constant) and set("wax+") & set(mode.value) else ""
    if not isinstance(call.func, ast.Attribute) or not isinstance(call.func.value, ast.Name):
        return ""
    module, name = call.func.value.id, call.func.attr
    if module == "os" and name == "open":
        return "open" if "O_CREAT" in ast.unparse(call) else ""
    if name in {"os": OF_OS, **GATES, **OF_LIBRARY}.get(module, ()):
        return name
    return ""


def read_table(path: Path = TABLE) -> dict[str, tuple[set[str], set[str]]]:
    """By call, the kinds of attack that took place just before it, and the operations in which they did."""
    found = {}
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            call, kinds, operations = (part.strip() for part in line.split("|"))
            found[call] = set(kinds.split()), set(operations.split())
    return found


def write_table(found: dict[str, tuple[set[str], set[str]]], path: Path = TABLE) -> None:
    """Replace the rows below the table's heading."""
    heading = [line for line in path.read_text().splitlines() if line.startswith("#")]
    rows = [f"{call} | {' '.join(kind for kind in KINDS if kind in kinds)} | {' '.join(sorted(operations))}"
            for call, (kinds, operations) in sorted(found.items())]  # fmt: skip
    path.write_text("\n".join([*heading, *rows]) + "\n")
