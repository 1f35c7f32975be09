# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""READY is never said wrongly: copies without checksums, what a trainer's glob finds in a tree, targets that are bind mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import layout

# Some bytes without a checksum, by number.
WRITE = "mkdir -p $(dirname {path}) && head -c 5000 /dev/zero | tr '\\0' '\\{number}' > {path} && chmod 644 {path}"
# What the training user's script finds.
GLOB = "import glob; print(len(glob.glob('{target}/**/*.{ending}', recursive=True)))"


@pytest.fixture(scope="module")
def host(start_host, tmp_path_factory):
    """A host that has /data/mounted and /srv/tree/s1 as bind mounts of other directories of the same file system."""
    shared = tmp_path_factory.mktemp("shared")
    shared.chmod(0o755)
    (shared / "store").mkdir()
    (shared / "mounted").mkdir()
    inside = tmp_path_factory.mktemp("inside")
    inside.chmod(0o755)
    mounted = ["-v", f"{shared}:/data", "-v", f"{shared}/store:/data/mounted", "-v", f"{inside}:/srv", "-v", f"{inside}/store:/srv/tree/s1"]
    return start_host("ready", args=mounted)


@pytest.fixture(autouse=True)
def _empty(host):
    host.run("find /data -mindepth 1 -xdev ! -path /data/mounted ! -path /data/store -delete; find /data/mounted -mindepth 1 -delete")


def variables(*sets, **others):
    return {"prepare_features_sets": list(sets), "prepare_features_search_roots": [], "prepare_features_user": "ubuntu", **others}


def opaque(name, **keys):
    return {"name": name, "target": f"/data/{name}", "format": "any", "patterns": ["*.bin"], "reads": ["*.bin"], **keys}


def found_by_trainer(host, target, ending):
    return int(host.run(["python3", "-c", GLOB.format(target=target, ending=ending)], user="ubuntu").stdout)


def test_copies_without_checksums_in_two_targets_are_a_leak(host, play):
    host.run(WRITE.format(path="/data/train/a.bin", number=101))
    host.run(WRITE.format(path="/data/val/b.bin", number=101))
    first = play(host, "prepare_features.yml", variables(opaque("train"), opaque("val")))
    assert first.rc != 0 and "/data/train/a.bin and /data/val/b.bin" in first.stdout
    host.run(WRITE.format(path="/data/val/b.bin", number=102))
    assert play(host, "prepare_features.yml", variables(opaque("train"), opaque("val"))).rc == 0


def test_a_copy_in_a_source_is_not_uploaded_into_a_second_target(host, play, tmp_path: Path):
    (tmp_path / "c.bin").write_bytes(b"A" * 5000)
    (tmp_path / "d.bin").write_bytes(b"B" * 5000)
    host.run(WRITE.format(path="/data/train/a.bin", number=101))
    second = play(host, "prepare_features.yml", variables(opaque("train"), opaque("val", source=str(tmp_path))))
    assert second.rc == 0, second.stdout
    assert host.run("ls /data/val").stdout.split() == ["d.bin"]


def test_a_folder_that_glob_cannot_list_is_granted(host, play):
    host.lay_out("--features", "/data/speech/s1", "--crema-d", "3", "--owner", "root")
    host.run("chmod 711 /data/speech/s1")
    one = {"name": "speech", "target": "/data/speech", "layout": "tree"}
    assert found_by_trainer(host, "/data/speech", "npz") == 0
    checked = play(host, "prepare_features.yml", variables(one, prepare_features_permissions="check"))
    assert checked.rc != 0 and "/data/speech/s1 (0711" in checked.stdout, checked.stdout
    done = play(host, "prepare_features.yml", variables(one))
    assert done.rc == 0, done.stdout
    assert found_by_trainer(host, "/data/speech", "npz") == 3


def test_a_link_from_one_target_into_another_is_a_leak(host, play):
    host.lay_out("--features", "/data/val/s1", "--crema-d", "3", "--owner", "ubuntu")
    host.lay_out("--features", "/data/train", "--ravdess", "3", "--owner", "ubuntu")
    host.run("ln -s ../val /data/train/more")
    sets = [{"name": name, "target": f"/data/{name}", "layout": "tree"} for name in ("train", "val")]
    result = play(host, "prepare_features.yml", variables(*sets))
    assert result.rc != 0 and "3 features appear twice" in result.stdout, result.stdout
    assert found_by_trainer(host, "/data/train", "npz") == 6


def test_features_in_trash_and_hidden_folders_do_not_count(host, play):
    host.lay_out("--features", "/data/speech/.Trash-1000/files", "--crema-d", "3", "--owner", "ubuntu")
    one = {"name": "speech", "target": "/data/speech", "layout": "tree"}
    result = play(host, "prepare_features.yml", variables(one))
    assert result.rc != 0 and result.facts(host)["feature_status"] == 0
    assert found_by_trainer(host, "/data/speech", "npz") == 0


def test_a_bind_mount_of_the_same_file_system_is_uploaded_to(host, play, tmp_path: Path):
    layout.main(["--features", str(tmp_path), "--crema-d", "5"])
    one = {"name": "speech", "target": "/data/mounted", "mount": "/data/mounted", "source": str(tmp_path)}
    first = play(host, "prepare_features.yml", variables(one))
    assert first.rc == 0, first.stdout
    assert found_by_trainer(host, "/data/mounted", "npz") == 5
    assert host.run("find /data -name '.*' -mindepth 1").stdout == "", "nothing is left over"
    second = play(host, "prepare_features.yml", variables(one))
    assert second.rc == 0 and second.recap[host.name]["changed"] == 0


def test_a_mount_inside_a_target_is_named_before_anything_is_sent(host, play, tmp_path: Path):
    layout.main(["--features", str(tmp_path / "s1/deep"), "--crema-d", "2"])
    layout.main(["--features", str(tmp_path / "s2"), "--ravdess", "2"])
    one = {"name": "speech", "target": "/srv/tree", "layout": "tree", "source": str(tmp_path)}
    before = host.tree("/srv")
    for check in (True, False):
        refused = play(host, "prepare_features.yml", variables(one), check=check)
        (event,) = [event for event in refused.results(host) if event["event"] == "failed"]
        assert "/srv/tree/s1 is a mount point inside /srv/tree" in event["result"]["msg"], refused.stdout
        assert host.tree("/srv") == before
    # What it has to do with is only what would be moved across it.
    for name in (tmp_path / "s1/deep").iterdir():
        name.unlink()
    done = play(host, "prepare_features.yml", variables(one))
    assert done.rc == 0 and found_by_trainer(host, "/srv/tree", "npz") == 2, done.stdout


def test_a_legacy_directory_that_is_in_a_target_by_a_bind_mount_is_refused(host, play):
    host.lay_out("--features", "/data/mounted/x", "--crema-d", "3", "--owner", "ubuntu")
    one = {"name": "speech", "target": "/data/store", "legacy": ["/data/mounted/x"], "layout": "tree"}
    result = play(host, "prepare_features.yml", variables(one))
    assert result.rc != 0 and "is in the target /data/store" in result.stdout, result.stdout
