# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import os
import zlib

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._scan import manifest as manifest_module
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import (
    Wanted,
    pack_choice,
    pack_manifest,
    read_manifest,
    unpack_choice,
    unpack_manifest,
)
from ansible_collections.trainprep.features.plugins.module_utils._upload.staging import write_manifest


def test_a_manifest_survives_names_that_are_no_text(tmp_path):
    names = ["plain.npz", "with space.npz", 'quote".npz', "line\nbreak.npz", os.fsdecode(b"\xff\xfe.npz"), "ünï.npz", "a/b.npz"]
    manifest = {name: Wanted(size, "i00") for size, name in enumerate(names)}
    assert unpack_manifest(pack_manifest(manifest)) == manifest
    assert write_manifest(str(tmp_path / "features"), manifest)
    assert not write_manifest(str(tmp_path / "features"), manifest)
    assert read_manifest(str(tmp_path / "features")) == manifest
    for chosen in ([], names[:1], names[2:5], names):
        assert sorted(unpack_choice(manifest, pack_choice(manifest, chosen))) == sorted(chosen)


@pytest.mark.parametrize("name", ["../a.npz", "/etc/passwd", "a//b", "", "a/../b", "a\0b"])
def test_a_manifest_never_leads_out_of_its_directory(name):
    with pytest.raises(ValueError):
        unpack_manifest(pack_manifest({name: Wanted(1, "i00")}))


@pytest.mark.parametrize("content", [b"", b"rubbish", b"eJwDAAAAAAE=", b"\xff\xff"])
def test_a_manifest_that_is_none_is_not_believed(tmp_path, content):
    (tmp_path / ".features.incoming.manifest").write_bytes(content)
    assert read_manifest(str(tmp_path / "features")) is None



def written(directory, text):
    """A manifest of somebody's own making; the file is the training user's to write."""
    place = directory / ".features.incoming.manifest"
    place.write_bytes(base64.b64encode(zlib.compress(text, 9)))
    return place


@pytest.mark.parametrize("text", [b" " * (1 << 21) + b"{}", b"[" + b"0," * 2000 + b"0]"], ids=["many bytes", "many values"])
def test_a_small_manifest_does_not_become_a_large_one(tmp_path, monkeypatch, text):
    def loads(_text):
        raise AssertionError("it is parsed")

    monkeypatch.setattr(manifest_module, "_MOST_BYTES", 1 << 20)
    monkeypatch.setattr(manifest_module, "_MOST_COMMAS", 1000)
    monkeypatch.setattr(manifest_module.json, "loads", loads)
    written(tmp_path, text)
    assert read_manifest(str(tmp_path / "features")) is None
    written(tmp_path, b"{}")
    with pytest.raises(AssertionError, match="it is parsed"):
        read_manifest(str(tmp_path / "features"))


def test_a_deep_or_endless_manifest_is_none(tmp_path):
    place = written(tmp_path, b"[" * 100_000)
    assert read_manifest(str(tmp_path / "features")) is None
    os.truncate(place, 1 << 40)
    assert read_manifest(str(tmp_path / "features")) is None
