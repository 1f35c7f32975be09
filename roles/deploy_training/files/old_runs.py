# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier runs of a session: which are removed when another one starts, and which hold files of their training.

Called with a folder of runs and how many ended ones to keep it removes the oldest (only counts
them with a third argument, check), and prints the result as JSON.
"""

import json
import os
import re
import shutil
import sys

RUN_NAME = re.compile(r"(\d{8}T\d{6}Z)(?:-(\d+))?\Z")
OLD = ".old-"
OURS = {
    "run.json", "environment.json", "state.json", "state.json.new", "stop.json", "start.sh", "training.log", "on_end.log",
    "launcher.py", "checkpoints.py", "old_runs.py", "processes.py",
}  # fmt: skip


def fields_of(pid):
    """Return the fields of /proc/PID/stat from the process's state on."""
    with open("/proc/%d/stat" % pid, "rb") as stream:
        return stream.read().rpartition(b")")[2].split()


def ticks(pid):
    """Return when a process started, in clock ticks since boot: together with the pid it identifies the process."""
    return int(fields_of(pid)[19])


def boot_id():
    try:
        with open("/proc/sys/kernel/random/boot_id") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def read(name, run):
    with open(os.path.join(run, name), encoding="utf-8") as stream:
        return json.load(stream)


def remove_old_runs(root, current, keep, check=False):
    """Remove the oldest ended runs below root except C(keep), never the current one and none that holds a training's files."""
    names = os.listdir(root)
    for name in names:
        if name.startswith(OLD) and not check:
            shutil.rmtree(os.path.join(root, name), ignore_errors=True)
    found = [(RUN_NAME.match(name), os.path.join(root, name)) for name in names if name != current]
    runs = sorted((match.group(1), int(match.group(2) or 1), path) for match, path in found if match and os.path.isdir(path))
    ended = [path for _time, _number, path in runs if not lives(path)]
    removed, kept = [], []
    for path in ended[:-keep]:
        if holds_results(path):
            kept.append(os.path.basename(path))
            continue
        removed.append(os.path.basename(path))
        if check:
            continue
        # Under another name first: what a killed removal leaves is not a run.
        old = os.path.join(root, OLD + os.path.basename(path))
        os.rename(path, old)
        shutil.rmtree(old)
    return {"removed": len(removed), "kept": kept[:10]}


def lives(run):
    """True if a run's launcher, training or a process that outlived it is there; one whose state is damaged is left to its user."""
    try:
        state = read("state.json", run)
        if state.get("boot_id") != boot_id():
            return False
        entries = [state[name] for name in ("launcher", "trainer") if name in state] + list(state.get("outlived", []))
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError):
        return True
    for entry in entries:
        try:
            fields = fields_of(entry["pid"])
            # A zombie has ended: it waits for its parent, which may be a tmux server.
            if int(fields[19]) == entry["started"] and fields[0] not in (b"Z", b"X", b"x"):
                return True
        except (OSError, IndexError, ValueError):
            pass
    return False


def holds_results(run):
    """True if a run's folder has anything that neither a deploy nor a launcher put there."""
    others = set(os.listdir(run)) - OURS - {"project", "project.json"}
    project = os.path.join(run, "project")
    if others or not os.path.isdir(project):
        return bool(others)
    try:
        known = read("project.json", run)
    except (OSError, ValueError):
        return True
    return any(known.get(name) != seen for name, seen in files_of(project).items())


def files_of(project):
    """Return size and time of each file of a project, by its path, without what Python compiles."""
    found = {}
    for folder, folders, names in os.walk(project):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names + links:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            found[os.path.relpath(path, project)] = [info.st_size, info.st_mtime_ns]
    return found


def settle_project(path, directory):
    """Link checkpoints/ to the working directory's, so that it outlives this copy, and record the files that were sent."""
    project = os.path.join(path, "project")
    checkpoints = os.path.join(project, "checkpoints")
    if not os.path.lexists(checkpoints):
        os.symlink(os.path.join(directory, "checkpoints"), checkpoints)
    with open(os.path.join(path, "project.json"), "w", encoding="utf-8") as stream:
        json.dump(files_of(project), stream)


def options_of(record):
    """Return what a run was started with: the values of each option, and under an empty name what stands before the first one."""
    found, name = {"": []}, ""
    for word in record.get("arguments") or []:
        if word.startswith("-") and not re.match(r"-[\d.]", word):
            name, sign, value = word.partition("=")
            found[name] = [value] if sign else []
        else:
            found.setdefault(name, []).append(word)
    return {name: " ".join(values) for name, values in found.items()}


def changes(before, now):
    """Return how a run differs from the one before, as texts (--lr 0.05 → 0.01). before, now: what run.json holds."""
    old, new, found = options_of(before), options_of(now), []
    for name in sorted({*old, *new}):
        if name not in new:
            found.append("without %s" % name)
        elif name not in old:
            found.append(("with %s %s" % (name, new[name])).strip())
        elif old[name] != new[name]:
            found.append(("%s %s → %s" % (name, old[name] or "(none)", new[name] or "(none)")).strip())
    for name, keys in (("command", ("text",)), ("commit", ("commit",)), ("data", ("data", "digest"))):
        values = []
        for record in (before, now):
            for key in keys:
                record = record.get(key) if isinstance(record, dict) else None
            values.append((record if name == "command" else str(record or "")[:12]) or "(none)")
        if values[0] != values[1]:
            found.append("%s %s → %s" % (name, values[0], values[1]))
    if now.get("dirty"):
        found.append("uncommitted changes")
    elif before.get("script_sha256") != now.get("script_sha256") and before.get("commit") == now.get("commit"):
        found.append("another script")
    return [text[:200] for text in found[:20]]


def changes_since_last(run):
    """Return how a run that is about to start differs from the last one of its session."""
    try:
        last = os.path.join(os.path.dirname(run), os.readlink(os.path.join(os.path.dirname(run), "latest")))
        return changes(read("run.json", last), read("run.json", run))
    except (OSError, ValueError, TypeError, AttributeError):
        return []


if __name__ == "__main__":
    json.dump(remove_old_runs(sys.argv[1], "", int(sys.argv[2]), sys.argv[3:] == ["check"]), sys.stdout)
