# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs inside a host, as root: links and grants as the modules do, many times, while an attacker is at work.

driver.py KIND RUNS   prints what was done in so many runs, or more, as JSON; any error but a sentence for the user ends it
"""

from __future__ import annotations

import collections
import json
import subprocess
import sys

sys.path.insert(0, "/opt/collections")
from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import Policy
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import SET_OPTIONS, parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import Request, do_step
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import find_account
from ansible_collections.trainprep.features.plugins.module_utils.module_errors import failing

SET = {
    "name": "clips",
    "target": "/home/ubuntu/target",
    "legacy": ["/home/ubuntu/models/features"],
    "arrays": {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}},
}
ACTS = ("granted", "directories", "linked", "removed")


def complete(options: dict[str, object]) -> dict[str, object]:
    """With the defaults that AnsibleModule fills in."""
    return {key: options.get(key, spec.get("default")) for key, spec in SET_OPTIONS.items()}


class Stopped(Exception):
    """A module's failure, with a sentence."""


class Edge:
    """Stands for AnsibleModule at the edge where errors become sentences."""

    def __init__(self) -> None:
        self.params: dict[str, str] = {}

    def fail_json(self, msg: str) -> None:
        raise Stopped(msg)


def main() -> None:
    kind, runs = sys.argv[1], int(sys.argv[2])
    target = "/home/ubuntu/place/target" if kind == "above" else SET["target"]
    sets, trainer = parse_sets([complete({**SET, "target": target})]), find_account("trainer")
    totals: collections.Counter[str] = collections.Counter()
    sentences: collections.Counter[str] = collections.Counter()
    command = [
        "setpriv",
        "--reuid=ubuntu",
        "--regid=ubuntu",
        "--init-groups",
        "python3",
        "/opt/attacks/attacker.py",
        kind,
    ]
    attacker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert attacker.stdin and attacker.stdout
    assert attacker.stdout.readline() == "ready\n"
    try:
        # On a busy machine all of the first ones may be stopped: it goes on until one did something.
        for number in range(10 * runs):
            if number >= runs and sum(totals[act] for act in ACTS):
                break
            totals["runs"] += 1
            options = Policy(
                prune="stray" if number % 3 else "none",
                on_conflict="first",
                permissions="widen" if number % 5 == 4 else "grant",
            )
            state = "absent" if number % 4 == 3 else "present"
            for step in ("link" if state == "present" else "unlink", "grant"):
                done: dict[str, object] = {}
                try:
                    with failing(Edge()):
                        do_step(step, Request(sets, trainer, options, state), done)
                    result = done["sets"]["clips"]
                except Stopped as error:
                    totals["stopped"] += 1
                    sentences[str(error)] += 1
                    continue
                totals.update({key: value for key, value in result.items() if isinstance(value, int)})
                sentences.update(result.get("warnings", []))
    finally:
        attacker.stdin.close()
        totals["exchanges"] = int(attacker.stdout.read() or 0)
        attacker.wait()
    print(json.dumps({"totals": totals, "sentences": sentences.most_common(12)}))


main()
