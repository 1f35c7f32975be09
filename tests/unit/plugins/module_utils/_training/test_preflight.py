# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a start needs on its host. GPUs are asked from scripts with the real programs' answers."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training import gpus, login, preflight
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils._training.test_gpus import LISTED, XML
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_files import ME


@pytest.mark.parametrize("mark", ["conda-meta/", "bin/activate", "pyvenv.cfg"])
def test_an_environment_is_one_that_can_be_activated(tmp_path, mark):
    with pytest.raises(FeatureError, match="neither a virtual environment"):
        preflight.find_virtualenv(str(tmp_path), ME)
    path = tmp_path / mark
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if mark.endswith("/") else path.write_text("")
    assert preflight.find_virtualenv(f"{tmp_path}/", ME) == str(tmp_path)


def test_a_tilde_is_the_home_of_the_training_user(monkeypatch):
    monkeypatch.setenv("HOME", "/nowhere")  # of whoever runs the module
    with pytest.raises(FeatureError, match=f"the virtual environment {ME.home}/no-such-place is not there"):
        preflight.find_virtualenv("~/no-such-place", ME)


def test_what_pam_reads():
    text = "# a comment\nPATH=\"/a:/b\"\nexport LANG=C.UTF-8\nBROKEN LINE\nEMPTY=\nQ='x y'\n1X=2\n"
    assert login.parse_assignments(text) == {"PATH": "/a:/b", "LANG": "C.UTF-8", "EMPTY": "", "Q": "x y"}


def test_rights_are_those_of_the_process():
    found = login.rights("self")
    assert set(found["groups"].split()) == {str(os.getegid()), *map(str, os.getgroups())}
    assert login.rights(os.getpid()) == found and login.rights("none") == {}


def gpu(index, used, total, processes=(), instance=None, use=0):
    return {"index": index, "instance": instance, "use": use, "memory_used": used, "memory_total": total, "processes": processes}


IDLE, BUSY, SILENT = gpu(0, 1000, 81000), gpu(1, 70000, 81000, [(4711, 69000)]), gpu(2, None, None)


@pytest.mark.parametrize(("one", "own", "memory", "reason"), [
    (IDLE, [], 0, None),
    (IDLE, [], 20000, None),
    (gpu(1, 70000, 81000), [], 20000, "GPU 1 has 11000 of 20000 MiB free"),
    (BUSY, [], 0, "GPU 1 is used by process 4711"),
    # What is replaced gives its memory back.
    (BUSY, [4711], 20000, None),
    (SILENT, [], 20000, "GPU 2 does not report its memory"),
    (SILENT, [], 0, None),
    (gpu(0, 11, 19968, [], "3g.20gb, instance 0", None), [], 10000, None),
    (gpu(0, 11, 4864, [(7, 9)], "1g.5gb, instance 1", None), [], 0, "GPU 0 MIG 1g.5gb, instance 1 is used by process 7"),
    # A program that names no processes (rocm-smi): what is in use is not free.
    (gpu(3, 5, 65520, None, use=40), [], 0, "GPU 3 is in use (40 %)"),
    (gpu(3, 5, 65520, None, use=0), [], 0, None),
])  # fmt: skip
def test_free_gpus(one, own, memory, reason):
    assert preflight.why_busy(one, own, memory) == reason


SMI = """#!/bin/sh
case "$1" in
  --query-gpu=*) printf '0, NVIDIA H100, 0, 1000, 81000, GPU-a\\n1, NVIDIA H100, 9, 1000, 81000, GPU-b\\n' ;;
  --query-compute-apps=*) echo 'GPU-b, 4711, 900' ;;
esac
"""
LOST = SMI.replace("*) printf", "*) echo Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost; printf")
MIG = f"""#!/bin/sh
case "$1" in
  -L) cat <<'END'
{LISTED}END
;;
  -q) cat <<'END'
{XML}
END
;;
  --query-gpu=*) printf '0, NVIDIA A100, [N/A], [N/A], [N/A], GPU-1\\n1, NVIDIA A100, 50, 100, 40960, GPU-2\\n' ;;
  --query-compute-apps=*) echo 'GPU-2, 4711, 900' ;;
esac
"""
AMD_METRICS = [
    {"gpu": number, "usage": {"gfx_activity": {"value": 0, "unit": "%"}},
     "mem_usage": {"total_vram": {"value": 65520, "unit": "MB"}, "used_vram": {"value": 13, "unit": "MB"}}}
    for number in range(2)
]  # fmt: skip
AMD_USERS = [
    {"gpu": 0, "process_list": [{"process_info": "No running processes detected"}]},
    {"gpu": 1, "process_list": [{"process_info": {"pid": 4711, "memory_usage": {"vram_mem": {"value": 9 << 20, "unit": "B"}}}}]},
]
BROKEN = "#!/bin/sh\necho 'Failed to initialize NVML'; exit 18\n"
AMD = f"""#!/bin/sh
case "$1" in metric) echo '{json.dumps(AMD_METRICS)}';; process) echo '{json.dumps(AMD_USERS)}';; *) echo '[]';; esac
"""
CARDS = {f"card{number}": {"GPU use (%)": str(90 * number), "VRAM Total Memory (B)": "68702699520"} for number in range(2)}
PROGRAMS = {
    "none wanted": ("nvidia-smi", SMI, 0, ""),
    "enough": ("nvidia-smi", SMI, 1, ""),
    "busy": ("nvidia-smi", SMI, 2, "require_gpus is 2, but 1 of 2 GPUs are free (GPU 1 is used by process 4711)"),
    "broken": ("nvidia-smi", BROKEN, 1, "nvidia-smi: Failed to initialize NVML (exit code 18)"),
    "one of three is lost": ("nvidia-smi", LOST, 2, "(GPU 1 is used by process 4711; nvidia-smi: Unable to determine the device handle"),
    "absent": ("", "", 1, "none of nvidia-smi, amd-smi, rocm-smi is installed on this host"),
    "absent, none wanted": ("", "", 0, ""),
    "MIG instances count": ("nvidia-smi", MIG, 1, ""),
    "a MIG instance that is used does not": ("nvidia-smi", MIG, 2, "1 of 3 GPUs are free (GPU 0 MIG 1g.5gb, instance 1 is used by"),
    "AMD": ("amd-smi", AMD, 1, ""),
    "AMD, busy": ("amd-smi", AMD, 2, "1 of 2 GPUs are free (GPU 1 is used by process 4711)"),
    "rocm-smi": ("rocm-smi", f"#!/bin/sh\necho '{json.dumps(CARDS)}'\n", 2, "1 of 2 GPUs are free (GPU 1 is in use (90 %))"),
}


@pytest.mark.parametrize(("name", "program", "wanted", "words"), PROGRAMS.values(), ids=PROGRAMS)
def test_required_gpus(tmp_path, monkeypatch, name, program, wanted, words):
    if program:
        (tmp_path / name).write_text(program)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(gpus, "_PLACES", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    if not words:
        preflight.check_gpus(wanted, 0, [])
        return
    with pytest.raises(FeatureError) as problem:
        preflight.check_gpus(wanted, 0, [])
    assert words in str(problem.value) and "or set require_gpus" in str(problem.value)
