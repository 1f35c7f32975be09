# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of trainings share."""

from __future__ import annotations

import json

from tests.support.waiting import wait_for

EXAMPLE = "examples/train_softmax.py"
WORK = "/home/ubuntu/emotion_recognition"


def deploy(play, hosts, rc=0, check=False, each=(), **options):
    """Start, stop or remove a training by one task (``each``: several), without the features that the playbook prepares first."""
    names = {"variable_prefix": "deploy_training_", "variable_names": {"arguments": "deploy_training_args"}}
    tasks = [{"trainprep.features.training_run": {**options, **one, **names}, "become": True} for one in each or ({},)]
    result = play(hosts, [{"hosts": "all", "gather_facts": False, "tasks": tasks}], check=check)
    assert result.rc == rc, result.stdout
    return result


def said(result):
    """Everything that a run printed, and that its modules returned as text, on one line."""
    texts = [result.stdout]
    for event in result.events:
        texts += [str(event["result"].get("message", "")), *event["result"].get("changes", [])]
    return " ".join(" ".join(texts).split())


def monitor(play, host, session="attn_crnn_v2", **variables):
    names = {"monitor_training_" + name: value for name, value in variables.items()}
    return play(host, "monitor_training.yml", {"monitor_training_session": session, **names})


def state(host, session, user="ubuntu", directory=WORK):
    path = f"{directory}/runs/{session}/latest/state.json"
    return json.loads(host.run(["cat", path], user=user).stdout)


def wait_for_log(host, session, words):
    """Wait until the training has written them: a deploy may end before that."""
    log = f"{WORK}/runs/{session}/latest/training.log"
    wait_for(lambda: words in host.run(["cat", log], check=False).stdout, f"{words!r} in {log}")
