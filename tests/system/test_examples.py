# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples in the modules' documentation run as they are written, on one host, one module after the other."""

from __future__ import annotations

import json
import subprocess
import sys

import yaml

from tests.support.hosts import REPOSITORY, SUPPORT

# In the order of a job: what one leaves is what the next is about.
ORDER = [
    "feature_facts", "feature_report", "feature_prepare", "feature_links", "feature_access", "feature_upload",
    "feature_transfer", "feature_files_info", "training_run", "training_follow", "training_info",
]  # fmt: skip
MODULES = {path.stem: path for path in (REPOSITORY / "plugins/modules").glob("*.py")}


def documented(module: str, part: str):
    return yaml.safe_load(MODULES[module].read_text().split(f'{part} = r"""')[1].split('"""')[0])


def test_every_module_has_examples():
    assert sorted(ORDER) == sorted(MODULES)


def test_the_examples_run_as_written(start_host, play, tmp_path):
    host = start_host("examples", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])
    host.run("python3 -m venv --without-pip --system-site-packages /opt/pytorch")
    host.put(REPOSITORY / ".venv/bin/rclone", "/usr/local/bin/rclone")
    # What the examples name on the controller, next to the playbook.
    command = [sys.executable, SUPPORT / "layout.py", "--features", tmp_path / "features/wav2vec", "--crema-d", "4"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (tmp_path / "train.py").write_text("print('Epoch 1/1\\nloss: 0.5 - val_loss: 0.4', flush=True)\n")
    plays = [{"name": module, "hosts": "all", "gather_facts": False, "tasks": documented(module, "EXAMPLES")} for module in ORDER]
    (tmp_path / "examples.yml").write_text(json.dumps(plays))
    result = play(host, tmp_path / "examples.yml")
    assert result.rc == 0, result.stdout
    actions = {event["action"] for event in result.results(host) if event["event"] in ("ok", "changed")}
    assert {f"trainprep.features.{module}" for module in ORDER} <= actions
    # The examples before it have linked the set, so that there is nothing to upload.
    assert host.run("find /data/wav2vec_features -type f -name '*.npz' | wc -l").stdout.strip() == "0"


def test_facts_modules_return_facts_alone(start_host, play):
    """As Ansible asks of every module of such a name."""
    host = start_host("facts", layout=["--root", "/", "--scale", "small", "--owner", "ubuntu"])
    facts = [module for module in MODULES if module.endswith("_facts")]
    result = play(host, [{"hosts": "all", "gather_facts": False, "tasks": documented(module, "EXAMPLES")[:1]} for module in facts])
    assert result.rc == 0, result.stdout
    for module in facts:
        assert set(documented(module, "RETURN")) == {"ansible_facts"}
        [event] = result.results(host, f"trainprep.features.{module}")
        assert {name for name in event["result"] if not name.startswith("_")} - {"warnings"} == {"ansible_facts", "changed"}
