# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The floor plan of plugins/module_utils: imports run downwards, and a module ships what it needs."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.plugin_utils._training.order import PROGRAMS

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
HOUSE = PLUGINS / "module_utils"
ROOT = "ansible_collections.trainprep.features.plugins.module_utils."

# From the top floor to the ground; what stands on one floor does not know its neighbours.
FLOORS = (
    ("_training",),
    ("_steps",),
    ("_cache",),
    ("_upload",),
    ("_apply",),
    ("_plan",),
    ("_scan", "_access"),
    ("_spec", "module_errors"),
    ("_system",),
    ("_formats",),
    ("errors",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def named_by(node, module=""):
    """What an import names, relative to module_utils: modules, and names in them."""
    if node.level:
        package = module.split(".")[:-1]
        base = [*package[: len(package) - node.level + 1], *filter(None, [node.module])]
    elif f"{node.module}.".startswith(ROOT):
        base = [*filter(None, [node.module[len(ROOT) :]])]
    else:
        return []
    return [".".join([*base, alias.name]) for alias in node.names]


def imports(path, module="", lazy=True):
    """The modules, relative to module_utils, that a file imports from there, lazy imports too or not."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = [node for node in (ast.walk(tree) if lazy else tree.body) if isinstance(node, ast.ImportFrom)]
    return {name if source(name) else name.rpartition(".")[0] for node in nodes for name in named_by(node, module)}


def source(name):
    """The file of a module below module_utils."""
    path = HOUSE.joinpath(*name.split(".")).with_suffix(".py")
    return path if path.is_file() else None


FILES = {
    ".".join(path.relative_to(HOUSE).with_suffix("").parts): path for path in sorted(HOUSE.rglob("*.py")) if path.name != "__init__.py"
}


@pytest.mark.parametrize("name", FILES)
def test_imports_run_downwards(name):
    room = name.split(".")[0]
    for other in imports(FILES[name], name):
        below = other.split(".")[0]
        assert below == room or FLOOR[room] < FLOOR[below], f"{name} imports {other}, which stands above it or beside it"


@pytest.mark.parametrize("name", FILES)
def test_no_text_names_a_role_s_variable(name):
    """The options are named; which variable one is called for a role is said by the role."""
    for node in ast.walk(ast.parse(FILES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not re.search(r"(prepare_features|deploy_training|monitor_training)_", node.value), f"{name}, line {node.lineno}"


@pytest.mark.parametrize("name", FILES)
def test_attributes_are_copied_where_they_outlive_their_object(name):
    """Python 3.13.0 empties what is in the dictionary of an object that it collects, also if that dictionary is in use."""
    tree = ast.parse(FILES[name].read_text(encoding="utf-8"))
    copied = [value for node in ast.walk(tree) if isinstance(node, ast.Dict) for key, value in zip(node.keys, node.values) if key is None]
    copied += [word.value for node in ast.walk(tree) if isinstance(node, ast.Call) for word in node.keywords if word.arg is None]
    copied += [one for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "dict" for one in node.args]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "vars":
            assert node in copied, f"{name}, line {node.lineno}"


def test_no_circle_inside_a_room():
    list(TopologicalSorter({name: imports(path, name) for name, path in FILES.items()}).static_order())


def test_each_room_says_what_it_is_for():
    rooms = {name.split(".")[0] for name in FILES if "." in name}
    for room in rooms:
        assert ast.get_docstring(ast.parse((HOUSE / room / "__init__.py").read_text(encoding="utf-8"))), room
    assert rooms | {name for name in FILES if "." not in name} == set(FLOOR)


def drawing():
    """The imports between rooms, a line for each, from the top floor to the ground."""
    edges = {
        (name.split(".")[0], other.split(".")[0])
        for name, path in FILES.items()
        for other in imports(path, name)
        if "." in name and "." in other
    }
    rooms = sorted({above for above, below in edges if above != below}, key=lambda room: (FLOOR[room], room))
    lines = []
    for room in rooms:
        below = sorted({below for above, below in edges if above == room != below}, key=lambda one: (FLOOR[one], one))
        lines.append(f"{room:<10} -> {', '.join(below)}\n")
    return "".join(lines)


def test_the_documentation_draws_the_imports_as_they_are():
    page = (PLUGINS.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = page.partition("## Imports between the packages")[2].partition("```text\n")[2].partition("```")[0]
    assert drawn == drawing(), "docs/architecture.md: the drawing is:\n" + drawing()


def shipped(module, lazy=True):
    """The files that Ansible sends with a module, as it finds them: by the imports, from file to file.

    Without lazy imports, those that Python compiles in any case.
    """
    todo, found = [PLUGINS / "modules" / f"{module}.py"], set()
    names = {path: name for name, path in FILES.items()}
    while todo:
        path = todo.pop()
        if path not in found:
            found.add(path)
            for name in imports(path, names.get(path, ""), lazy):
                todo.append(source(name))
                todo += [HOUSE / name.split(".")[0] / "__init__.py"] if "." in name else []
    return found


@pytest.mark.parametrize(("module", "programs", "most"), [("training_follow", [], 64), ("training_run", PROGRAMS, 130)])
def test_a_module_ships_little_more_than_it_uses(module, programs, most):
    size = sum(path.stat().st_size for path in {*shipped(module), *programs}) / 1024
    print(f"{module} ships {size:.1f} KiB of source, at most {most}")
    assert size <= most


@pytest.mark.parametrize("module", ["feature_prepare", "feature_facts"])
def test_an_unchanged_host_compiles_little_and_nothing_that_scans_plans_or_applies(module):
    """A packed module is source, which Python compiles at each run."""
    files = shipped(module, lazy=False)
    size = sum(path.stat().st_size for path in files if path.parent != PLUGINS / "modules") / 1024
    print(f"{module} compiles {size:.1f} KiB of module_utils for an unchanged host, at most 67")
    assert size <= 67
    rooms = {path.parent.name for path in files}
    assert "_cache" in rooms and not rooms & {"_formats", "_plan", "_apply", "_upload", "_steps"}


@pytest.mark.parametrize(("module", "most"), [("feature_prepare", 200), ("training_follow", 20)])
def test_ansible_has_few_names_to_look_for(module, most):
    """Ansible looks for a file for each name that is imported from a module, and not for the module again, when it packs."""
    found = 0
    for path in shipped(module):
        name = next((name for name, one in FILES.items() if one == path), "")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                found += sum(not source(below) for below in named_by(node, name))
    print(f"{module} imports {found} names of modules, at most {most}")
    assert found <= most
