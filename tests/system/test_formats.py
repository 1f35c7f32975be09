# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole job with features of other formats: described, linked, made readable, uploaded, trained on; over SSH."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest
import yaml

from tests.support.layout import SCALES, WAV2VEC_DIR
from tests.support.trainings import monitor, state
from tests.support.waiting import wait_for

# Writes safetensors files and Kaldi-like archives with the standard library alone.
MAKER = """
import json, os, struct
def safetensors(path, rows, fill):
    header = json.dumps({"hidden_states": {"dtype": "BF16", "shape": [rows, 1024], "data_offsets": [0, rows * 2048]}}).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + bytes([fill]) * (rows * 2048))
"""
HUBERT = {
    "name": "hubert", "target": "/data/hubert", "patterns": ["*.safetensors"], "reads": ["*.safetensors"],
    "arrays": {"hidden_states": {"dtype": "bfloat16", "shape": [None, 1024]}},
}  # fmt: skip
KALDI = {"name": "kaldi", "target": "/data/kaldi", "patterns": ["*.ark"], "reads": ["*.ark"], "format": "any"}


@pytest.fixture(scope="module")
def host(start_host):
    started = start_host("formats")
    started.run("python3 -m venv --without-pip --system-site-packages /opt/pytorch")
    started.python(MAKER + "os.makedirs('/srv/old/hubert'); os.makedirs('/srv/old/fbank')\n"
                   "for n in range(6): safetensors('/srv/old/hubert/%d.safetensors' % n, n + 1, n)\n"
                   "open('/srv/old/hubert/cut.safetensors', 'wb').write(open('/srv/old/hubert/5.safetensors', 'rb').read()[:-9])\n"
                   "open('/srv/old/hubert/pointer.safetensors', 'w').write('version https://git-lfs.github.com/spec/v1\\n')\n"
                   "for n in range(4): open('/srv/old/fbank/%d.ark' % n, 'wb').write(b'utt BFM ' + bytes([n]) * 5000)")  # fmt: skip
    # The account that trains may not read them yet.
    started.run("chmod 0700 /srv/old/hubert && chmod 0600 /srv/old/fbank/*.ark")
    return started


def sets(**more):
    return [{**HUBERT, "legacy": ["/srv/old/hubert"], **more}, {**KALDI, "legacy": ["/srv/old/fbank"], **more}]


def variables(*feature_sets, **more):
    return {"prepare_features_sets": list(feature_sets), "prepare_features_user": "ubuntu", **more}


def test_linked_and_readable_and_a_second_run_changes_nothing(host, play):
    result = play(host, "prepare_features.yml", variables(*sets()))
    assert result.rc == 0, result.stdout
    facts = result.facts(host)
    assert facts["features_ready"] and [one["target"]["links"] for one in facts["feature_sets"].values()] == [6, 4]
    rejected = {sample["path"].rpartition("/")[2]: sample["reason"]
                for sample in facts["feature_sets"]["hubert"]["rejected"]["samples"]}  # fmt: skip
    assert rejected["pointer.safetensors"].startswith("is a Git LFS pointer")
    assert "bytes of data where its header announces" in rejected["cut.safetensors"]
    readable = host.run("cat /data/hubert/*.safetensors /data/kaldi/*.ark | wc -c", user="ubuntu").stdout
    assert int(readable) > 6 * 2048 + 4 * 5000
    again = play(host, "prepare_features.yml", variables(*sets()))
    assert again.rc == 0 and again.recap[host.name]["changed"] == 0
    assert again.ssh_executions[host.name] == 1


# Reads what it trains on without a library: headers of safetensors files, the bytes of the others.
TRAINER = """
import glob, json, struct, sys
rows = size = 0
for folder in sys.argv[1:]:
    for path in sorted(glob.glob(folder + "/*")):
        with open(path, "rb") as file:
            if path.endswith(".safetensors"):
                header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
                rows += header["hidden_states"]["shape"][0]
            else:
                size += len(file.read())
print("Epoch 1/1")
print("loss: 0.5 - accuracy: 0.5 (%d rows, %d bytes)" % (rows, size))
"""


def test_a_training_is_deployed_on_them(host, play, tmp_path: Path):
    (tmp_path / "train.py").write_text(TRAINER)
    result = play(host, "deploy_training.yml", {
        **variables(*sets()), "deploy_training_script": str(tmp_path / "train.py"), "deploy_training_session": "hubert",
        "deploy_training_virtualenv": "", "deploy_training_args": ["/data/hubert", "/data/kaldi"]})  # fmt: skip
    assert result.rc == 0, result.stdout
    wait_for(lambda: "exit_code" in state(host, "hubert"), "the training's end")
    checked = monitor(play, host, session="hubert", label="HUBERT")
    assert checked.rc == 0, checked.stdout
    assert "HUBERT feature files found: 10\n" in checked.stdout
    assert "✓ last run: succeeded (exit code 0)" in checked.stdout
    log = host.run("cat /home/ubuntu/emotion_recognition/runs/hubert/latest/training.log", user="ubuntu").stdout
    assert f"({1 + 2 + 3 + 4 + 5 + 6} rows, {4 * 5008} bytes)" in log


def test_uploaded_and_published_on_an_empty_host(host, play, tmp_path: Path):
    source = tmp_path / "source"
    (source / "hubert").mkdir(parents=True)
    (source / "kaldi").mkdir()
    header = json.dumps({"hidden_states": {"dtype": "BF16", "shape": [2, 1024], "data_offsets": [0, 4096]}}).encode()
    for number in range(3):
        raw = struct.pack("<Q", len(header)) + header + bytes([number]) * 4096
        (source / f"hubert/{number}.safetensors").write_bytes(raw)
        (source / f"kaldi/{number}.ark").write_bytes(b"utt BFM " + bytes([number]) * 900)
    sent = [{**HUBERT, "target": "/data/sent/hubert", "source": str(source / "hubert")},
            {**KALDI, "target": "/data/sent/kaldi", "source": str(source / "kaldi")}]  # fmt: skip
    result = play(host, "prepare_features.yml", variables(*sent, prepare_features_search_roots=[]))
    assert result.rc == 0, result.stdout
    assert result.facts(host)["feature_status"] == 1 and result.facts(host)["features_ready"]
    assert host.run("ls -A /data/sent /data/sent/hubert /data/sent/kaldi").stdout.split() == [
        "/data/sent:", "hubert", "kaldi", "/data/sent/hubert:", "0.safetensors", "1.safetensors", "2.safetensors",
        "/data/sent/kaldi:", "0.ark", "1.ark", "2.ark"]  # fmt: skip
    for number in range(3):
        there = host.run(f"sha256sum < /data/sent/kaldi/{number}.ark").stdout
        here = (source / f"kaldi/{number}.ark").read_bytes()
        assert host.run(["python3", "-c", f"import hashlib; print(hashlib.sha256({here!r}).hexdigest(), ' -')"]).stdout == there
    again = play(host, "prepare_features.yml", variables(*sent, prepare_features_search_roots=[]))
    assert again.rc == 0 and again.recap[host.name]["changed"] == 0


def test_arrays_of_formats_without_array_names_are_one_message(host, play):
    for more, words in (({"format": "any"}, "files of format 'any' are not looked into"),
                        ({"patterns": ["*.h5"]}, "the arrays of an HDF5 file (pattern '*.h5') cannot be checked")):  # fmt: skip
        result = play(host, "prepare_features.yml", variables({**HUBERT, "legacy": ["/srv/old/hubert"], **more}))
        assert result.rc == 2
        assert words in result.stdout and "leave 'arrays' out" in result.stdout


def test_the_described_entry_makes_a_host_ready(start_host, play, full):
    """On the layout of a real host, with --full at its full size: what is printed is pasted."""
    scale = "full" if full else "medium"
    count, host = SCALES[scale], start_host("described", layout=["--root", "/", "--scale", scale, "--owner", "ubuntu"])
    paths = {"describe_paths": "/home/ubuntu"}
    before = host.tree("/home", "/data")
    checked = play(host, "describe_features.yml", paths, check=True)
    result = play(host, "describe_features.yml", paths)
    assert host.tree("/home", "/data") == before
    assert result.rc == checked.rc == 0, result.stdout
    assert result.recap[host.name]["changed"] == 0
    described = result.results(host, "trainprep.features.feature_files_info")[0]["result"]
    assert described["groups"] == checked.results(host, "trainprep.features.feature_files_info")[0]["result"]["groups"]
    by_name = {group["entry"]["name"]: group for group in described["groups"]}
    assert {name: (group["files"], group["features"]) for name, group in by_name.items()} == {
        "wav2vec_features": (count.wav2vec, count.wav2vec), "mfcc": (count.audio, count.audio),
        "video_features": (count.facenet + count.npz_files, max(count.facenet, count.npz_files))}  # fmt: skip
    assert described["links"]["directories"] == 1 and len(json.dumps(described)) < 10000
    # As a person does it: from the screen into the variables.
    shown = re.search(r"(?m)^prepare_features_sets:\n(?:  .*\n)+", result.stdout)
    block = yaml.safe_load(shown[0])["prepare_features_sets"]
    assert [one["name"] for one in block] == [group["entry"]["name"] for group in described["groups"]]
    pasted = [one for one in block if one["name"] == "wav2vec_features"]
    assert pasted[0]["legacy"] == [f"/{WAV2VEC_DIR}"]
    prepared = play(host, "prepare_features.yml", {"prepare_features_sets": pasted})
    assert prepared.rc == 0, prepared.stdout
    assert prepared.facts(host)["features_ready"]
    assert prepared.facts(host)["feature_sets"]["wav2vec_features"]["target"]["links"] == count.wav2vec
