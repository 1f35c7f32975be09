# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection tells Ansible, Galaxy and execution environments about itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = sorted((REPOSITORY / "plugins" / "modules").glob("*.py"))
GROUP = "trainprep.features.features"


def _documentation(module):
    return yaml.safe_load(module.read_text().split('DOCUMENTATION = r"""')[1].split('"""')[0])


def _yaml(path):
    return yaml.safe_load((REPOSITORY / path).read_text())


@pytest.mark.parametrize("group", ["features", "training"])
def test_an_action_group_is_complete(group):
    fragment = f"trainprep.features.attributes.actiongroup_{group}"
    documented = {path.stem: _documentation(path) for path in MODULES}
    members = {name for name, found in documented.items() if fragment in found.get("extends_documentation_fragment", [])}
    assert members == set(_yaml("meta/runtime.yml")["action_groups"][group])
    # Every module that takes sets, and every public module of trainings.
    wanted = {name for name, found in documented.items() if name.startswith("training_")} if group == "training" else {
        name for name in documented if name in ("feature_access", "feature_facts", "feature_links", "feature_prepare", "feature_upload")}
    assert members == wanted


def test_only_listed_files_get_into_the_archive():
    """What git has, without what galaxy.yml leaves out, is what the archive gets."""
    program = REPOSITORY / "scripts" / "archive_files"
    listing = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.splitlines()
    ignored = [*_yaml("galaxy.yml")["build_ignore"], "galaxy.yml"]
    shipped = [path for path in listing if not any(fnmatch(path, rule) or fnmatch(path.split("/")[0], rule) for rule in ignored)]
    for paths, code in ((shipped, 0), ([*shipped, "done"], 1), ([*shipped, "NOTES.md"], 1), ([*shipped, "plugins/modules/x.pyc"], 1)):
        done = subprocess.run([sys.executable, program], input="\n".join(paths), check=False, capture_output=True, text=True)
        assert done.returncode == code, done.stderr


def test_an_execution_environment_finds_what_is_needed():
    done = subprocess.run([Path(sys.executable).with_name("ansible-builder"), "introspect", REPOSITORY / "collections"], check=True,
                          capture_output=True, text=True)
    shown = yaml.safe_load(done.stdout)
    assert {line.split()[0] for line in shown["python"]} == {"boto3", "botocore"}
    assert {line.split()[0] for line in shown["system"]} == {"openssh-client", "openssh-clients", "rsync", "sshpass"}


def test_what_a_clone_needs_is_what_galaxy_is_told():
    wanted = {one["name"]: one["version"] for one in _yaml("collections/requirements.yml")["collections"]}
    told = _yaml("galaxy.yml")["dependencies"]
    assert {name: wanted[name] for name in told} == told


@pytest.mark.parametrize("playbook", sorted(path.name for path in REPOSITORY.glob("*.yml") if path.name != "galaxy.yml"))
def test_a_clone_works_with_ones_own_ansible(tmp_path, playbook):
    """No make setup, no ansible.cfg of this repository, another current directory: as AWX and other people's projects run it."""
    clone = tmp_path / "clone"
    listing = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    for name in filter(None, listing.stdout.split("\0")):
        if (REPOSITORY / name).is_symlink() or (REPOSITORY / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, clone / name, follow_symlinks=False)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    command = [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "--list-tasks", clone / playbook]
    done = subprocess.run(command, cwd=tmp_path, env={**environment, "HOME": str(tmp_path)}, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"tasks:\n\s+\w", done.stdout)


def test_the_changelog_names_what_exists():
    """scripts/release refuses to tag otherwise."""
    loader = SourceFileLoader("release", str(REPOSITORY / "scripts" / "release"))
    release = module_from_spec(spec_from_loader("release", loader))
    loader.exec_module(release)
    assert release.changelog_problems("1.0.0", _yaml("changelogs/changelog.yaml")) == []
    gone = {"modules": [{"name": "feature_staging"}], "changes": {}}
    said = release.changelog_problems("1.0.0", {"releases": {"1.0.0": gone}})
    assert "the changelog names the module feature_staging, which does not exist" in said and len(said) > 10
    (missing,) = release.changelog_problems("1.1.0", {"releases": {}})
    assert "has no entry 1.1.0" in missing
