# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fault suite does to hosts: the steps of an upload."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

from tests.support.fault_cases import USER, Case, Files, feature, kept, names_in, one_set
from tests.support.faults import Modules, Ran, Tally, content, everything, files, works_in
from tests.support.layout import write_facenet
from tests.support.waiting import wait_for

# What lies next to a target while an upload of it gathers.
UPLOADING = (".w.incoming/", ".w.incoming.manifest")


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
        def ended() -> Ran | None:
            ran = modules.forked(self.module, arguments)
            return None if ran.result.get("fetch", {}).get("running") else ran

        ran: Ran = wait_for(ended, "the end of the fetch", pause=0.1)
        return ran

    def reached(self, root: Path) -> bool:
        return (root / "data" / "w").is_dir() and Publish.reached(self, root)  # type: ignore[arg-type]

    def clear(self, root: Path) -> None:
        wait_for(lambda: not works_in(root / "data" / ".w.incoming"), "the end of rclone", pause=0.1)
