# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fault suite does to hosts: each thing that changes one, small, with what has to hold at any time and after it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.support.faults import Modules, Ran, Tally, content, everything, files, links, works_in
from tests.support.layout import write_facenet, write_wav2vec

ARRAYS = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}
ROOT = os.geteuid() == 0
USER = "nobody" if ROOT else None
NOBODY, STRANGER = 65534, 54321
# What lies next to a target while an upload of it gathers.
UPLOADING = (".w.incoming/", ".w.incoming.manifest")
OURS = ".trainprep-"  # names of our own, which the next run knows

Files = Mapping[str, tuple[Any, ...]]


def feature(path: Path, seed: str | None = None) -> None:
    """A small feature; ``seed`` (else its name) decides its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav2vec(path, seed or ascii(path.name), frames=2)


def one_set(root: Path, **more: Any) -> dict[str, Any]:
    return {"name": "w", "target": f"{root}/data/w", "arrays": ARRAYS, **more}


class Case:
    """One module on one laid out host. ``state`` is what `lay_out` left, for comparison."""

    name = ""
    module = ""
    needs_root = False

    def lay_out(self, root: Path) -> None:
        raise NotImplementedError

    def arguments(self, root: Path) -> dict[str, Any]:
        raise NotImplementedError

    def snapshot(self, root: Path) -> Any:
        """What must not change, taken before the first run."""
        return files(root / "old", root / "data")

    def during(self, root: Path, before: Any, tally: Tally) -> None:
        """What holds at any time, also in the middle of a run that was killed."""
        raise NotImplementedError

    def reached(self, root: Path) -> bool:
        """Whether all is as promised, with nothing left over."""
        raise NotImplementedError

    def claims(self, ran: Ran) -> bool:
        """Whether a run says that all is done."""
        return ran.code == 0

    def run(self, modules: Modules, root: Path) -> Ran:
        """An undisturbed run."""
        return modules.forked(self.module, self.arguments(root))

    def clear(self, root: Path) -> None:
        """Ends what a run started."""


def laid_out(one: Case, root: Path) -> Path:
    """A host of its own for a case."""
    root.mkdir()
    root.chmod(0o755)
    one.lay_out(root)
    return root


def names_in(directory: Path) -> list[str]:
    """All below a directory, by path from there; folders end in a slash."""
    return sorted(f"{path.relative_to(directory)}{'/' if path.is_dir() and not path.is_symlink() else ''}"
                  for path in everything(directory))  # fmt: skip


def kept(before: Files, now: Files) -> bool:
    """Whether each real file is what it was: the same inode, owner, mode, time and bytes."""
    return all(now.get(path) == entry for path, entry in before.items())


class Links(Case):
    """Two sets: a target that is absent, and one with a feature of its own, a dangling link, a stray one, and sub-folders."""

    name = "feature_links"
    module = "feature_links"
    state = "present"

    def lay_out(self, root: Path) -> None:
        for name in ("a", "b"):
            feature(root / "old" / "flat" / f"{name}.npz")
        for name in ("d", "sub/e"):
            feature(root / "old" / "tree" / f"{name}.npz")
        write_facenet(root / "old" / "tree" / "other.npz")
        feature(root / "data" / "tree" / "own.npz")
        (root / "data" / "tree" / "d.npz").symlink_to(root / "gone" / "d.npz")
        (root / "data" / "tree" / "other.npz").symlink_to(root / "old" / "tree" / "other.npz")
        (root / "data" / "tree" / "notes.txt").write_text("the user's own\n")

    def arguments(self, root: Path) -> dict[str, Any]:
        sets = [
            {"name": name, "target": f"{root}/data/{name}", "legacy": [f"{root}/old/{name}"], "arrays": ARRAYS, "layout": name}
            for name in ("flat", "tree")
        ]
        return {"sets": sets, "user": USER, "prune": "stray", "state": self.state}

    def wanted(self, root: Path) -> dict[str, str]:
        return {f"{folder}/{name}.npz": f"{root}/old/{folder}/{name}.npz"
                for folder, name in (("flat", "a"), ("flat", "b"), ("tree", "d"), ("tree", "sub/e"))}  # fmt: skip

    def early(self, root: Path) -> dict[str, str]:
        """Links that a run finds and removes or replaces."""
        return {"tree/d.npz": f"{root}/gone/d.npz", "tree/other.npz": f"{root}/old/tree/other.npz"}

    def during(self, root: Path, before: Files, tally: Tally) -> None:
        tally.check(kept(before, files(root / "old", root / "data")), "a real file was touched")
        wanted, early = self.wanted(root), self.early(root)
        for name, text in links(root / "data").items():
            good = text in (wanted.get(name), early.get(name)) or (Path(name).name.startswith(OURS) and text in early.values())
            tally.check(good, f"a wrong link: {name} -> {text}")
        for name in names_in(root / "data"):
            tally.check(name in self.allowed(root) or Path(name).name.startswith(OURS), f"a foreign name: {name}")

    def allowed(self, root: Path) -> set[str]:
        return {*self.wanted(root), *self.early(root), "flat/", "tree/", "tree/sub/", "tree/own.npz", "tree/notes.txt"}

    def reached(self, root: Path) -> bool:
        return links(root / "data") == self.wanted(root) and set(names_in(root / "data")) == self.allowed(root) - {"tree/other.npz"}


class Removal(Links):
    """The links that `Links` makes, and one that the user made, which stays."""

    name = "feature_links, state: absent"
    state = "absent"

    def lay_out(self, root: Path) -> None:
        super().lay_out(root)
        shutil.rmtree(root / "data" / "tree")
        feature(root / "data" / "tree" / "own.npz")
        (root / "data" / "tree" / "notes.txt").write_text("the user's own\n")
        for name, text in {**self.wanted(root), **self.foreign(root)}.items():
            (root / "data" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "data" / name).symlink_to(text)

    def foreign(self, root: Path) -> dict[str, str]:
        return {"tree/mine.npz": "/elsewhere/mine.npz"}

    def early(self, root: Path) -> dict[str, str]:
        return {**self.wanted(root), **self.foreign(root)}

    def reached(self, root: Path) -> bool:
        return links(root / "data") == self.foreign(root) and not any(OURS in name for name in names_in(root / "data"))


class Access(Case):
    """Features in closed directories of root's, a closed target, and a closed file of the training user's own."""

    name = "feature_access"
    module = "feature_access"
    needs_root = True

    def lay_out(self, root: Path) -> None:
        for name in ("a", "sub/b"):
            feature(root / "old" / "deep" / f"{name}.npz")
        feature(root / "data" / "w" / "own.npz")
        os.chown(root / "data" / "w" / "own.npz", NOBODY, NOBODY)
        (root / "old" / "deep" / "diary.txt").write_text("private\n")
        for path in everything(root):
            path.chmod(0o700 if path.is_dir() else 0o000 if path.name == "own.npz" else 0o600)

    def arguments(self, root: Path) -> dict[str, Any]:
        return {"sets": [one_set(root, legacy=[f"{root}/old/deep"])], "user": USER}

    def claims(self, ran: Ran) -> bool:
        """It is the look afterwards that says what the user can read."""
        return ran.code == 0 and ran.result["ansible_facts"]["feature_sets"]["w"]["access"]["unreadable"] == 0

    def snapshot(self, root: Path) -> Any:
        return {path: (entry[0], entry[1], entry[2], *entry[4:]) for path, entry in files(root / "old", root / "data").items()}

    def during(self, root: Path, before: Files, tally: Tally) -> None:
        tally.equal(self.snapshot(root), before, "a file became another one")
        opened = opens(STRANGER, (path for path in everything(root)))
        tally.equal(opened, [], "opened to a stranger")
        tally.equal(opens(NOBODY, [root / "old" / "deep" / "diary.txt"]), [], "the user's diary was opened")
        writable = [str(path) for path in everything(root) if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o002]
        tally.equal(writable, [], "made writable for everyone")

    def reached(self, root: Path) -> bool:
        features = [path for path in everything(root) if path.suffix == ".npz"]
        return opens(NOBODY, features) == [str(path) for path in features]


def opens(uid: int, paths: Iterable[Path]) -> list[str]:
    """Which paths an account can open, asked of the system by a process that is that account."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        with os.fdopen(writer, "w") as stream:
            for path in paths:
                try:
                    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
                    stream.write(f"{path}\n")
                except OSError:
                    continue
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        found = stream.read().splitlines()
    os.waitpid(child, 0)
    return found


class Upload(Case):
    """What the cases of one upload share. ``uploaded``: data/ after an upload of ``source`` that was not published."""

    def __init__(self, uploaded: Path, source: Path) -> None:
        self.uploaded = uploaded
        self.source = source
        self.contents = {path.name: content(path) for path in source.iterdir()}

    def arguments(self, root: Path) -> dict[str, Any]:
        return {"sets": [one_set(root)], "user": USER}

    def lay_out(self, root: Path) -> None:
        subprocess.run(["cp", "-a", f"{self.uploaded}/data", f"{root}/data"], check=True)

    def snapshot(self, root: Path) -> Any:
        return {path: entry for path, entry in files(root / "data").items() if "/.w.incoming" not in path}

    def during(self, root: Path, before: Files, tally: Tally) -> None:
        tally.check(kept(before, files(root / "data")), "a real file was touched")
        target = root / "data" / "w"
        seen = {path.name: content(path) for path in everything(target) if path.suffix == ".npz" and path.is_file()}
        tally.check(seen.items() <= {**self.contents, "own.npz": seen.get("own.npz")}.items(), "a wrong file stands in the target")
        held = {**seen, **{path.name: content(path) for path in everything(root / "data" / ".w.incoming") if path.suffix == ".npz"}}
        tally.check(not self.keeps or self.contents.items() <= held.items(), "something that was uploaded is lost")
        for path in everything(root / "data"):
            if ".incoming" in str(path) and not target.exists():
                tally.check(stat.S_IMODE(path.lstat().st_mode) & 0o022 == 0, f"{path} can be written by others")

    keeps = True

    def published(self, root: Path) -> bool:
        target = root / "data" / "w"
        if not target.is_dir():
            return False
        there = [path for path in target.iterdir() if path.name in self.contents and path.is_file()]
        return {path.name: content(path) for path in there} == self.contents


class Staging(Upload):
    """An upload that broke off: one feature is whole, one is cut off, one is missing, and rsync left a temporary file."""

    name = "feature_transfer, an upload that goes on"
    module = "feature_transfer"
    keeps = False

    def lay_out(self, root: Path) -> None:
        super().lay_out(root)
        incoming = root / "data" / ".w.incoming"
        first, second, *_more = sorted(self.contents)
        (incoming / first).unlink()
        os.truncate(incoming / second, 1000)
        (incoming / f".{first}.AbCdEf").write_bytes(b"PK\3\4")
        (root / "data" / ".w.incoming.manifest").unlink()

    def arguments(self, root: Path) -> dict[str, Any]:
        sources = {"w": (self.uploaded / "data" / ".w.incoming.manifest").read_text()}
        request = {"sources": sources, "connecting_uid": os.geteuid(), "streams": 0}
        return {**super().arguments(root), "step": "stage", "request": request}

    def reached(self, root: Path) -> bool:
        _first, _second, *others = sorted(self.contents)
        incoming = root / "data" / ".w.incoming"
        return (names_in(root / "data") == sorted([*UPLOADING, *(f".w.incoming/{name}" for name in others)])
                and stat.S_IMODE(incoming.stat().st_mode) == 0o700
                and (incoming.parent / ".w.incoming.manifest").read_text() == self.arguments(root)["request"]["sources"]["w"])  # fmt: skip


class FirstStaging(Staging):
    """Nothing is there yet, not even the directory above the target."""

    name = "feature_transfer, the first upload"

    def lay_out(self, root: Path) -> None:
        (root / "old").mkdir()

    def reached(self, root: Path) -> bool:
        return names_in(root / "data") == sorted(UPLOADING)


class Publish(Upload):
    """The target is absent: the whole directory becomes it."""

    name = "feature_prepare, publish the whole directory"
    module = "feature_prepare"

    def arguments(self, root: Path) -> dict[str, Any]:
        return {**super().arguments(root), "uploaded": ["w"]}

    def during(self, root: Path, before: Files, tally: Tally) -> None:
        super().during(root, before, tally)
        tally.check(not (root / "data" / "w").exists() or self.published(root), "half a set is visible")

    def reached(self, root: Path) -> bool:
        return self.published(root) and names_in(root / "data") == sorted(["w/", *(f"w/{name}" for name in self.contents)])


class PublishBeside(Upload):
    """The target holds a feature of its own, and a dangling link where an uploaded one goes."""

    name = "feature_prepare, publish next to other files"
    module = "feature_prepare"

    def arguments(self, root: Path) -> dict[str, Any]:
        return {**super().arguments(root), "uploaded": ["w"]}

    def lay_out(self, root: Path) -> None:
        super().lay_out(root)
        feature(root / "data" / "w" / "own.npz")
        (root / "data" / "w" / max(sorted(self.contents), key=len)).symlink_to("/gone/away.npz")

    def reached(self, root: Path) -> bool:
        return self.published(root) and names_in(root / "data") == sorted(["w/", "w/own.npz", *(f"w/{name}" for name in self.contents)])


class Fetch(Upload):
    """rclone brings the features from a store, here a directory; what it brought is classified, then published."""

    name = "feature_transfer, a fetch from an object store"
    module = "feature_transfer"
    keeps = False

    def lay_out(self, root: Path) -> None:
        (root / "data").mkdir()
        shutil.copytree(self.source, root / "store")
        write_facenet(root / "store" / "video.npz")

    def arguments(self, root: Path, state: str = "start") -> dict[str, Any]:
        sets, request = [one_set(root, source="store:")], {"set": "w", "state": state}
        return {"sets": sets, "user": USER, "step": "fetch", "request": request, "environment": self.store(root)}

    def store(self, root: Path) -> dict[str, str]:
        return {"RCLONE_CONFIG_STORE_TYPE": "alias", "RCLONE_CONFIG_STORE_REMOTE": f"{root}/store", "RCLONE_CONFIG": "/dev/null"}

    def run(self, modules: Modules, root: Path) -> Ran:
        """As the controller does it, unless the set is there already: start, wait until it ends, classify, publish."""
        plain = {"sets": [one_set(root)], "user": USER, "uploaded": ["w"]}
        if not (root / "data" / "w").exists():
            before = self.arguments(root, "wait")
            self._until_it_ends(modules, before)
            for state in ("start", "wait", "finish"):
                arguments = self.arguments(root, state)
                ran = self._until_it_ends(modules, arguments) if state == "wait" else modules.forked(self.module, arguments)
                if ran.code:
                    return ran
        return modules.forked("feature_prepare", plain)

    def _until_it_ends(self, modules: Modules, arguments: dict[str, Any]) -> Ran:
        end = time.monotonic() + 60
        while True:
            ran = modules.forked(self.module, arguments)
            if not ran.result.get("fetch", {}).get("running") or time.monotonic() > end:
                return ran
            time.sleep(0.1)

    def reached(self, root: Path) -> bool:
        return (root / "data" / "w").is_dir() and Publish.reached(self, root)  # type: ignore[arg-type]

    def clear(self, root: Path) -> None:
        end = time.monotonic() + 30
        while works_in(root / "data" / ".w.incoming"):
            assert time.monotonic() < end, "rclone does not end"
            time.sleep(0.1)
