# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts whose Python lacks what others have: digests that FIPS mode refuses, and whatever else is no statement about a file.

The interpreter is changed in its own C(sitecustomize), before anything of ours is loaded.
"""

from __future__ import annotations

import pytest

from tests.support.layout import ravdess_names, write_features, write_wav2vec
from tests.support.uploads import ROLE, feature_set, role_variables

REFUSED = """
def refuse(*arguments, **options):
    raise ValueError("[digital envelope routines] unsupported")
"""
# How it shows differs between versions of Python and builds of OpenSSL.
FIPS = {
    "refused": REFUSED + "hashlib.blake2b = hashlib.blake2s = hashlib.md5 = refuse\n",
    "without their options": """
def plain(string=b"", *, usedforsecurity=True):
    return hashlib.sha512(string)
hashlib.blake2b = hashlib.blake2s = plain
""" + REFUSED + "hashlib.md5 = refuse\n",
    "missing": "del hashlib.blake2b, hashlib.blake2s\n" + REFUSED + "hashlib.md5 = refuse\n",
}


@pytest.fixture(scope="module")
def change_python(ssh_host):
    """``change_python(program)`` runs at each start of the host's Python, until the module's tests end."""
    place = ssh_host.run("python3 -c 'import sitecustomize; print(sitecustomize.__file__)'").stdout.strip()
    before = ssh_host.run(["cat", place]).stdout

    def change(program: str) -> None:
        ssh_host.run(f"cat >{place}", input=program)

    yield change
    change(before)


@pytest.mark.parametrize("name", FIPS)
def test_in_fips_mode_features_are_linked_and_uploaded(ssh_host, play, tmp_path, change_python, name):
    ssh_host.run("rm -rf /data/* /data/.[!.]* /old; mkdir -p /old", check=False)
    write_features(tmp_path / "old", ["one.npz", "two.npz"])
    write_features(tmp_path / "source", ravdess_names(4))
    # Two names with one content, and one name with two: what the bytes have to decide.
    write_wav2vec(tmp_path / "old/again.npz", "one.npz", frames=3)
    ssh_host.put(tmp_path / "old", "/old/features", "ubuntu:ubuntu")
    change_python("import hashlib\n" + FIPS[name])
    sets = (
        feature_set(tmp_path / "source"),
        {**feature_set("", "/data/linked"), "name": "linked", "legacy": ["/old/features"]},
    )
    first = play(ssh_host, ROLE, role_variables(*sets))
    assert first.rc == 0, first.stdout
    found = first.facts(ssh_host)["feature_sets"]
    assert [found[one]["target"]["features"] for one in ("wav", "linked")] == [4, 3]
    assert [found[one]["rejected"]["count"] for one in ("wav", "linked")] == [0, 0]
    again = play(ssh_host, ROLE, role_variables(*sets))
    assert again.rc == 0 and again.recap[ssh_host.name]["changed"] == 0
    assert again.facts(ssh_host)["features_ready"]
    assert again.ssh_executions[ssh_host.name] == 1


def test_a_missing_digest_is_an_internal_error_and_nothing_is_uploaded(ssh_host, play, tmp_path, change_python):
    ssh_host.run("rm -rf /data/* /data/.[!.]* /old; mkdir -p /old", check=False)
    write_features(tmp_path / "source", ["a.npz"])
    write_features(tmp_path / "old", ["a.npz"])
    ssh_host.put(tmp_path / "old", "/old/features", "ubuntu:ubuntu")
    before = ssh_host.tree("/data", "/old")
    change_python("import hashlib\n" + REFUSED + "hashlib.sha256 = refuse\n")
    one = feature_set(tmp_path / "source", legacy=["/old/features"])
    result = play(ssh_host, ROLE, role_variables(one))
    assert result.rc != 0
    [said] = [event["result"]["msg"] for event in result.results(ssh_host) if event["event"] == "failed"]
    assert "/old/features/a.npz could not be classified: internal error in trainprep.features (ValueError: [digital envelope" in said
    assert said.endswith("Please report it with the output of -vvv at https://github.com/trainprep/features/issues")
    assert "Traceback" not in result.stdout and "damaged" not in result.stdout
    assert ssh_host.tree("/data", "/old") == before


def test_without_ctypes_features_are_linked_and_published(ssh_host, play, tmp_path, change_python):
    ssh_host.run("rm -rf /data/* /data/.[!.]* /old; mkdir -p /old /data/filled; touch /data/filled/notes", check=False)
    write_features(tmp_path / "old", ["one.npz", "two.npz"])
    write_features(tmp_path / "source", ravdess_names(4))
    write_features(tmp_path / "second", ["third.npz", "fourth.npz"])
    ssh_host.put(tmp_path / "old", "/old/features", "ubuntu:ubuntu")
    change_python("import sys\nsys.modules['_ctypes'] = None\n")
    assert ssh_host.python("import ctypes", check=False).returncode != 0
    ssh_host.run("mkdir -p /data/linked; ln -s /nowhere/one.npz /data/linked/one.npz")
    sets = (
        feature_set(tmp_path / "source"),  # a whole directory is renamed
        {**feature_set(tmp_path / "second", "/data/filled"), "name": "filled"},  # files are moved into one that is there
        {**feature_set("", "/data/linked"), "name": "linked", "legacy": ["/old/features"]},
    )
    first = play(ssh_host, ROLE, role_variables(*sets))
    assert first.rc == 0, first.stdout
    found = first.facts(ssh_host)["feature_sets"]
    assert [found[one]["target"]["features"] for one in ("wav", "filled", "linked")] == [4, 2, 2]
    again = play(ssh_host, ROLE, role_variables(*sets))
    assert again.rc == 0 and again.recap[ssh_host.name]["changed"] == 0
    assert again.facts(ssh_host)["features_ready"]
