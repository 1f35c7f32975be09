# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two options at once: every pair of what decides the role's work, against four invariants, in check mode, in a run and in a second one.

Absent never adds. ``changed`` is the difference of the tree. The report agrees with the disk. A second run changes nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import classify
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import Wanted, token_of
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import write_manifest

from tests.support.layout import write_wav2vec
from tests.support.pairs import ARRAYS, lay_out, sets_of, table
from tests.support.parts import part

ROOT = "/srv/pairs"
PASSWORD = "pairs4711"
ROWS = {f"row{number:02}": row for number, row in enumerate(table(60))}
SHORT = list(ROWS)[: len(table(1))]  # they hold every pair; the others hold more combinations of them
NAMES = part(ROWS, *SHORT)
UPLOAD = "trainprep.features.feature_upload"
SHOWN = r"%P|%y|%m|%u|%s|%C@|%l\n"


def stage(place: Path) -> None:
    """What an upload of ``b`` and ``c`` leaves next to a target ``one``: complete, and without ``c``."""
    (one,) = parse_sets([{"name": "one", "target": str(place / "one"), "arrays": ARRAYS}])
    gathered, manifest = place / ".one.incoming", {}
    gathered.mkdir(parents=True, mode=0o700)
    for name in ("b.npz", "c.npz"):
        write_wav2vec(gathered / name, f"feature {name}", frames=2)
        with (gathered / name).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            manifest[name] = Wanted(size, token_of(classify(file.fileno(), size, name, *one.criteria), lambda: b""))
    write_manifest(str(place / "one"), manifest)


class Table:
    """The hosts of the table, each a directory of this machine or of one container, and what three runs of the role did to them."""

    def __init__(self, container, play, scratch: Path, rows) -> None:
        self.container, self.rows, self.scratch = container, rows, scratch
        container.run("chpasswd", input=f"root:{PASSWORD}\n")
        self.source = scratch / "source"
        self.source.mkdir()
        for name in ("b.npz", "c.npz"):
            write_wav2vec(self.source / name, f"feature {name}", frames=2)
        for kind in ("complete", "incomplete"):
            stage(scratch / "staged" / kind)
        (scratch / "staged/incomplete/.one.incoming/c.npz").unlink()
        self.lay_out()
        inventory = scratch / "inventory.json"
        inventory.write_text(json.dumps({"all": {"hosts": {name: self.variables(name, row) for name, row in rows.items()}}}))
        self.trees = [self.list_trees()]
        self.results = []
        for check in (True, False, False):
            self.results.append(play(inventory, "prepare_features.yml", check=check, args=["--forks", "6"]))
            self.trees.append(self.list_trees())

    def place(self, name: str) -> str:
        return f"{self.scratch}/hosts/{name}" if self.rows[name]["connection"] == "local" else f"{ROOT}/{name}"

    def lay_out(self) -> None:
        remote = {}
        for name, row in self.rows.items():
            if row["connection"] != "local":
                remote[self.place(name)] = row
                continue
            lay_out(Path(self.place(name)), row)
            if row["staged"] != "none":
                shutil.copytree(self.scratch / "staged" / row["staged"], self.place(name), dirs_exist_ok=True)
        self.container.run(["mkdir", "-p", ROOT])
        for name in ("layout.py", "pairs.py"):
            self.container.put(Path(__file__).parents[1] / "support" / name, f"/srv/{name}")
        self.container.put(self.scratch / "staged", "/srv/staged")
        self.container.run(["python3", "/srv/pairs.py"], input=json.dumps(remote))
        copies = [f"cp -r /srv/staged/{row['staged']}/. {place}" for place, row in remote.items() if row["staged"] != "none"]
        self.container.run("; ".join([*copies, f"chown -hR ubuntu:ubuntu {ROOT}"]))

    def variables(self, name: str, row) -> dict:
        connection = {
            # As root, su needs no password. Another user of this machine stays that user.
            "local": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            "ssh": {**self.container.variables, "ansible_become_password": PASSWORD},
            "docker": {"ansible_connection": "community.docker.docker", "ansible_host": self.container.name, "ansible_user": "ubuntu",
                       "ansible_python_interpreter": "/usr/bin/python3"},
        }  # fmt: skip
        return {
            **connection[row["connection"]],
            "ansible_become_method": row["become"] or "sudo",
            "prepare_features_sets": sets_of(self.place(name), row, str(self.source)),
            "prepare_features_state": row["state"],
            "prepare_features_become": bool(row["become"]) and (row["connection"] != "local" or os.geteuid() == 0),
            "prepare_features_upload_streams": row["streams"],
            "prepare_features_top_up": row["top_up"],
            "prepare_features_search_roots": [],
            "prepare_features_report": "full",
        }

    def list_trees(self) -> dict[str, dict[str, str]]:
        """The tree of every host, without the folders above the feature whose path is too long."""
        command = ["find", "-mindepth", "2", "-maxdepth", "4", "-printf", SHOWN]
        here = subprocess.run([command[0], f"{self.scratch}/hosts", *command[1:]], check=True, capture_output=True, text=True).stdout
        trees: dict[str, dict[str, str]] = {name: {} for name in self.rows}
        for line in (here + self.container.run([command[0], ROOT, *command[1:]]).stdout).splitlines():
            path, _bar, shown = line.partition("|")
            name, _slash, below = path.partition("/")
            trees[name][below] = shown
        return trees

    def changed(self, name: str, run: int) -> bool:
        """Whether any result of a run says that it changed something, failed ones included."""
        return any(event["result"].get("changed") is True for event in self.results[run].results(name))

    def counts(self, name: str, run: int) -> dict[str, int]:
        """What the steps of a run did, or would do. In check mode, what is sent stands for what is published then."""
        total = dict.fromkeys(("linked", "replaced", "removed", "there"), 0)
        for event in self.results[run].results(name):
            for one in event["result"].get("sets", {}).values():
                for counter in ("linked", "replaced", "removed"):
                    total[counter] += one.get(counter, 0)
                total["there"] += one.get("published", 0) or (one.get("sent", 0) + one.get("resumed", 0) if run == 0 else 0)
        return {**total, "changed": self.changed(name, run)}

    def messages(self, name: str, run: int) -> list[str]:
        return [event["result"]["msg"] for event in self.results[run].results(name) if event["event"] == "failed"]

    def failed(self, name: str, run: int) -> bool:
        return bool(self.results[run].recap[name]["failures"])

    def facts(self, name: str, run: int) -> dict:
        return self.results[run].facts(name)


@pytest.fixture(scope="module")
def done(ssh_host, play, tmp_path_factory, full):
    rows = ROWS if full else {name: ROWS[name] for name in SHORT}
    return Table(ssh_host, play, tmp_path_factory.mktemp("pairs"), rows)


@pytest.mark.parametrize("name", NAMES)
def test_check_mode_changes_nothing_and_predicts_the_run(done, name):
    row, checked, ran = ROWS[name], done.facts(name, 0), done.facts(name, 1)
    assert done.trees[1][name] == done.trees[0][name], row
    assert done.counts(name, 0) == done.counts(name, 1), row
    # A source that holds too few features, or a set that fails, ends a dry run as it ends the run.
    stopped = done.failed(name, 0)
    assert not stopped or done.messages(name, 0) == done.messages(name, 1), row
    ready = ran["features_ready"] and not done.failed(name, 1)
    assert (checked["features_will_be_ready"] and not stopped) == ready or row["state"] == "absent", (row, checked)


@pytest.mark.parametrize("name", NAMES)
def test_absent_never_adds(done, name):
    if ROWS[name]["state"] == "absent":
        assert set(done.trees[2][name]) <= set(done.trees[0][name]), ROWS[name]
        real = {path for path, shown in done.trees[0][name].items() if shown.startswith("f")}
        assert real <= set(done.trees[2][name])
    else:
        features = {path for path in done.trees[0][name] if "/" in path and not path.startswith(".one")}
        assert features <= set(done.trees[2][name]), "nothing that was there is gone"


@pytest.mark.parametrize("name", NAMES)
def test_changed_is_the_difference_of_the_tree(done, name):
    assert done.changed(name, 1) == (done.trees[2][name] != done.trees[0][name]), ROWS[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_report_agrees_with_the_disk(done, name):
    row, facts, tree = ROWS[name], done.facts(name, 1), done.trees[2][name]
    one = facts["feature_sets"]["one"]
    there = {path for path in tree if path.startswith("one/")}
    assert one["target"]["features"] == len(there), (row, one)
    assert one["target"]["links"] == sum(tree[path].startswith("l") for path in there)
    assert one["incoming"]["state"] == ("absent" if ".one.incoming" not in tree else "present"), row
    assert done.failed(name, 1) == (row["state"] == "present" and (row["fails"] or not facts["features_ready"])), (row, one)
    if row["fails"] and row["state"] == "present":
        messages = [event["result"] for event in done.results[1].results(name) if event["event"] == "failed"]
        assert len(messages) == 1, messages


@pytest.mark.parametrize("name", NAMES)
def test_a_second_run_changes_nothing(done, name):
    row = ROWS[name]
    assert done.trees[3][name] == done.trees[2][name], row
    assert not done.changed(name, 2) and done.failed(name, 2) == done.failed(name, 1), row
