# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose what was published is, how folders are made, and what a killed publication leaves."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from functools import partial

from ansible_collections.trainprep.features.plugins.module_utils._formats.classify import classify, file_digest
from ansible_collections.trainprep.features.plugins.module_utils._scan.beside import manifest_path
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import Wanted, token_of
from ansible_collections.trainprep.features.plugins.module_utils._scan.staging import is_temporary, temporary_name
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.plugins.module_utils._upload.publish import publish
from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import write_manifest

# Root gives what it publishes to the training user; anybody else can only be that user.
OTHER = 65534 if os.geteuid() == 0 else os.geteuid()
GROUP = 65534 if os.geteuid() == 0 else os.getegid()
ACCOUNT = Account("trainer", OTHER, GROUP, (GROUP,), "/nowhere")


def uploaded(base, *names):
    """A set in a tree whose upload lies whole beside its absent target."""
    one = parse_sets([{"name": "w", "target": str(base / "w"), "layout": "tree"}])[0]
    manifest = {}
    for number, name in enumerate(names):
        path = base / ".w.incoming" / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }".ljust(117) + b"\n"
        with zipfile.ZipFile(str(path), "w") as archive:
            archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack("<I", number))
        with path.open("rb") as file:
            found = classify(file.fileno(), path.stat().st_size, path.name, *one.criteria)
            manifest[name] = Wanted(path.stat().st_size, token_of(found, partial(file_digest, file.fileno())))
    write_manifest(str(base / "w"), manifest)
    return one


def modes(base):
    """Owner, group and mode of all that was published."""
    paths = [base / "w", *(base / "w").rglob("*.npz"), *(path for path in (base / "w").rglob("*") if path.is_dir())]
    return {str(path.relative_to(base)): (path.stat().st_uid, path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) for path in paths}


def test_a_whole_directory_belongs_to_the_training_user(tmp_path):
    publish(uploaded(tmp_path, "a.npz", "sub/b.npz"), ACCOUNT, False, 0.0)
    mine = (OTHER, GROUP)
    assert modes(tmp_path) == {"w": (*mine, 0o755), "w/a.npz": (*mine, 0o644), "w/sub": (*mine, 0o755), "w/sub/b.npz": (*mine, 0o644)}


def test_folders_made_beside_other_files_belong_to_the_training_user(tmp_path):
    one = uploaded(tmp_path, "sub/b.npz")
    (tmp_path / "w").mkdir(mode=0o700)
    (tmp_path / "w" / "notes.txt").write_text("mine")
    owner = ((tmp_path / "w").stat().st_uid, (tmp_path / "w").stat().st_gid, 0o700)
    publish(one, ACCOUNT, False, 0.0)
    assert modes(tmp_path) == {"w": owner, "w/sub": (OTHER, GROUP, 0o755), "w/sub/b.npz": (OTHER, GROUP, 0o644)}


def test_a_manifest_that_is_left_alone_is_cleared_and_that_is_told(tmp_path):
    one = uploaded(tmp_path, "a.npz")
    os.rename(str(tmp_path / ".w.incoming"), str(tmp_path / "w"))
    assert publish(one, ACCOUNT, True, 0.0).changed
    assert os.path.exists(manifest_path(str(tmp_path / "w")))
    assert publish(one, ACCOUNT, False, 0.0).changed
    assert not os.path.exists(manifest_path(str(tmp_path / "w")))
    assert not publish(one, ACCOUNT, False, 0.0).changed


def test_a_temporary_name_fits_and_is_known_again():
    for name in ("a.npz", "x" * 251 + ".npz", "語" * 80 + ".npz"):
        assert len(os.fsencode(temporary_name(name))) <= 255
        assert is_temporary(temporary_name(name), [name])
        assert not is_temporary(temporary_name(name), ["other.npz"])
