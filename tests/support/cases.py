# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of cases for the role, all in one run of the real playbook.

Each case is a host of its own to Ansible (its own variables, facts, failure), and a directory of its own on the one
container behind them: thirty cases cost a few seconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from tests.support.hosts import SUPPORT, Host, PlayResult

ROOT = "/srv/cases"
ARRAYS = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}

# What the set-up of each case can use: the layout generator, its directory `d`, and a few words.
_PRELUDE = """
import os, shutil, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from layout import *

def features(directory, *names, seed=None):
    Path(directory).mkdir(parents=True, exist_ok=True)
    for name in names:
        write_wav2vec(f"{{directory}}/{{name}}.npz", seed or name, frames=3)

def others(directory, *names):
    write_features(directory, [f"{{name}}.npz" for name in names], "facenet")

def link(path, text):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    os.symlink(text, path)

def write(path, content=b""):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)
"""


@dataclass
class Case:
    """``setup``: Python that lays out the case below ``d``. ``variables`` (a function of ``d``) are the host's."""

    setup: str
    variables: Callable[[str], Mapping[str, Any]]


@dataclass
class Outcome:
    """What one run did to one case. ``before``, ``after``: its directory as `Host.tree` shows it."""

    name: str
    directory: str
    result: PlayResult = field(repr=False)
    before: List[str] = field(repr=False)
    after: List[str] = field(repr=False)
    facts: Dict[str, Any] = field(repr=False)

    @property
    def recap(self) -> Dict[str, int]:
        return self.result.recap[self.name]

    @property
    def failed(self) -> bool:
        return bool(self.recap["failures"])

    @property
    def messages(self) -> List[str]:
        """What failed tasks said."""
        return [event["result"].get("msg", "") for event in self.result.results(self.name) if event["event"] == "failed"]

    @property
    def message(self) -> str:
        assert len(self.messages) == 1, (self.name, self.messages)
        return self.messages[0]

    @property
    def report(self) -> str:
        """The block that was printed for this case, its lines joined again."""
        rule = "-" * 80 + "\n"
        blocks = [block for block in self.result.stdout.split(rule) if block.startswith(f"{self.name}: ")]
        assert len(blocks) == 1, (self.name, len(blocks))
        return " ".join(blocks[0].split())

    @property
    def status(self) -> Optional[int]:
        return self.facts["feature_status"]

    @property
    def ready(self) -> bool:
        return self.facts["features_ready"]

    def of(self, name: str = "clips") -> Dict[str, Any]:
        """The facts of one set."""
        return self.facts["feature_sets"][name]

    def links(self, directory: str = "target") -> Dict[str, str]:
        """name -> text of the links below a directory of the case, afterwards."""
        start = f"{self.directory}/{directory}/"
        rows = [line.split("|") for line in self.after]
        return {row[0][len(start):]: row[-1] for row in rows if row[0].startswith(start) and row[1] == "l"}

    def text(self, path: str) -> str:
        """The row of the listing for one path of the case, afterwards."""
        return next(line for line in self.after if line.startswith(f"{self.directory}/{path}|"))


def one_set(d: str, **keys: Any) -> Dict[str, Any]:
    """The variables of a case with one set, ``clips``: from ``old`` into ``target``."""
    feature_set = {"name": "clips", "target": f"{d}/target", "legacy": [f"{d}/old"], "arrays": ARRAYS}
    roles = {key: keys.pop(key) for key in list(keys) if key.startswith("prepare_features_")}
    return {"prepare_features_sets": [{**feature_set, **keys}], **roles}


class Cases:
    """The cases of one test module on one host."""

    def __init__(self, host: Host, play: Callable[..., PlayResult], scratch: Path) -> None:
        self.host = host
        self.play = play
        self.scratch = scratch
        self._runs = 0
        host.run(["mkdir", "-p", ROOT])
        host.put(SUPPORT / "layout.py", f"{ROOT}/layout.py")

    def lay_out(self, cases: Mapping[str, Case]) -> None:
        """Makes each case's directory again."""
        program = [_PRELUDE.format(root=ROOT)]
        for name, case in cases.items():
            program.append(f"d = {ROOT + '/' + name!r}\nshutil.rmtree(d, ignore_errors=True)\nos.mkdir(d)\nos.chdir(d)")
            program.append(case.setup)
        self.host.python("\n".join(program))

    def run(self, cases: Mapping[str, Case], check: bool = False, diff: bool = False, fresh: bool = True,
            args: Sequence[str] = (), env: Optional[Mapping[str, str]] = None) -> Dict[str, Outcome]:
        """One run of the playbook over all cases; ``fresh`` off keeps what an earlier run left."""
        if fresh:
            self.lay_out(cases)
        self._runs += 1
        inventory = self.scratch / f"cases{self._runs}.yml"
        members = {
            name: {**self.host.variables, "prepare_features_report": "full", **case.variables(f"{ROOT}/{name}")}
            for name, case in cases.items()
        }
        inventory.write_text(json.dumps({"all": {"hosts": members}}))
        before = self._trees(cases)
        # One connection carries at most ten sessions.
        result = self.play(inventory, "prepare_features.yml", check=check, diff=diff, args=["--forks", "6", *args], env=env)
        assert set(result.recap) == set(cases), result.stdout
        assert "Traceback" not in result.stdout, result.stdout
        after = self._trees(cases)
        return {
            name: Outcome(name, f"{ROOT}/{name}", result, before[name], after[name], result.facts(name)) for name in cases
        }

    def _trees(self, cases: Mapping[str, Case]) -> Dict[str, List[str]]:
        trees: Dict[str, List[str]] = {name: [] for name in cases}
        for line in self.host.tree(ROOT).splitlines():
            parts = line.split("|", 1)[0].split("/")
            if len(parts) > 3 and parts[3] in trees:
                trees[parts[3]].append(line)
        return trees
