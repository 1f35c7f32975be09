# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The start of a training, as the fault suite breaks it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.fault_cases import Case, Files, kept, names_in
from tests.support.faults import CHANGING, COLLECTIONS, Point, Tally, changing_points, files
from tests.support.waiting import send, wait_for

MODULE = "ansible_collections.trainprep.features.plugins.modules.training_run"


class Training(Case):
    """The start of a training in a working directory that has an older script, and files of the user's."""

    name = "training_run"
    module = "training_run"
    script = "import time\nprint('Epoch 1/9', flush=True)\ntime.sleep(900)\n"
    old = "print('the script before')\n"
    struck = "none"  # a run in whose folder a part of a file may stay

    def __init__(self) -> None:
        self.session = f"fault{os.getpid()}"

    def lay_out(self, root: Path) -> None:
        (root / "work" / "scripts").mkdir(parents=True)
        (root / "work" / "scripts" / "train.py").write_text(self.old)
        (root / "work" / "notes.txt").write_text("the user's own\n")

    def arguments(self, root: Path) -> dict[str, Any]:
        script = root / "train.py"
        script.write_text(self.script)
        return self.ordered({"session": self.session, "dir": f"{root}/work", "script": str(script)})

    @staticmethod
    def ordered(options: dict[str, Any]) -> dict[str, Any]:
        """A module's arguments, as the action plugin makes them."""
        # Once tests/faults/conftest.py has made the collection known.
        from ansible_collections.trainprep.features.plugins.plugin_utils._training.order import read_order

        return {**options, "order": json.dumps(read_order(options, {}).given)}

    def snapshot(self, root: Path) -> Any:
        return {path: entry for path, entry in files(root / "work").items() if path.endswith("notes.txt")}

    def during(self, root: Path, before: Files, tally: Tally) -> None:
        tally.check(kept(before, files(root / "work")), "a file of the user's was touched")
        tally.check((root / "work" / "scripts" / "train.py").read_text() in (self.old, self.script), "half a script")
        tally.check(len(self.trainings(root)) <= 1, "two trainings run")

    def trainings(self, root: Path) -> list[int]:
        """The interpreters that run the script in that working directory; a shell that is about to become one says the same words."""
        return [pid for pid, words in command_lines() if words[-1:] == ["scripts/train.py"] and works(pid, root / "work")
                and Path(words[0]).name.startswith("python") and words[1] == "-u"]  # fmt: skip

    def reached(self, root: Path) -> bool:
        # The module has seen the training start; the launcher is about to say so.
        with contextlib.suppress(AssertionError):
            wait_for(lambda: self._reached(root), "the training", seconds=10, pause=0.02)
        return self._reached(root)

    def _reached(self, root: Path) -> bool:
        left = [name for name in names_in(root / "work") if ".new" in name and self.struck not in name]
        latest = root / "work" / "runs" / self.session / "latest" / "state.json"
        return len(self.trainings(root)) == 1 and not left and latest.exists()

    def clear(self, root: Path) -> None:
        runs = os.path.join(root, "work", "runs", "")  # where the launcher is, which works elsewhere

        def all_ended() -> bool:
            found = [
                pid for pid, words in command_lines()
                if (works(pid, root / "work") or any(runs in word for word in words)) and not serves_sessions(pid)
            ]  # fmt: skip
            return not [send(pid, signal.SIGKILL) for pid in found]

        wait_for(all_ended, "the end of all processes", pause=0.02)


class Stop(Training):
    """The stop of a live training that takes a moment to end; killed at any step, the next run stops it, and it is on record."""

    name = "training_run, stopped"
    script = (
        "import pathlib, signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *a: (time.sleep(0.3), sys.exit(0)))\n"
        "pathlib.Path('ready').touch()\ntime.sleep(900)\n"
    )

    def lay_out(self, root: Path) -> None:
        super().lay_out(root)
        done = subprocess.run(
            [sys.executable, "-m", MODULE], input=json.dumps({"ANSIBLE_MODULE_ARGS": super().arguments(root)}), text=True,
            env={**os.environ, "PYTHONPATH": str(COLLECTIONS)}, capture_output=True, check=False)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        wait_for((root / "work" / "ready").exists, "the training's handler", pause=0.02)

    def arguments(self, root: Path) -> dict[str, Any]:
        return self.ordered({"session": self.session, "dir": f"{root}/work", "state": "stopped", "grace": 20})

    def during(self, root: Path, before: Files, tally: Tally) -> None:
        tally.check(kept(before, files(root / "work")), "a file of the user's was touched")

    def clear(self, root: Path) -> None:
        """The training is what the next run has to stop."""
        if self._ended(root):
            super().clear(root)

    def _ended(self, root: Path) -> bool:
        latest = root / "work" / "runs" / self.session / "latest" / "state.json"
        return latest.exists() and "ended" in json.loads(latest.read_text())

    def _reached(self, root: Path) -> bool:
        state = json.loads((root / "work" / "runs" / self.session / "latest" / "state.json").read_text())
        return not self.trainings(root) and state.get("exit_code") == 0 and state["stopped"]["why"] == "stop"


class Retry(Training):
    """The launcher of a run whose first attempt fails: killed at any step, its state can be read, and the next start replaces it."""

    name = "the launcher of a training that is tried again"
    struck = "20990101T000000Z"
    tried = "import os, sys, time\ntime.sleep(0.1)\nsys.exit(3 if os.environ['TRAINPREP_ATTEMPT'] == '1' else 0)\n"

    def lay_out_run(self, root: Path, modules: Any) -> Path:
        """The folder of a run that no launcher has begun yet."""
        options = {"session": self.session, "dir": f"{root}/work", "script": str(root / "train.py"), "retries": 1}
        (root / "train.py").write_text("print('done')\n")
        done = modules.run("training_run", {**self.ordered(options), "settle": 5})
        assert done.code == 0, done
        runs = root / "work" / "runs" / self.session
        old = next(runs.glob("2*"))
        run = runs / self.struck
        run.mkdir()
        for name in ("run.json", "environment.json", *(path.name for path in old.glob("*.py"))):
            shutil.copy(old / name, run / name)
        (root / "work" / "scripts" / "train.py").write_text(self.tried)
        return run

    @staticmethod
    def launch(run: Path, *strace: str) -> int:
        """Run the launcher under strace; return how it ended."""
        null = subprocess.DEVNULL
        done = subprocess.run(["strace", *strace, sys.executable, "-I", str(run / "launcher.py")], check=False, stdin=null, stdout=null,
                              stderr=null, start_new_session=True)  # fmt: skip
        return done.returncode

    def points(self, run: Path) -> list[Point]:
        """The calls of a launcher that change something."""
        trace = run.parents[2] / "trace"
        assert self.launch(run, "-y", "-s", "4096", "-o", str(trace), "-e", f"trace={CHANGING}") == 0
        return list(changing_points(trace.read_text(errors="replace").splitlines(), str(run.parent)))

    def kill_launcher(self, run: Path, point: Point) -> bool:
        """Run the launcher, and kill it at that call; false if it does not come to that."""
        inject = ["-o", os.devnull, "-e", f"trace={point.call}", "-e", f"inject={point.call}:signal=KILL:when={point.number}"]
        where = ["-P", str(run.parent / point.path)] if point.path else []
        return self.launch(run, *inject, *where) == -signal.SIGKILL

    def during_run(self, run: Path, tally: Tally) -> None:
        """What holds whenever the launcher is killed."""
        state = json.loads((run / "state.json").read_text()) if (run / "state.json").exists() else {}
        tally.check(len(state.get("attempts", [])) <= 2, "more attempts than retries")
        tally.check("ended" not in state or state.get("exit_code") == 0, "an end that was none")
        tally.check((run.parent / "latest").resolve().is_dir(), "the link to the last run leads nowhere")


def command_lines() -> list[tuple[int, list[str]]]:
    """(pid, its words) of each process of this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append((int(path.parent.name), path.read_text(errors="replace").rstrip("\0").split("\0")))
    return found


def serves_sessions(pid: int) -> bool:
    """Whether it is tmux's server: its command line is that of its first session, and other tests have sessions there."""
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "tmux: server\n"
    except OSError:
        return False


def works(pid: int, directory: Path) -> bool:
    """Whether a process lives that has its working directory there."""
    try:
        return os.readlink(f"/proc/{pid}/cwd") == str(directory)
    except OSError:
        return False
