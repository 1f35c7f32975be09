# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A random host of the property tests: how it is laid out, what the collection is called with, and the oracle of what has to come of it."""

from __future__ import annotations

import functools
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.trainprep.features.plugins.module_utils._spec.arguments import Policy
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._steps.prepare import Request, do_step, prepare
from ansible_collections.trainprep.features.plugins.module_utils._system.accounts import Account
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError

from tests.support.layout import write_facenet, write_wav2vec

ARRAYS = {"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}}
LEGACY = ("old/one", "old/two", "old/alias")
TARGETS = ("data/ravdess", "data/cremad")
ME = Account("me", os.geteuid(), os.getegid(), tuple(sorted({os.getegid(), *os.getgroups()})), "/nowhere")


@functools.cache
def raw(content: str) -> bytes:
    """The bytes of a file: a feature, or what is none."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "x.npz")
        if content == "other":
            write_facenet(path)
        elif content == "damaged":
            path.write_bytes(b"PK\3\4 and no more")
        else:
            write_wav2vec(path, content, frames=1)
        return path.read_bytes()


FEATURES = {raw(content): content for content in ("red", "green", "blue", "grey")}


def content_of(path: Path) -> str | None:
    """The feature behind a path, as the trainer would find it."""
    return FEATURES.get(path.read_bytes()) if path.is_file() else None


class RandomHost:
    """A directory that stands for a host."""

    root: Path
    # A directory whose feature cannot be linked, which shows once others are.
    deep: ClassVar[Path]

    def put(self, path: Path, content: bytes) -> None:
        if not os.path.lexists(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def link(self, path: Path, text: str) -> None:
        if not os.path.lexists(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(text)

    def sets(self, fails: bool = False) -> list[dict[str, Any]]:
        legacy = [str(self.root / directory) for directory in LEGACY]
        sets = [
            {"name": "ravdess", "target": str(self.root / TARGETS[0]), "legacy": legacy, "exclude": ["cremad_*"], "reads": ["*.npz"],
             "arrays": ARRAYS},
            {"name": "cremad", "target": str(self.root / TARGETS[1]), "legacy": legacy, "patterns": ["cremad_*.npz"],
             "reads": ["*.npz"], "arrays": ARRAYS},
        ]  # fmt: skip
        deep = {"name": "deep", "target": f"{self.root}/data/deep", "legacy": [str(self.deep)], "arrays": ARRAYS, "required": False}
        return [*sets, deep] if fails else sets

    def driven(self, state: str, fails: bool, on_conflict: str, check: bool = False) -> tuple[dict[str, Any], bool]:
        """The result of a whole run, and whether it was stopped."""
        result: dict[str, Any] = {}
        request = Request(parse_sets(self.sets(fails)), ME, Policy(on_conflict=on_conflict), state, check)
        try:
            prepare({"remember": False}, request, result)
        except (FeatureError, OSError):
            return result, True
        return result, False

    def attempt(
        self, on_conflict: str, prune: str, check: bool = False, state: str = "present"
    ) -> dict[str, Any] | None:
        """The result, None where the run was refused."""
        try:
            result: dict[str, Any] = {}
            request = Request(parse_sets(self.sets()), ME, Policy(on_conflict=on_conflict, prune=prune), state, check)
            do_step("unlink" if state == "absent" else "link", request, result)
            # In check mode the facts are of the host as it is.
            return {key: value for key, value in result.items() if key != "ansible_facts"}
        except FeatureError:
            return None

    def snapshot(self) -> dict[str, tuple[str | None, Any]]:
        """All that lies there: a link's text, or what would show a change of a file or directory."""
        found: dict[str, tuple[str | None, Any]] = {}
        for parent, folders, files in os.walk(self.root):
            for name in folders + files:
                path = os.path.join(parent, name)
                info = os.lstat(path)
                text = os.readlink(path) if os.path.islink(path) else None
                seen = (info.st_ino, info.st_mode, info.st_uid, info.st_gid)
                found[os.path.relpath(path, self.root)] = (
                    text,
                    seen if os.path.isdir(path) and text is None else (*seen, info.st_size, info.st_mtime_ns),
                )
        return found

    def wishes(self) -> dict[str, dict[str, str]]:
        """By target and name, the feature that comes first in the order of the legacy directories."""
        found: dict[str, dict[str, str]] = {target: {} for target in TARGETS}
        for directory in LEGACY:
            top = self.root / directory
            if directory == "old/alias" and top.is_symlink():
                continue
            files = sorted(str(path.relative_to(top)) for path in top.rglob("*.npz") if "/up/" not in str(path))
            by_name: dict[str, list[tuple[str, str]]] = {}
            for path in files:
                content = content_of(top / path)
                if content:
                    by_name.setdefault(os.path.basename(path), []).append((path, content))
            for name, claims in by_name.items():
                least = min(path.count("/") for path, _content in claims)
                # Different features of one name in one directory: the shallower ones count.
                if len({content for _path, content in claims}) > 1:
                    claims = [(path, content) for path, content in claims if path.count("/") == least]
                found[TARGETS[name.startswith("cremad_")]].setdefault(name, claims[0][1])
        return found

    def dangles_into_legacy(self) -> bool:
        """Whether a link in a target leads nowhere, below a legacy directory."""
        paths = [path for target in TARGETS for path in (self.root / target).glob("*") if path.is_symlink()]
        return any(not path.exists() and "old/" in os.readlink(path) for path in paths)

    def in_targets(self) -> Counter[str]:
        """How often each feature is read from the targets."""
        paths = [path for target in TARGETS for path in sorted((self.root / target).glob("*.npz"))]
        return Counter(content for path in paths for content in [content_of(path)] if content)

    def fixed(self, content: str) -> int:
        """How often a feature stands in the targets as what is never removed: files, links to elsewhere, one link that is right."""
        number, right = 0, 0
        for target in TARGETS:
            for path in (self.root / target).glob("*.npz"):
                if content_of(path) != content:
                    continue
                if path.is_symlink() and str(path.resolve()).startswith(f"{self.root}/old/"):
                    right = 1
                else:
                    number += 1
        return number + right
