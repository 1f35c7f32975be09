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
        "echo '1, NVIDIA A10G, [N/A], 0, [Unknown Error], GPU-2'",
        [entry(1, "NVIDIA A10G", None, 0, None)],
        None,
    ),
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


def test_amd_programs_in_trouble(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus.find_gpus() == ([], None)
    answers(monkeypatch, tmp_path, "rocm-smi", "echo 'ERROR: driver not initialized' >&2; exit 1")
    assert gpus.find_gpus() == ([], "rocm-smi: ERROR: driver not initialized (exit code 1)")
    answers(monkeypatch, tmp_path, "amd-smi", "echo hello")
    assert gpus.find_gpus() == ([], "amd-smi gives no JSON")
