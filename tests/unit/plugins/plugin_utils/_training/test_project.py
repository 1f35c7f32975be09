# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._training.project import (
    Project,
    check_start,
    manifest_of,
    pack_project,
    read_project,
)


def git(folder, *words):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always")
    subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True)


def write(root, **files):
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    write(root, train_dot_py="x", src__a_dot_py="x", src__a_dot_log="x", data__big="x", _dot_gitignore="*.log\n/data/\n")
    (root / "näme\n#1").write_text("x")
    (root / "link").symlink_to("src")
    return root


KEPT = (".gitignore", "link", "näme\n#1", "src/a.py", "train.py")


def test_without_git_all_is_sent_but_what_gitignore_names(tree):
    assert read_project(str(tree)) == Project(str(tree), tuple(sorted(KEPT)))
    (tree / ".gitignore").unlink()
    assert set(read_project(str(tree)).files) == {*KEPT, "src/a.log", "data/big"} - {".gitignore"}


def test_with_git_also_new_files_are_sent_and_the_commit_is_known(tree):
    git(tree, "init", "-q")
    assert read_project(str(tree)) == Project(str(tree), tuple(sorted(KEPT)), None, True)
    git(tree, "add", "-A")
    git(tree, "add", "-f", "data/big")
    git(tree, "commit", "-qm", "x")
    project = read_project(str(tree))
    assert project.files == tuple(sorted((*KEPT, "data/big"))) and project.dirty is False and len(project.commit) == 40
    (tree / "train.py").unlink()
    write(tree, new_dot_py="x")
    changed = read_project(str(tree))
    assert set(changed.files) == {*KEPT, "data/big", "new.py"} - {"train.py"}
    assert (changed.commit, changed.dirty) == (project.commit, True)
    # A folder of a larger repository, and one called from a hook.
    assert read_project(str(tree / "src")).files == ("a.py",)


@pytest.fixture
def global_ignore(tmp_path, monkeypatch):
    """The deployer's own ignore file, which must not decide what a training gets."""
    (tmp_path / "ignore").write_text("*.py\n")
    (tmp_path / "gitconfig").write_text(f"[core]\n\texcludesFile = {tmp_path}/ignore\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))


@pytest.mark.parametrize("kept", [True, False], ids=["checkout", "folder"])
def test_only_gitignore_files_of_the_project_leave_files_out(tree, global_ignore, kept):
    (tree / "\nfirst").write_text("x")
    if kept:
        git(tree, "init", "-q")
        (tree / ".git" / "info" / "exclude").write_text("src/\n")
    assert set(read_project(str(tree)).files) == {*KEPT, "\nfirst"}


@pytest.mark.parametrize("kept", [True, False], ids=["checkout", "folder"])
@pytest.mark.parametrize("ignores", [True, False])
def test_nested_clones_are_sent_by_their_own_rules(tree, kept, ignores):
    if not ignores:
        (tree / ".gitignore").unlink()
    if kept:
        git(tree, "init", "-q")
    for name in ("libs/one", "libs/one/deep", "two"):
        write(tree / name, model_dot_py="x", out_dot_txt="x", _dot_gitignore="*.txt\n")
        git(tree / name, "init", "-q")
    git(tree / "two", "add", "-A")
    git(tree / "two", "commit", "-qm", "x")
    files = read_project(str(tree)).files
    assert {"libs/one/model.py", "libs/one/deep/model.py", "two/model.py", "two/.gitignore"} <= set(files)
    assert not [name for name in files if name.endswith(".txt") or "/.git/" in f"/{name}/"]


def test_a_folder_that_an_outer_checkout_ignores_is_sent_all_the_same(tree):
    git(tree.parent, "init", "-q")
    (tree.parent / ".gitignore").write_text("project/\n")
    (tree / "src" / ".git").write_text("gitdir: /nowhere\n")  # a copied submodule
    assert read_project(str(tree)) == Project(str(tree), tuple(sorted(KEPT)))


def test_submodules_are_sent_with_their_own_files(tree, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write(other, model_dot_py="x")
    for root in (other, tree):
        git(root, "init", "-q")
        git(root, "add", "-A")
        git(root, "commit", "-qm", "x")
    git(tree, "submodule", "--quiet", "add", str(other), "vendored")
    files = read_project(str(tree)).files
    assert "vendored/model.py" in files and not [name for name in files if "/.git/" in f"/{name}/"]


def test_a_repository_of_a_hook_is_not_taken_for_the_projects(tree, tmp_path, monkeypatch):
    git(tree, "init", "-q")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert read_project(str(tree)).files == tuple(sorted(KEPT))


def test_a_checkout_of_another_account_is_refused_with_the_remedy(tree, monkeypatch):
    git(tree, "init", "-q")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    owner = "nobody" if os.geteuid() == 0 else "another account"
    if os.geteuid() == 0:
        os.chown(tree, 65534, 65534)
        os.chown(tree / ".git", 65534, 65534)
    else:  # git's own variable for its tests
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(FeatureError) as raised:
        read_project(str(tree / "src"))
    message = str(raised.value)
    assert f"project {tree}/src: " in message and f"belongs to {owner}" in message and "dubious" not in message
    command = message.partition("or trust it: ")[2].split()
    assert command[:5] == ["git", "config", "--global", "--add", "safe.directory"]
    # What the message says works.
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tree.parent / "gitconfig"))
    subprocess.run(command, check=True)
    assert "a.py" in read_project(str(tree / "src")).files


@pytest.mark.parametrize(
    ("script", "program", "variable"),
    [
        ("train.py", "", ""), ("./src/a.py", "", ""), ("", "src/a.py", ""), ("", "/bin/sh", ""), ("", "torchrun", ""),
        ("gone.py", "", "script"), ("../train.py", "", "script"),
        ("/train.py", "", "script"), ("", "./gone.sh", "command"),
    ],
)  # fmt: skip
def test_what_is_started_has_to_be_sent(script, program, variable):
    project = Project("/p", ("src/a.py", "train.py"))
    if not variable:
        check_start(project, script, program)
        return
    with pytest.raises(FeatureError, match=f"{variable}: '.*' is not among the files"):
        check_start(project, script, program)


UNPACK = Path(__file__).resolve().parents[5] / "roles" / "deploy_training" / "files" / "unpack.py"


def unpack(*arguments, given):
    done = subprocess.run([sys.executable, "-I", UNPACK, *map(str, arguments)], input=given, capture_output=True, check=True)
    return json.loads(done.stdout)


def test_a_project_arrives_with_modes_links_and_odd_names_and_copies_what_is_there(tree, tmp_path):
    (tree / "train.py").chmod(0o755)
    (tree / os.fsdecode(b"not utf-8 \xff")).write_text("odd")
    before, target, archive = tmp_path / "before", tmp_path / "it's $HOME", tmp_path / "archive"
    (before / "src").mkdir(parents=True)
    (before / "train.py").write_text("x")
    (before / "src" / "a.py").write_text("y")  # of the same size
    (before / "of the run before").write_text("x")
    project = read_project(str(tree))
    manifest = manifest_of(project)
    places = unpack(before, given=json.dumps(manifest).encode())["missing"]
    sent = {list(manifest)[place] for place in places}
    assert sent == set(project.files) - {"train.py", "link"}
    pack_project(project, manifest, places, str(archive))
    assert unpack(before, target, given=archive.read_bytes()) == {"files": len(project.files)}
    found = {str(path.relative_to(target)) for path in target.rglob("*") if not path.is_dir() or path.is_symlink()}
    assert found == set(project.files)
    for name in found - {"link"}:
        assert (target / name).read_bytes() == (tree / name).read_bytes()
    assert (target / "train.py").stat().st_mode & 0o777 == 0o755 and (target / "link").readlink().name == "src"
    assert (target / "src" / "a.py").stat().st_mtime_ns == (tree / "src" / "a.py").stat().st_mtime_ns
    # A copy, which the run before cannot see changing.
    assert (target / "train.py").stat().st_ino != (before / "train.py").stat().st_ino


def test_an_archive_that_is_cut_or_does_not_match_makes_no_project(tree, tmp_path):
    project = read_project(str(tree))
    manifest, archive = manifest_of(project), tmp_path / "archive"
    every = unpack("", given=json.dumps(manifest).encode())["missing"]
    pack_project(project, manifest, every, str(archive))
    assert "error" in unpack("", tmp_path / "cut", given=archive.read_bytes()[:-40])
    manifest["train.py"][3] = "0" * 64
    pack_project(project, manifest, every, str(archive))
    assert "train.py has changed meanwhile" in unpack("", tmp_path / "other", given=archive.read_bytes())["error"]
    (tree.parent / "out").write_text("x")
    pack_project(project, {"../out": [0o644, 1, 1, "x"]}, [0], str(archive))
    assert "is not listed" in unpack("", tmp_path / "up", given=archive.read_bytes())["error"]
    assert unpack("/nowhere", given=b"{}") == {"missing": []}
