# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training of this user finds on this host: an environment, programs, free GPUs, room for a checkpoint.

The module training_run runs this file as the training user before anything is changed, with one JSON argument, and reads one
JSON object from its standard output. The launcher imports it.
"""

import glob
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import zlib

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LOGIN_FILES = ("/etc/environment", "/etc/default/locale")  # what PAM gives a login before its shell starts
LOGIN_TIMEOUT = 30  # seconds for the profile of the login shell
GPU_TIMEOUT = 60
GPU_FIELDS = ("index", "name", "utilization.gpu", "memory.used", "memory.total", "uuid")
APP_FIELDS = ("gpu_uuid", "pid", "used_memory")

MODELS = (
    ".ckpt", ".h5", ".hdf5", ".joblib", ".keras", ".model", ".msgpack", ".onnx", ".pb", ".pt", ".pth", ".safetensors", ".weights",
)  # fmt: skip
# Checkpoints below a folder of that name only.
MORE_MODELS = (".bin", ".index", ".npy", ".npz", ".pickle", ".pkl", ".tar")
MOST_ENTRIES = 50000  # of one place
CHECKPOINT_FOLDER = re.compile(r"checkpoint[-_]\d+\Z")  # of several files that belong together


class Problem(Exception):
    """A message for the user."""


# --- the environment of a login --------------------------------------------------------------------------------------


def parse_assignments(text):
    """Return the variables of a file with NAME=value lines, as PAM reads it."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"(?:export\s+)?([A-Za-z_]\w*)=(.*)\Z", line.strip())
        if match:
            name, value = match.group(1), match.group(2).strip()
            found[name] = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
    return found


def login_environment():
    """Return the environment of a plain login, and a warning or an empty text.

    The login shell reads its profile in an empty environment and prints what it has then. If it prints nothing (no login
    shell at all, a profile that starts something else), the result is what every login has.
    """
    user = pwd.getpwuid(os.geteuid())
    base = {"PATH": PATH, "LANG": "C.UTF-8", "TERM": "dumb"}
    for path in LOGIN_FILES:
        try:
            with open(path, encoding="utf-8") as stream:
                base.update(parse_assignments(stream.read()))
        except (OSError, ValueError):
            pass
    shell = user.pw_shell or "/bin/sh"
    base.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name, SHELL=shell)
    # A profile prints before the mark; what is printed at the end has no NUL behind it.
    mark = secrets.token_hex(16)
    said, problem = ask_login_shell(shell, "echo %s; env -0" % mark, base)
    entries = said.partition(mark.encode() + b"\n")[2].split(b"\0")[:-1]
    if not entries:
        return base, "the login shell %s of user %s gives no environment (%s), so the training has a plain one" % (
            shell, user.pw_name, problem)  # fmt: skip
    pairs = (os.fsdecode(entry).partition("=") for entry in entries)
    return {name: value for name, _sign, value in pairs if name not in ("_", "SHLVL", "PWD", "OLDPWD")}, ""


def ask_login_shell(shell, command, environment):
    try:
        process = subprocess.Popen(
            # A dash before its name makes any shell a login shell.
            ["-" + os.path.basename(shell), "-c", command], executable=shell, env=environment, start_new_session=True,
            cwd=environment["HOME"] if os.path.isdir(environment["HOME"]) else "/",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        return b"", error.strerror
    try:
        return process.communicate(timeout=LOGIN_TIMEOUT)[0], "exit code %d" % process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return b"", "its profile takes more than %d s" % LOGIN_TIMEOUT


# --- the tmux server -------------------------------------------------------------------------------------------------


def rights(pid):
    """Return what decides what a process may read, beside its user; nothing if it is gone."""
    found = {}
    try:
        with open("/proc/%s/status" % pid, encoding="utf-8", errors="replace") as stream:
            fields = dict(line.split(":", 1) for line in stream if ":" in line)
        groups = {fields["Gid"].split()[1], *fields["Groups"].split()}
        found = {"groups": " ".join(sorted(groups, key=int)), "capabilities": fields.get("CapEff", "").strip()}
        for name in ("mnt", "user"):
            found[name + " namespace"] = os.readlink("/proc/%s/ns/%s" % (pid, name))
        found["root directory"] = os.readlink("/proc/%s/root" % pid)
    except (OSError, KeyError):
        pass
    return found


def find_server(tmux, login, socket):
    """Return the process of a tmux server, or None. socket: its name; empty for the one that a login finds."""
    command = [tmux, *(["-L", socket] if socket else []), "display-message", "-p", "#{pid}"]
    done = subprocess.run(command, env=login, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    pid = done.stdout.decode("utf-8", "replace").strip()
    return int(pid) if done.returncode == 0 and pid.isdigit() else None


def choose_server(tmux, login, user):
    """Return the socket for a new session, its server if one runs, and why it is not the usual one.

    A server that was started before the user's groups changed, or in another mount namespace, has other rights than those with which
    access to the features was proved.
    """
    own, server = rights("self"), find_server(tmux, login, "")
    found = rights(server) if server else {}
    odd = [name for name in found if found[name] != own.get(name)]
    if not odd:
        return "", server, ""
    socket = "trainprep-%08x" % zlib.crc32(repr(sorted(own.items())).encode())
    why = (
        "the tmux server of user %s (process %d) was started with other %s than that user has now, so the training runs on a server of"
        " its own: attach with `tmux -L %s attach`" % (user, server, odd[0], socket)
    )
    return socket, find_server(tmux, login, socket), why


# --- the virtual or conda environment, and programs ------------------------------------------------------------------


def activation(path):
    """Return what activates an environment: variables, a folder to put before PATH, scripts for a shell to read."""
    folder = os.path.join(path, "bin")
    if os.path.isdir(os.path.join(path, "conda-meta")):
        named = os.path.basename(os.path.dirname(path)) == "envs"
        variables = {"CONDA_PREFIX": path, "CONDA_DEFAULT_ENV": os.path.basename(path) if named else path, "CONDA_SHLVL": "1"}
        try:
            # What `conda env config vars set` has stored.
            with open(os.path.join(path, "conda-meta", "state"), encoding="utf-8") as stream:
                kept = json.load(stream).get("env_vars", {})
            variables.update((name, value) for name, value in kept.items() if value != "***unset***")
        except (OSError, ValueError):
            pass
        return variables, folder, sorted(glob.glob(os.path.join(glob.escape(path), "etc", "conda", "activate.d", "*.sh")))
    activate = os.path.join(folder, "activate")
    if os.access(activate, os.R_OK):
        return {}, "", [activate]
    return {"VIRTUAL_ENV": path}, folder, []


def find_virtualenv(path, user, names):
    """Return the absolute path of a virtual or conda environment; empty if none is named."""
    if not path:
        return ""
    path = os.path.normpath(os.path.expanduser(path))
    hint = "create it, or set %s (empty: the host's python3)" % names["virtualenv"]
    if not os.path.isdir(path):
        raise Problem("the virtual environment %s is not there for user %s: %s" % (path, user, hint))
    marks = (os.path.join(path, *parts) for parts in (("conda-meta",), ("bin", "activate"), ("pyvenv.cfg",)))
    if not any(os.access(mark, os.R_OK) for mark in marks):
        raise Problem(
            "%s is neither a virtual environment (bin/activate) nor a conda environment (conda-meta) that user %s can read: %s"
            % (path, user, hint)
        )
    return path


def find_python(virtualenv, path, user, names):
    """Return the interpreter of a training script."""
    if virtualenv:
        python = os.path.join(virtualenv, "bin", "python")
        if os.access(python, os.X_OK):
            return python
        raise Problem(
            "the virtual environment %s has no bin/python that user %s may run: create it, or set %s (empty: the host's python3)"
            % (virtualenv, user, names["virtualenv"])
        )
    found = shutil.which("python3", path=path)
    if not found:
        raise Problem("user %s finds no python3 on this host: install it, or set %s" % (user, names["virtualenv"]))
    return found


def check_program(program, variable, path, user):
    """A program without a slash must be found; one with a slash is known only in its folder."""
    if program and "/" not in program and not shutil.which(program, path=path):
        raise Problem(
            "%s: user %s finds no program '%s' in %s: install it there, or give its whole path" % (variable, user, program, path)
        )


# --- checkpoints and their file system -------------------------------------------------------------------------------


def newest_checkpoint(places, since=0.0):
    """Return (path, bytes) of the model file that was written last since then, or None. places: (folder, whether to go deeper)."""
    newest = (-1.0, "", 0)
    for root, deep in places:
        queue, left = [root], MOST_ENTRIES
        while queue and left > 0:
            folder = queue.pop()
            endings = MODELS + MORE_MODELS if "checkpoints" in folder.split("/") else MODELS
            try:
                entries = list(os.scandir(folder))
            except OSError:
                continue
            left -= len(entries)
            for entry in entries:
                try:
                    info = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                if stat.S_ISDIR(info.st_mode):
                    queue += [entry.path] if deep else []
                elif stat.S_ISREG(info.st_mode) and entry.name.endswith(endings) and info.st_mtime >= max(since, newest[0]):
                    newest = (info.st_mtime, entry.path, info.st_size)
    return newest[1:] if newest[1] else None


def checkpoint_for(places, since):
    """Return the path by which a training resumes: of several files that belong together their folder."""
    found = newest_checkpoint(places, since)
    if not found:
        return ""
    folder = os.path.dirname(found[0])
    return folder if CHECKPOINT_FOLDER.match(os.path.basename(folder)) else found[0]


def check_disk(directory, names):
    """Refuse a file system that has no room for a checkpoint of the size that the last one has."""
    found = newest_checkpoint([(directory, False), (os.path.join(directory, "checkpoints"), True)])
    needed = found[1] if found else 1
    place = directory
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    info = os.statvfs(place)
    free = info.f_bavail * info.f_frsize
    if free < needed:
        because = "the checkpoint %s has %.1f" % (found[0], needed / 2**20) if found else "a training writes a log and checkpoints"
        raise Problem(
            "%s has %.1f MiB of free disk space, but %s: make room there, or set %s" % (place, free / 2**20, because, names["dir"])
        )


# --- GPUs ------------------------------------------------------------------------------------------------------------


def ask_gpus(query, fields):
    """Return the rows of a table that nvidia-smi prints."""
    program = shutil.which("nvidia-smi", path=os.environ.get("PATH", "") + ":" + PATH)
    if not program:
        raise Problem("nvidia-smi is not installed on this host")
    command = [program, "--query-%s=%s" % (query, ",".join(fields)), "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=GPU_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise Problem("nvidia-smi does not answer within %d s" % GPU_TIMEOUT) from None
    except OSError as error:
        raise Problem("nvidia-smi cannot be started (%s)" % error.strerror) from None
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        lines = (text + "\n" + done.stderr.decode("utf-8", "replace")).split("\n")
        said = [line.strip() for line in lines if line.strip()]
        raise Problem("nvidia-smi fails (exit code %d%s)" % (done.returncode, ": " + said[0][:300] if said else ""))
    return [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]


def busy_gpus(gpus, apps, own, memory):
    """Return why each GPU is not free, None for a free one. own: processes that end before the start. memory: MiB, or 0."""
    reasons = []
    for row in gpus:
        row = row + [""] * (len(GPU_FIELDS) - len(row))
        here = [app for app in apps if len(app) > 1 and app[0] == row[5] and app[1].isdigit()]
        foreign = [app[1] for app in here if int(app[1]) not in own]
        if not row[0].isdigit():
            reasons.append("%s does not answer" % ", ".join(cell for cell in row if cell)[:100])
        elif foreign:
            reasons.append("GPU %s is used by process %s" % (row[0], ", ".join(foreign[:5])))
        elif not memory:
            reasons.append(None)
        elif not (row[3].isdigit() and row[4].isdigit()):
            reasons.append("GPU %s does not report its memory" % row[0])
        else:
            freed = sum(int(app[2]) for app in here if len(app) > 2 and app[2].isdigit())
            free = int(row[4]) - int(row[3]) + freed
            reasons.append(None if free >= memory else "GPU %s has %d of %d MiB free" % (row[0], free, memory))
    return reasons


def check_gpus(wanted, memory, own, names):
    """Refuse a host that has fewer free GPUs than are wanted."""
    if not wanted:
        return
    hint = "free or repair them, or set %s" % names["require_gpus"]
    try:
        reasons = busy_gpus(ask_gpus("gpu", GPU_FIELDS), ask_gpus("compute-apps", APP_FIELDS), own, memory)
    except Problem as problem:
        raise Problem("%s is %d, but %s: %s" % (names["require_gpus"], wanted, problem, hint)) from None
    free = reasons.count(None)
    if free < wanted:
        busy = "; ".join(reason for reason in reasons if reason)
        raise Problem("%s is %d, but %d of %d GPUs are free%s: %s" % (
            names["require_gpus"], wanted, free, len(reasons), " (" + busy + ")" if busy else "", hint))  # fmt: skip


def preflight(order):
    """Return what a start needs to know, or raise Problem."""
    user, names = pwd.getpwuid(os.geteuid()).pw_name, order["names"]
    virtualenv = find_virtualenv(order["virtualenv"], user, names)
    login, warning = login_environment()
    path = order["path"] or login.get("PATH") or PATH
    searched = "%s/bin:%s" % (virtualenv, path) if virtualenv else path
    for variable, program in order["programs"].items():
        check_program(program, variable, searched, user)
    python = find_python(virtualenv, login.get("PATH") or PATH, user, names) if order["python"] else ""
    if order["start"]:
        check_gpus(order["gpus"], order["gpu_memory"], order["own"], names)
        check_disk(order["directory"], names)
    socket, server, why = choose_server(order["tmux"], login, user) if order["start"] else ("", None, "")
    found = {"login": login, "warning": warning, "virtualenv": virtualenv, "python": python}
    return dict(found, socket=socket, server=server, why=why)


if __name__ == "__main__":
    try:
        answer = preflight(json.loads(sys.argv[1]))
    except Problem as problem:
        answer = {"error": str(problem)}
    json.dump(answer, sys.stdout)
