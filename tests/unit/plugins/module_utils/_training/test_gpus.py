# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GPUs as the vendors' programs report them, in trouble too. The programs are scripts with the real ones' answers."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._training import gpus


def entry(index, name, use, used, total, instance=None):
    return {"index": index, "name": name, "instance": instance, "use": use, "memory_used": used, "memory_total": total}


def answers(monkeypatch, folder, name, script):
    program = folder / name
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


T4 = "0, Tesla T4, 97, 11019, 15360, GPU-1"
# What nvidia-smi does; the GPUs; the problem.
NVIDIA = {
    "well": (f"echo '{T4}'", [entry(0, "Tesla T4", 97, 11019, 15360)], None),
    "unknown values": (
        "echo '1, NVIDIA A10G, [N/A], 0, [Not Supported], GPU-2'",
        [entry(1, "NVIDIA A10G", None, 0, None)],
        None,
    ),
    "errors instead of values": (
        f"echo '{T4}'; echo '1, NVIDIA A10G, [Unknown Error], 0, [Unknown Error], GPU-2'; echo '2, ERR!, 0, 0, 15360, GPU-3'",
        [entry(0, "Tesla T4", 97, 11019, 15360), entry(1, "NVIDIA A10G", None, 0, None), entry(2, "ERR!", 0, 0, 15360)],
        "nvidia-smi: GPU 1: Unknown Error; GPU 2: ERR!",
    ),
    "a GPU is lost, and its row is there": (
        f"echo '{T4}'; echo '1, [GPU is lost], [GPU is lost], [GPU is lost], [GPU is lost], [GPU is lost]'",
        [entry(0, "Tesla T4", 97, 11019, 15360), entry(1, "[GPU is lost]", None, None, None)],
        "nvidia-smi: GPU 1: GPU is lost",
    ),
    "no permission for one value": (
        "echo '0, Tesla T4, [Insufficient Permissions], 11019, 15360, GPU-1'",
        [entry(0, "Tesla T4", None, 11019, 15360)],
        "nvidia-smi: GPU 0: Insufficient Permissions",
    ),
    "no permission": (
        "echo 'Failed to initialize NVML: Insufficient Permissions'; exit 4",
        [],
        "nvidia-smi: Failed to initialize NVML: Insufficient Permissions (exit code 4)",
    ),
    "a container that lost its devices": (
        "echo 'Failed to initialize NVML: Unknown Error'; exit 255",
        [],
        "nvidia-smi: Failed to initialize NVML: Unknown Error (exit code 255)",
    ),
    "no driver": (
        "printf 'NVIDIA-SMI has failed because it couldn'\\''t communicate with the NVIDIA driver. Make sure that the latest"
        " NVIDIA driver is"
        " installed and running.\\n\\n'; exit 9",
        [],
        "nvidia-smi: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest"
        " NVIDIA driver is"
        " installed and running. (exit code 9)",
    ),
    "no library": (
        "printf 'NVIDIA-SMI couldn'\\''t find libnvidia-ml.so library in your system.\\nPlease also try adding directory\\n'; exit 12",
        [],
        "nvidia-smi: NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please also try adding directory (exit code 12)",
    ),
    "killed": ("kill -9 $$", [], "nvidia-smi: no message (exit code -9)"),
    "driver mismatch": (
        "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18",
        [],
        "nvidia-smi: Failed to initialize NVML: Driver/library version mismatch (exit code 18)",
    ),
    "no device": ("echo 'No devices were found'; exit 6", [], "nvidia-smi: No devices were found (exit code 6)"),
    "one of two GPUs is lost": (
        f"echo '{T4}'; echo 'Unable to determine the device handle for GPU0000:3B:00.0: GPU is lost.  Reboot the system to recover this"
        " GPU' >&2; exit 15",
        [entry(0, "Tesla T4", 97, 11019, 15360)],
        "nvidia-smi: Unable to determine the device handle for GPU0000:3B:00.0: GPU is lost.  Reboot the system to recover this GPU"
        " (exit code 15)",
    ),
    "a remark among the rows": (
        f"echo '{T4}'; echo 'Unable to reach GPU 1'",
        [entry(0, "Tesla T4", 97, 11019, 15360)],
        "nvidia-smi: Unable to reach GPU 1",
    ),
    "too slow": ("exec sleep 60", [], "nvidia-smi did not answer within 0.2 s"),
    "no message": ("exit 3", [], "nvidia-smi: no message (exit code 3)"),
}


@pytest.mark.parametrize(("script", "found", "problem"), NVIDIA.values(), ids=NVIDIA)
def test_nvidia(tmp_path, monkeypatch, script, found, problem):
    answers(monkeypatch, tmp_path, "nvidia-smi", script)
    monkeypatch.setattr(gpus, "TIME_LIMIT", 0.2 if "sleep" in script else 60.0)
    assert gpus.find_gpus() == (found, problem)


LISTED = """GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-1)
  MIG 3g.20gb     Device  0: (UUID: MIG-1)
  MIG 1g.5gb      Device  1: (UUID: MIG-2)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-2)
"""
XML = """<nvidia_smi_log><gpu id="00000000:07:00.0"><mig_devices>
<mig_device><index>0</index><gpu_instance_id>1</gpu_instance_id>
<fb_memory_usage><total>19968 MiB</total><used>11 MiB</used></fb_memory_usage>
<bar1_memory_usage><total>32767 MiB</total><used>0 MiB</used></bar1_memory_usage></mig_device>
<mig_device><index>1</index><gpu_instance_id>7</gpu_instance_id>
<fb_memory_usage><total>4864 MiB</total><used>37 MiB</used></fb_memory_usage></mig_device>
</mig_devices><processes><process_info><gpu_instance_id>7</gpu_instance_id><compute_instance_id>0</compute_instance_id><pid>99</pid>
<type>C</type><process_name>python</process_name><used_memory>20 MiB</used_memory></process_info></processes>
</gpu><gpu id="00000000:08:00.0"><fb_memory_usage><total>40960 MiB</total></fb_memory_usage></gpu></nvidia_smi_log>"""


def test_a_gpu_in_mig_mode_is_listed_by_instance(tmp_path, monkeypatch):
    (tmp_path / "listed").write_text(LISTED)
    (tmp_path / "xml").write_text(XML)
    rows = "0, NVIDIA A100-SXM4-40GB, [N/A], [N/A], [N/A], GPU-1\\n1, NVIDIA A100-SXM4-40GB, 50, 100, 40960, GPU-2\\n"
    answers(
        monkeypatch,
        tmp_path,
        "nvidia-smi",
        f'case "$1" in -L) cat {tmp_path}/listed;; -q) cat {tmp_path}/xml;; *) printf "{rows}";; esac',
    )
    name = "NVIDIA A100-SXM4-40GB"
    assert gpus.find_gpus() == (
        [
            entry(0, name, None, 11, 19968, "3g.20gb, instance 0"),
            entry(0, name, None, 37, 4864, "1g.5gb, instance 1"),
            entry(1, name, 50, 100, 40960),
        ],
        None,
    )
    assert gpus.parse_mig(LISTED, "") == {0: [("3g.20gb, instance 0", None, None, None), ("1g.5gb, instance 1", None, None, None)]}


def test_amd():
    metrics = [
        {
            "gpu": 0,
            "usage": {"gfx_activity": {"value": 5, "unit": "%"}},
            "mem_usage": {"total_vram": {"value": 65520, "unit": "MB"}, "used_vram": {"value": 13, "unit": "MB"}},
        },
        {"gpu": 1, "usage": {"gfx_activity": "N/A"}, "mem_usage": {}},
    ]
    names = {"gpu_data": [{"gpu": 0, "asic": {"market_name": "AMD Instinct MI300X"}}]}
    assert gpus.parse_amd(metrics, names) == [
        entry(0, "AMD Instinct MI300X", 5, 13, 65520),
        entry(1, "AMD GPU", None, None, None),
    ]
    assert gpus.parse_amd(None, "x") == []
    cards = {
        "card0": {
            "GPU use (%)": "7",
            "VRAM Total Memory (B)": str(64 << 30),
            "VRAM Total Used Memory (B)": str(1 << 30),
            "Card Series": "AMD Instinct MI250X",
        },
        "system": {"x": 1},
        "card1": {},
    }
    assert gpus.parse_rocm(cards) == [
        entry(0, "AMD Instinct MI250X", 7, 1024, 65536),
        entry(1, "AMD GPU", None, None, None),
    ]


SHARED = """<nvidia_smi_log><gpu id="0"><mig_devices>
<mig_device><gpu_instance_id>2</gpu_instance_id><compute_instance_id>0</compute_instance_id><fb_memory_usage><total>19968 MiB</total>
<used>[Insufficient Permissions]</used></fb_memory_usage></mig_device>
<mig_device><gpu_instance_id>2</gpu_instance_id><compute_instance_id>1</compute_instance_id><fb_memory_usage><total>19968 MiB</total>
<used>30 MiB</used></fb_memory_usage></mig_device>
</mig_devices><processes><process_info><gpu_instance_id>2</gpu_instance_id><compute_instance_id>1</compute_instance_id><pid>7</pid>
<used_memory>20 MiB</used_memory></process_info></processes></gpu></nvidia_smi_log>"""


def test_compute_instances_of_one_gpu_instance_have_their_own_processes():
    listed = "GPU 0: A100 (UUID: GPU-1)\n  MIG 1c.3g.20gb  Device  0: (UUID: MIG-1)\n  MIG 1c.3g.20gb  Device  1: (UUID: MIG-2)\n"
    assert gpus.parse_mig(listed, SHARED) == {
        0: [("1c.3g.20gb, instance 0", None, 19968, []), ("1c.3g.20gb, instance 1", 30, 19968, [(7, 20)])],
    }


METRIC = '[{"gpu": 0, "usage": {"gfx_activity": {"value": 5, "unit": "%"}}, "mem_usage": "N/A"}]'
MISSING = "WARNING: User is missing the following required groups: render, video. Please add user to these groups."


def test_a_warning_before_the_json_is_the_problem(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    answers(monkeypatch, tmp_path, "amd-smi", f"echo '{MISSING}'; echo; echo '{METRIC}'")
    assert gpus.find_gpus() == ([entry(0, "AMD GPU", 5, None, None)], f"amd-smi: {MISSING}")
    answers(monkeypatch, tmp_path, "amd-smi", f"echo 'RuntimeError: {MISSING}'")
    assert gpus.find_gpus() == ([], f"amd-smi gives no JSON: RuntimeError: {MISSING}")


def test_a_program_that_finds_no_gpu_gives_way_to_one_that_does(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    answers(monkeypatch, tmp_path, "nvidia-smi", "echo 'No devices were found'; exit 6")
    answers(monkeypatch, tmp_path, "amd-smi", f"echo 'RuntimeError: {MISSING}' >&2; exit 1")
    assert gpus.find_gpus() == ([], "nvidia-smi: No devices were found (exit code 6)")
    answers(monkeypatch, tmp_path, "rocm-smi", """echo '{"card0": {"GPU use (%)": "N/A", "Card Series": "AMD Instinct MI250X"}}'""")
    assert gpus.find_gpus() == ([entry(0, "AMD Instinct MI250X", None, None, None)], None)


def test_amd_programs_in_trouble(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.find_gpus() == ([], None)
    answers(monkeypatch, tmp_path, "rocm-smi", "echo 'ERROR: driver not initialized' >&2; exit 1")
    assert gpus.find_gpus() == ([], "rocm-smi: ERROR: driver not initialized (exit code 1)")
    answers(monkeypatch, tmp_path, "amd-smi", "echo hello")
    assert gpus.find_gpus() == ([], "amd-smi gives no JSON: hello")
