# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The built archive, installed into an empty project: each example of the documentation runs there, by its full name."""

from __future__ import annotations

import json
import re
import shlex
import shutil

import pytest
import yaml

from tests.support.hosts import REPOSITORY
from tests.support.installed import BIN, install_collection, readme_blocks, readme_config, user_environment
from tests.support.layout import crema_d_names, write_features
from tests.support.waiting import run

# In this order: what is linked is then granted, reported, trained on. A training has to be there to be looked at.
MODULES = ["feature_facts", "feature_links", "feature_access", "feature_report", "feature_upload"]
ROLES = ["prepare_features", "deploy_training", "monitor_training"]
AFTER = ["training_info", "training_follow"]


class Project:
    """A folder with the installed collection, an inventory, and a training script; nothing of this repository."""

    def __init__(self, folder, host):
        self.folder = folder
        self.environment = user_environment(folder / "home")
        (folder / "home").mkdir()
        (folder / "ansible.cfg").write_text("[defaults]\ncollections_path = collections\n")
        (folder / "inventory.yml").write_text(json.dumps({"training": {"hosts": {"gpu-1": host.variables}}}))
        shutil.copy(REPOSITORY / "examples" / "train_softmax.py", folder / "train_attn_crnn_v2.py")
        write_features(folder / "srv" / "speech", crema_d_names(6), dense=True)
        write_features(folder / "srv" / "wav2vec", crema_d_names(6), dense=True)

    def run(self, *command):
        return run([BIN / command[0], *command[1:]], cwd=self.folder, env=self.environment, seconds=600)

    def documented(self, kind, names):
        """What ansible-doc tells of plugins of the installed collection, by name."""
        done = self.run("ansible-doc", "--json", "--type", kind, *(f"trainprep.features.{name}" for name in names))
        assert done.returncode == 0, done.stdout
        # ansible-core 2.21 warns of a collection of its own that has no version.
        found = json.loads(done.stdout[done.stdout.index("{\n") :])
        return [found[f"trainprep.features.{name}"] for name in names]

    def play(self, plays):
        (self.folder / "play.yml").write_text(yaml.safe_dump(plays).replace("/srv/features", str(self.folder / "srv")))
        return self.run("ansible-playbook", "-i", "inventory.yml", "play.yml")


@pytest.fixture(scope="module")
def project(start_host, tmp_path_factory):
    host = start_host("installed", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])
    host.lay_out("--features", "/home/trainer/old_model/features", "--crema-d", "6", "--owner", "trainer")
    host.run("python3 -m venv --without-pip --system-site-packages /opt/pytorch")
    folder = tmp_path_factory.mktemp("project")
    project = Project(folder, host)
    install_collection(folder, tmp_path_factory.mktemp("source"))
    return project


def run_examples(project, names):
    tasks = [task for shown in project.documented("module", names) for task in yaml.safe_load(shown["examples"])]
    done = project.play([{"hosts": "training", "gather_facts": False, "tasks": tasks}])
    assert done.returncode == 0, done.stdout


def test_the_examples_of_roles_and_of_training_modules_run(project):
    roles = project.documented("role", ROLES)
    done = project.play([play for role in roles for play in yaml.safe_load(role["entry_points"]["main"]["examples"])])
    assert done.returncode == 0, done.stdout
    run_examples(project, AFTER)


@pytest.mark.parametrize("name", ROLES)
def test_the_playbooks_run_by_name(project, name):
    command = ["ansible-playbook", "-i", "inventory.yml", f"trainprep.features.{name}"]
    done = project.run(*command, "-e", "deploy_training_script=train_attn_crnn_v2.py")
    assert done.returncode == 0, done.stdout


def test_twelve_ready_hosts_take_a_line_each(project, start_host, short_path):
    """With the README's ansible.cfg, in lines of the terminal. It was 384 lines for hosts on which nothing was to be done."""
    host = start_host("twelve")
    host.lay_out("--features", "/srv/old", "--crema-d", "4", "--owner", "ubuntu")
    own = Project(short_path, host)
    (short_path / "collections").symlink_to(project.folder / "collections")
    (short_path / "ansible.cfg").write_text(readme_config())
    names = [f"gpu-{number}" for number in range(1, 13)]
    (short_path / "inventory.yml").write_text(json.dumps({"training": {"hosts": dict.fromkeys(names, host.variables)}}))
    one = {"name": "speech", "target": "/srv/{{ inventory_hostname }}", "legacy": ["/srv/old"]}
    (short_path / "sets.json").write_text(json.dumps({"prepare_features_sets": [one]}))
    # One connection carries at most ten sessions.
    command = ["ansible-playbook", "trainprep.features.prepare_features", "-i", "inventory.yml", "-e", "@sets.json", "--forks", "6"]
    first, second = own.run(*command), own.run(*command)
    assert (first.returncode, second.returncode) == (0, 0), first.stdout + second.stdout
    lines = second.stdout.splitlines()
    assert sum("READY, status 3: target and legacy; 4 features, unchanged" in line for line in lines) == 12
    assert len(lines) < len(first.stdout.splitlines()) / 2 and len(lines) <= 100, second.stdout


def test_the_readme_works_literally_in_a_project(project, start_host, short_path):
    """Its ansible.cfg, its variables, its play and its commands, as they are written there, on a host without features."""
    host = start_host("readme")
    host.run("python3 -m venv --without-pip --system-site-packages /opt/pytorch")
    own = Project(short_path, host)
    (short_path / "collections").symlink_to(project.folder / "collections")
    (short_path / "ansible.cfg").write_text(readme_config())
    (short_path / "train_attn_crnn_v2.py").rename(short_path / "train.py")
    (short_path / "group_vars").mkdir()
    written = readme_blocks("yaml")
    sets = next(text for text in written if "prepare_features_sets:" in text)
    (short_path / "group_vars" / "training.yml").write_text(sets.replace("/srv/features", str(short_path / "srv")))
    commands = re.findall(r"^\$ (ansible-playbook trainprep\.features\..*)$", "\n".join(readme_blocks("console")), re.MULTILINE)
    assert len(commands) == 7
    output = {}
    for command in [*commands, f"{commands[2]} -e prepare_features_report_dir=reports"]:
        done = own.run(*shlex.split(command, comments=True))
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        output[command] = done.stdout
    assert "READY" in done.stdout and "FEATURES" in done.stdout and "TRAININGS" in output[commands[-1]]
    assert {path.name for path in (short_path / "reports").iterdir()} == {"report.html", "report.json", "training.html", "training.json"}
    play = next(text for text in written if "pre_tasks:" in text)
    done = own.play(yaml.safe_load(play.replace("hosts: gpu", "hosts: training")))
    assert done.returncode == 0 and "status 1, ready True" in done.stdout, done.stdout
