# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receiving and publishing on a real disk, killed at every step that changes it."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import signal
import stat
import struct
import zipfile
import zlib
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._apply import rename
from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import classify, file_digest
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import (
    Wanted,
    manifest_path,
    read_manifest,
    staging_path,
    token_of,
)
from ansible_collections.trainprep.features.plugins.module_utils._scan.staging import PARTIAL_DIR, inspect_staging
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.plugins.module_utils._upload.publish import publish
from ansible_collections.trainprep.features.plugins.module_utils._upload.requirements import find_site
from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import (
    StagingRequest,
    prepare_upload,
    write_manifest,
)
from ansible_collections.trainprep.features.plugins.module_utils._upload.targets import Targets
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

ME = Account("me", os.geteuid(), os.getegid(), (os.getegid(),), "/nowhere")


def npz(path, seed, array="wav2vec_features"):
    """A feature whose content follows from the seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 768), }"
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(2 * 768 * 4 - 4) + struct.pack("<I", seed)
    with zipfile.ZipFile(str(path), "w") as archive:
        archive.writestr(zipfile.ZipInfo(array + ".npy"), data)


def make_set(target, **options):
    arrays = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}
    return parse_sets([dict({"name": "wav", "target": str(target), "arrays": arrays}, **options)])[0]


def manifest_of(one, directory):
    manifest = {}
    for path in sorted(path for path in directory.rglob("*.npz") if not path.is_symlink()):
        with path.open("rb") as file:
            fd, size = file.fileno(), path.stat().st_size
            token = token_of(classify(fd, size, path.name, *one.criteria), partial(file_digest, fd))
            manifest[str(path.relative_to(directory))] = Wanted(size, token)
    return manifest


def set_and_source(base, *names, target="features", **options):
    """A set, and the manifest of a source with features of those names."""
    one = make_set(base / target, **options)
    for number, name in enumerate(names):
        npz(base / "source" / name, number)
    return one, manifest_of(one, base / "source")


def tree(base):
    return sorted((str(path), path.lstat().st_mode) for path in base.rglob("*"))


def prepare(one, manifest, stage=True):
    """What the host answers to one upload."""
    return prepare_upload(StagingRequest(one, Targets([one], ME).held(one, manifest), find_site(one.target, ME), manifest, {}), stage)


class Upload:
    """A set whose upload has arrived whole, or (without) but for some files."""

    def __init__(self, base, names=("a.npz", "b.npz", "c.npz"), without=(), staging=".features.incoming", **options):
        self.target, source = base / "features", base / "source"
        self.one, self.manifest = set_and_source(base, *names, **options)
        self.received = prepare(self.one, self.manifest)
        self.staging = base / staging
        for name in self.received.plan.send:
            if name not in without:
                (self.staging / name).write_bytes((source / name).read_bytes())

    def publish(self, check=False):
        return publish(self.one, ME, check, 0.0)

    def look(self):
        return inspect_staging(self.one, ME)

    def assert_done(self):
        assert manifest_of(self.one, self.target).items() >= self.manifest.items()
        assert not self.staging.exists()
        assert not os.path.exists(manifest_path(str(self.target)))
        assert (self.look().state, self.look().complete) == ("absent", False)


def test_a_whole_directory_is_renamed(tmp_path):
    upload = Upload(tmp_path)
    inode = upload.staging.stat().st_ino
    assert (upload.look().features, upload.look().complete) == (3, True)
    result = upload.publish()
    assert (result.published, result.whole_directory, result.refused) == (3, True, [])
    upload.assert_done()
    assert upload.target.stat().st_ino == inode
    assert stat.S_IMODE(upload.target.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in upload.target.iterdir()} == {0o644}
    assert not upload.publish().changed


@pytest.mark.parametrize("others", [[], ["notes.txt"]])
def test_a_target_that_is_there_is_filled_keeps_its_mode_and_nothing_is_overwritten(tmp_path, others):
    upload = Upload(tmp_path)
    upload.target.mkdir(mode=0o750)
    for name in others:
        (upload.target / name).write_text("mine")
    before = upload.target.stat()
    result = upload.publish()
    assert (result.published, result.whole_directory) == (3, False)
    upload.assert_done()
    assert (upload.target.stat().st_ino, stat.S_IMODE(upload.target.stat().st_mode)) == (before.st_ino, 0o750)
    assert [(upload.target / name).read_text() for name in others] == ["mine"] * len(others)


def test_a_target_that_is_a_link_stays_one(tmp_path):
    (tmp_path / "disk" / "real").mkdir(parents=True)
    (tmp_path / "features").symlink_to(tmp_path / "disk" / "real")
    assert staging_path(str(tmp_path / "features")) == str(tmp_path / "disk" / ".real.incoming")
    upload = Upload(tmp_path, ("a.npz",), staging="disk/.real.incoming")
    assert upload.publish().published == 1
    assert upload.target.is_symlink() and (tmp_path / "disk" / "real" / "a.npz").is_file()
    upload.assert_done()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda upload: (upload.staging / "a.npz").unlink(), "incomplete: 1 of 3 features are missing, a.npz is the first"),
        (lambda upload: (upload.staging / "a.npz").write_bytes(b""), "a.npz has 0 bytes, the source has"),
        (lambda upload: npz(upload.staging / "a.npz", 99), "a.npz has another content"),
        (lambda upload: npz(upload.staging / "a.npz", 0, "wav2vec_feature5"), "a.npz is not a feature"),
        (lambda upload: (upload.staging / "foreign.npz").write_bytes(b"x"), "holds 1 file that is not from an upload, in "),
        (lambda upload: os.unlink(manifest_path(str(upload.target))), "no list of what it should hold"),
        (lambda upload: npz(upload.target / "a.npz", 99), "a.npz takes the name of an uploaded feature"),
        (lambda upload: ((upload.staging / "a.npz").unlink(), (upload.staging / "a.npz").symlink_to("/etc/passwd")),
         "a.npz cannot be read"),
    ],
)  # fmt: skip
def test_what_is_not_exactly_the_source_is_refused_before_anything_moves(tmp_path, harm, words):
    upload = Upload(tmp_path)
    harm(upload)
    before = tree(tmp_path)
    result = upload.publish()
    assert len(result.refused) == 1 and words in result.refused[0], result.refused
    assert (result.changed, result.published) == (False, 0)
    assert tree(tmp_path) == before


def test_check_mode_tells_and_changes_nothing(tmp_path):
    upload = Upload(tmp_path)
    before = tree(tmp_path)
    result = upload.publish(check=True)
    assert (result.published, result.changed) == (3, True)
    assert tree(tmp_path) == before


def test_a_held_lock_is_respected_by_both_sides(tmp_path):
    upload = Upload(tmp_path)
    fd = os.open(str(upload.staging), os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert "still being written by an upload" in upload.publish().refused[0]
    assert prepare(upload.one, upload.manifest).plan is None
    os.close(fd)
    assert upload.publish().published == 3


def test_rsync_leftovers_are_cleared_and_never_published(tmp_path):
    upload = Upload(tmp_path)
    for name in (f"{PARTIAL_DIR}/b.npz", ".b.npz.Xa3kQ9", ".fetch/log"):
        (upload.staging / name).parent.mkdir(exist_ok=True)
        (upload.staging / name).write_bytes(b"begin")
    upload.publish()
    upload.assert_done()
    assert sorted(path.name for path in upload.target.iterdir()) == ["a.npz", "b.npz", "c.npz"]


SCENARIOS = {
    "absent": lambda target: None, "empty": lambda target: target.mkdir(),
    "others": lambda target: (target.mkdir(), (target / "notes.txt").write_text("mine")),
    "dangling": lambda target: (target.mkdir(), (target / "b.npz").symlink_to("/nowhere/b.npz")),
    "tree": lambda target: (target.mkdir(), (target / "notes.txt").write_text("mine")),
}
CHANGING = ("rename", "unlink", "rmdir", "mkdir", "link", "fchmod", "fchown", "fsync")


def _publish_and_die(upload, step):
    """Publishes in a child that is killed in front of its step-th change; returns whether it got to the end."""
    child = os.fork()
    if child == 0:
        steps = itertools.count(1)

        def deadly(real):
            def call(*args, **options):
                if next(steps) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **options)

            return call

        for name in CHANGING:
            setattr(os, name, deadly(getattr(os, name)))
        rename.rename_new = deadly(rename.rename_new)
        rename.sync_file_system = deadly(lambda fd: None)
        try:
            upload.publish()
        finally:
            os._exit(0)
    _pid, status = os.waitpid(child, 0)
    return os.WIFEXITED(status)


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
@pytest.mark.parametrize("without_renameat2", [False, True])
def test_killed_at_every_step_the_next_run_finishes(tmp_path, scenario, without_renameat2, monkeypatch):
    if without_renameat2:
        monkeypatch.setattr(rename, "rename_new", lambda *_args: False)
    names = ("a.npz", "one/b.npz", "one/two/c.npz") if scenario == "tree" else ("a.npz", "b.npz", "c.npz")
    for step in range(1, 200):
        base = tmp_path / str(step)
        upload = Upload(base, names, layout="tree" if scenario == "tree" else "flat")
        (upload.staging / ".a.npz.Xa3kQ9").write_bytes(b"left by rsync")
        SCENARIOS[scenario](upload.target)
        ended = _publish_and_die(upload, step)
        if upload.target.is_dir():
            for name, wanted in manifest_of(upload.one, upload.target).items():
                assert upload.manifest[name] == wanted, "nothing but whole features is ever seen in the target"
        if not ended:
            look = upload.look()
            assert look.complete or not os.path.exists(manifest_path(str(upload.target))), f"step {step}: {look}"
            assert upload.publish().refused == []
        upload.assert_done()
        if ended:
            assert step > 5
            return
    raise AssertionError("it never got to the end")


def test_receiving_asks_only_for_what_is_missing(tmp_path):
    upload = Upload(tmp_path, without=("b.npz",))
    for name in ("c.npz", ".b.npz.Xa3kQ9"):
        (upload.staging / name).write_bytes(b"torn")
    kept = (upload.staging / "a.npz").stat().st_ino
    found = prepare(upload.one, upload.manifest)
    assert (found.plan.send, found.plan.staged, found.plan.missing.present) == (("b.npz", "c.npz"), ["a.npz"], 0)
    assert [(path.name, path.stat().st_ino) for path in upload.staging.iterdir()] == [("a.npz", kept)]


def test_a_top_up_asks_for_identities_that_the_target_lacks(tmp_path):
    one, manifest = set_and_source(tmp_path, "a.npz", "b.npz", "c.npz")
    npz(tmp_path / "features" / "another-name.npz", 0)  # the same feature as a.npz
    npz(tmp_path / "features" / "b.npz", 77)  # another feature under a wanted name: stays
    found = prepare(one, manifest)
    assert (found.plan.send, found.plan.missing.present) == (("c.npz",), 2)
    assert len(found.plan.missing.warnings) == 1 and "b.npz is kept" in found.plan.missing.warnings[0]
    assert list(read_manifest(one.target) or ()) == ["c.npz"]


def test_an_upload_from_another_source_replaces_what_the_first_left(tmp_path):
    upload = Upload(tmp_path, without=("c.npz",))
    npz(tmp_path / "second" / "z.npz", 5)
    found = prepare(upload.one, manifest_of(upload.one, tmp_path / "second"))
    assert (found.plan.send, list(upload.staging.iterdir())) == (("z.npz",), [])


def as_older_version_wrote(target):
    """The manifest with the format and the tokens that it had before: identities were made of another digest."""
    path = Path(manifest_path(target))
    data = json.loads(zlib.decompress(base64.b64decode(path.read_bytes())))
    data["format"] = 1
    data["features"] = [[name, size, "i" + "0" * 32] for name, size, _token in data["features"]]
    path.write_bytes(base64.b64encode(zlib.compress(json.dumps(data).encode())))


def test_an_older_manifest_is_one_and_is_made_anew(tmp_path):
    upload = Upload(tmp_path, without=("c.npz",))
    npz(upload.staging / "gone-from-the-source.npz", 9)
    write_manifest(str(upload.target), {**upload.manifest, "gone-from-the-source.npz": Wanted(1, "i00")})
    as_older_version_wrote(str(upload.target))
    assert not inspect_staging(upload.one, ME).complete
    [said] = publish(upload.one, ME, False).refused
    assert "another version of this collection wrote: run again with the source" in said
    found = prepare(upload.one, upload.manifest)
    assert (found.plan.send, found.plan.staged) == (("c.npz",), ["a.npz", "b.npz"]), "what has arrived is not sent again"
    assert sorted(path.name for path in upload.staging.iterdir()) == ["a.npz", "b.npz"]
    assert read_manifest(str(upload.target)) == upload.manifest


def _foreign_file(base):
    (base / ".features.incoming").mkdir()
    (base / ".features.incoming" / "thesis.doc").write_text("x")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda base: (base / "features").write_text("x"), "is not a directory"),
        (lambda base: (base / "features" / "a.npz").parent.mkdir() or (base / "features" / "a.npz").write_text("x"),
         "a.npz takes the name of a feature to upload and is not a feature"),
        (lambda base: (base / ".features.incoming").symlink_to("/etc"), "is a link, which an upload never follows"),
        (lambda base: (base / ".features.incoming").write_text("x"), "is not a directory, where the upload has to gather"),
        (_foreign_file, "holds 1 file that is not from an upload, in "),
    ],
)  # fmt: skip
@pytest.mark.parametrize("check", [True, False])
def test_obstacles_are_named_before_anything_is_sent(tmp_path, harm, words, check):
    one, manifest = set_and_source(tmp_path, "a.npz")
    harm(tmp_path)
    before = tree(tmp_path)
    with pytest.raises(FeatureError) as error:
        prepare(one, manifest, stage=not check)
    assert words in str(error.value)
    assert tree(tmp_path) == before


def test_a_mount_that_is_missing_is_an_obstacle(tmp_path):
    with pytest.raises(FeatureError, match="is not mounted"):
        prepare(make_set(tmp_path / "features", mount=str(tmp_path)), {})


def test_check_mode_makes_nothing(tmp_path):
    one, manifest = set_and_source(tmp_path, "a.npz", target="deep/features")
    assert prepare(one, manifest, stage=False).plan.send == ("a.npz",)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
