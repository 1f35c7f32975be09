# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fault suite does to hosts: each thing that changes one, small, with what has to hold at any time and after it."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.support.faults import Modules, Ran, Tally, everything, files, links
from tests.support.layout import write_facenet, write_wav2vec

ARRAYS = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}
ROOT = os.geteuid() == 0
USER = "nobody" if ROOT else None
NOBODY, STRANGER = 65534, 54321
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
