# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the texts show exists: variables, keys, playbooks, plugins, files, commands."""

from __future__ import annotations

import ast
import re
import textwrap
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml
from ansible_collections.trainprep.features.plugins.doc_fragments.sets import ModuleDocFragment

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDES = sorted((REPOSITORY / "docs" / "docsite" / "rst").glob("*.rst"))
PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md")), *GUIDES]
HERE = "https://github.com/trainprep/features/blob/main/"
VARIABLE = r"\b(?:prepare_features|deploy_training|monitor_training)_\w+\b"


def _options(role):
    specs = yaml.safe_load((REPOSITORY / "roles" / role / "meta" / "argument_specs.yml").read_text())
    return specs["argument_specs"]["main"]["options"]


VARIABLES = {name for role in (REPOSITORY / "roles").iterdir() for name in _options(role.name)}
KEYS = set(yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["sets"]["suboptions"])


def blocks(page):
    """The code blocks of a page as (language, text)."""
    text = page.read_text()
    if page.suffix == ".md":
        pattern, flags = r"^ *```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL
    else:
        pattern, flags = r"^\.\. code-block:: (\S+)\n(?:   +:.*\n)*\n((?:(?: {3,}.*)?\n)+)", re.MULTILINE
    return [(language, textwrap.dedent(body)) for language, body in re.findall(pattern, text + "\n", flags)]


def values(data):
    """Each dictionary in data."""
    if isinstance(data, dict):
        yield data
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from values(item)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_yaml_that_is_shown_can_be_pasted(page):
    for language, text in blocks(page):
        if not language.startswith("yaml"):
            continue
        for data in values(yaml.safe_load(text)):
            unknown = {name for name in data if re.fullmatch(VARIABLE, str(name))} - VARIABLES
            assert not unknown, unknown
            for one in data.get("prepare_features_sets") or data.get("sets") or []:
                assert set(one) <= KEYS, one


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_name_playbooks_and_variables_that_exist(page):
    own = {"ready.yml"}  # playbooks that a page shows itself
    for _language, text in blocks(page):
        for name in re.findall(r"ansible-playbook (?:-i \S+ )?([\w.]+)", text):
            known = REPOSITORY / "playbooks" / f"{name.removeprefix('trainprep.features.')}.yml" if "." in name else REPOSITORY / name
            assert name in own or (REPOSITORY / name).exists() or known.exists(), name
        unknown = set(re.findall(rf"-e ({VARIABLE})=", text)) - VARIABLES
        assert not unknown, unknown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_has_the_targets_that_are_named(page):
    targets = set(re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^ *\$ |`)make ([\w-]+)(?=`| |$)", page.read_text().replace("``make it ", ""), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_of_this_repository(page):
    text = page.read_text()
    local = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target and not target.startswith("mailto:")]
    assert [target for target in local if not (page.parent / target).exists()] == []
    shown = re.findall(re.escape(HERE) + r"([^)>#\s`]+)", text)
    assert [target for target in shown if not (REPOSITORY / target).exists()] == []


def _table(text):
    """Name -> default, of a table's first two columns."""
    return dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))


def test_the_tables_have_all_variables_and_keys_with_their_defaults():
    variables, keys = (REPOSITORY / "docs" / "variables.md").read_text().split("## A feature set")
    defaults = yaml.safe_load((REPOSITORY / "roles" / "prepare_features" / "defaults" / "main.yml").read_text())
    suboptions = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["sets"]["suboptions"]
    stated = _table(variables)
    assert set(stated) == set(defaults)
    assert {name: yaml.safe_load(text.strip("`")) for name, text in stated.items() if text.startswith("`")} == {
        name: default for name, default in defaults.items() if name != "prepare_features_sets"}
    assert {name: None if text == "–" else yaml.safe_load(text.strip("`")) for name, text in _table(keys).items()} == {
        name: option.get("default") for name, option in suboptions.items()}


def test_training_variables_are_on_their_page():
    page = (REPOSITORY / "docs" / "training.md").read_text()
    wanted = {name for role in ("deploy_training", "monitor_training") for name in _options(role)}
    assert {name for name in wanted if f"`{name}`" not in page} == set()


# Messages of Ansible and ssh.
NOT_OURS = {"Permission denied (publickey)", "No start of json char found", "Missing sudo password"}


def _part(part, prefix):
    """A part of a text: … for what is filled in, but for the options, which are called as a role's variables."""
    if isinstance(part, ast.Constant):
        return part.value
    call = part.value
    is_named = isinstance(call, ast.Call) and ast.unparse(call.func) in ("named", "errors.named")
    return prefix + call.args[0].value if is_named and isinstance(call.args[0], ast.Constant) else "…"


def _sentences():
    """Every text of the plugins, as each role says it."""
    for path in (REPOSITORY / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                for role in (REPOSITORY / "roles").iterdir():
                    yield "".join(_part(part, f"{role.name}_") for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_the_ansible_cfg_of_the_readme_is_the_shipped_one():
    """But for what only a clone needs, and the interpreter, which the shipped inventories name."""
    shown, shipped = ConfigParser(), ConfigParser()
    shown.read_string(next(text for language, text in blocks(REPOSITORY / "README.md") if language == "ini"))
    shipped.read(REPOSITORY / "ansible.cfg")
    differing = {name: dict(shown[name].items() - shipped[name].items()) for name in shown.sections()}
    assert differing == {"defaults": {"interpreter_python": "/usr/bin/python3"}, "inventory": {}, "connection": {}}
    assert shown["inventory"] == shipped["inventory"]


def test_the_messages_that_are_explained_are_said():
    rows = re.findall(r"^   \* - ``(.*)``$", (REPOSITORY / "docs" / "docsite" / "rst" / "troubleshooting.rst").read_text(), re.MULTILINE)
    said = "\n".join(_sentences())
    assert len(rows) > 30 and [row for row in rows if row not in said and row not in NOT_OURS] == []


def test_all_pages_are_part_of_the_site():
    sections = yaml.safe_load((REPOSITORY / "docs" / "docsite" / "extra-docs.yml").read_text())["sections"]
    assert sorted(name for section in sections for name in section["toctree"]) == [page.stem for page in GUIDES]
    contents = re.findall(r"^   (\w+)$", (REPOSITORY / "docs" / "docsite" / "index.rst").read_text(), re.MULTILINE)
    assert sorted(contents) == sorted(page.stem for page in (REPOSITORY / "docs").glob("*.md"))
