# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one training as its user, and records when it started and how it ended.

The role trainprep.features.deploy_training puts it into the folder of each run. It reads what to run from run.json and
environment.json beside it, and writes state.json and training.log. A hang-up (its tmux session or server killed) ends it
together with the training, with no end on record: that run has vanished.

Called with --login it prints the environment of a login of its user, and what is amiss with it, as JSON.
"""

import contextlib
import glob
import json
import os
import pwd
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

RUN = os.path.dirname(os.path.abspath(__file__)) if "__file__" in globals() else ""
STATE = {}

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LOGIN_FILES = ("/etc/environment", "/etc/default/locale")  # what PAM gives a login before its shell starts
LOGIN_PATIENCE = 30  # seconds for the profile of the login shell
END_PATIENCE = 600  # and for the command that is run at the end

# Each script in a function without arguments of its own: one that is sourced would see the shell's. However it ends, by an
# exit or with an error too, the training is what comes after it.
ACTIVATE = 'trap %s EXIT; enter() { . "$script"; }; for script; do enter; done; %s'
RESUME = "--resume"

RUN_NAME = re.compile(r"(\d{8}T\d{6}Z)(?:-(\d+))?\Z")
OLD = ".old-"
OURS = {"run.json", "environment.json", "state.json", "state.json.new", "training.log", "on_end.log", "launcher.py"}


# --- the environment -------------------------------------------------------------------------------------------------


def parse_assignments(text):
    """The variables of a file with NAME=value lines, as PAM reads it."""
    found = {}
    for line in text.splitlines():
        match = re.match(r"(?:export\s+)?([A-Za-z_]\w*)=(.*)\Z", line.strip())
        if match:
            name, value = match.group(1), match.group(2).strip()
            found[name] = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
    return found


def login_environment():
    """The environment of a plain login, and what is amiss with it or nothing.

    The login shell reads its profile in an empty environment and says what it has then. One that does not (no login shell at
    all, a profile that starts something else) leaves what every login has.
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
    # Whatever a profile prints stands before the mark; whatever is printed at the end has no NUL behind it.
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
        return process.communicate(timeout=LOGIN_PATIENCE)[0], "exit code %d" % process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return b"", "its profile takes more than %d s" % LOGIN_PATIENCE


def activation(path):
    """What makes the environment in this folder active: variables, a folder before PATH, scripts for a shell to read."""
    folder = os.path.join(path, "bin")
    if os.path.isdir(os.path.join(path, "conda-meta")):
        named = os.path.basename(os.path.dirname(path)) == "envs"
        variables = {"CONDA_PREFIX": path, "CONDA_DEFAULT_ENV": os.path.basename(path) if named else path, "CONDA_SHLVL": "1"}
        try:
            # What `conda env config vars set` has kept.
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


# --- the record ------------------------------------------------------------------------------------------------------


def ticks(pid):
    """When a process started, in clock ticks since boot: with the pid it names the process for good."""
    with open("/proc/%d/stat" % pid, "rb") as stream:
        return int(stream.read().rpartition(b")")[2].split()[19])


def boot_id():
    try:
        with open("/proc/sys/kernel/random/boot_id") as stream:
            return stream.read().strip()
    except OSError:
        return ""


def record(**news):
    """Write the state whole, then put it in place. Padded, so that the end finds room on a full disk as well."""
    STATE.update(news)
    path = os.path.join(RUN, "state.json")
    data = json.dumps(STATE, sort_keys=True).ljust(4000).encode() + b"\n"
    try:
        with open(path + ".new", "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(path + ".new", path)
    except OSError:
        with open(path, "r+b") as stream:
            stream.write(data)
            stream.truncate()


def read(name, run=None):
    with open(os.path.join(run or RUN, name), encoding="utf-8") as stream:
        return json.load(stream)


def become_latest():
    root, name = os.path.split(RUN)
    link = os.path.join(root, ".latest.%d" % os.getpid())
    os.symlink(name, link)
    os.replace(link, os.path.join(root, "latest"))


def show_log(path):
    """Copy the log to the terminal, for whoever attaches. The training never waits for a terminal."""
    with open(path, "rb") as stream:
        while True:
            data = stream.read(65536)
            if not data:
                time.sleep(0.5)
                continue
            try:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            except OSError:
                return


# --- runs of before --------------------------------------------------------------------------------------------------


def remove_old_runs(keep):
    """Remove the oldest ended runs of this session but C(keep), never this one and none that holds a training's files."""
    root, current = os.path.split(RUN)
    names = os.listdir(root)
    for name in names:
        if name.startswith(OLD):
            shutil.rmtree(os.path.join(root, name), ignore_errors=True)
    found = [(RUN_NAME.match(name), os.path.join(root, name)) for name in names if name != current]
    runs = sorted((match.group(1), int(match.group(2) or 1), path) for match, path in found if match and os.path.isdir(path))
    ended = [path for _time, _number, path in runs if not lives(path)]
    removed, kept = [], []
    for path in ended[:-keep]:
        if holds_results(path):
            kept.append(os.path.basename(path))
            continue
        # Under another name first: what a killed removal leaves is not a run.
        old = os.path.join(root, OLD + os.path.basename(path))
        os.rename(path, old)
        shutil.rmtree(old)
        removed.append(os.path.basename(path))
    return {"removed": len(removed), "kept": kept[:10]}


def lives(run):
    """Whether a run's launcher or training lives; one whose state is damaged is left to its user."""
    try:
        state = read("state.json", run)
        if state.get("boot_id") != boot_id():
            return False
        entries = [state[name] for name in ("launcher", "trainer") if name in state]
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError):
        return True
    for entry in entries:
        try:
            if ticks(entry["pid"]) == entry["started"]:
                return True
        except (OSError, IndexError, ValueError):
            pass
    return False


def holds_results(run):
    """Whether anything lies in a run's folder that neither a deploy nor a launcher has put there, or not like that."""
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
    """Size and time of each file of a project, by its path. What Python compiles is not worth keeping."""
    found = {}
    for folder, folders, names in os.walk(project):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names + links:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            found[os.path.relpath(path, project)] = [info.st_size, info.st_mtime_ns]
    return found


def settle_project(run):
    """What a training writes below checkpoints/ outlives its run's copy of the project; what was sent is remembered."""
    project = os.path.join(RUN, "project")
    checkpoints = os.path.join(project, "checkpoints")
    if not os.path.lexists(checkpoints):
        os.symlink(os.path.join(run["directory"], "checkpoints"), checkpoints)
    with open(os.path.join(RUN, "project.json"), "w", encoding="utf-8") as stream:
        json.dump(files_of(project), stream)


# --- the training ----------------------------------------------------------------------------------------------------


def start(run, environment, log):
    """Start the training in its environment."""
    command = run["command"]
    if run["virtualenv"]:
        variables, folder, scripts = activation(run["virtualenv"])
        environment = dict(environment, **variables)
        if folder:
            environment["PATH"] = folder + ":" + environment.get("PATH", PATH)
        if scripts:
            shell = "/bin/bash" if os.access("/bin/bash", os.X_OK) else "/bin/sh"
            resume = "exec " + " ".join(map(shlex.quote, [sys.executable, "-I", os.path.abspath(__file__), RESUME]))
            command = [shell, "-c", ACTIVATE % (shlex.quote(resume), resume), "launcher"] + scripts
    return subprocess.Popen(
        command, cwd=os.path.join(RUN, run["cwd"]), env=environment,
        stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip


def resume():
    """What is left when the scripts have been read, in their environment and under the same process id."""
    command = read("run.json")["command"]
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print("%s: %s: %s" % (type(error).__name__, error.strerror, command[0]), file=sys.stderr, flush=True)
        os._exit(127)


def train(run, environment):
    """Run the training to its end; returns the exit code that a shell would show."""
    path = os.path.join(RUN, "training.log")
    # Created here and by nobody before: the folder is this run's alone.
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
    own = {"pid": os.getpid(), "started": ticks(os.getpid())}
    record(started=time.time(), launcher=own, boot_id=boot_id())
    become_latest()

    # Ctrl-C in the session is for the training, which gets it too; its end is still to be recorded.
    # A handler, not SIG_IGN: that would be inherited.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.signal(signal.SIGQUIT, lambda number, frame: None)
    try:
        training = start(run, environment, log)
    except OSError as error:
        record(ended=time.time(), exit_code=127, error=str(error)[:500])
        return 127
    signal.signal(signal.SIGTERM, lambda number, frame: training.send_signal(number))
    with contextlib.suppress(OSError):  # one that has ended at once has no /proc entry left to name
        record(trainer={"pid": training.pid, "started": ticks(training.pid)})
    os.close(log)
    threading.Thread(target=show_log, args=(path,), daemon=True).start()

    code = training.wait()
    # Python tells a signal from an exit code by the wait status; a shell folds both into one number.
    if code < 0:
        record(ended=time.time(), signal=-code)
        return 128 - code
    record(ended=time.time(), exit_code=code)
    return code


def outcome(run):
    """How the run has ended, for the command that is run then."""
    state = "succeeded" if STATE.get("exit_code") == 0 else "failed"
    found = {name: STATE.get(name) for name in ("started", "ended", "exit_code", "signal", "error")}
    found.update((name, run.get(name)) for name in ("session", "user", "directory", "command_line", "feature_status", "project"))
    found.update(state=state if found["signal"] is None else "killed", host=socket.gethostname())
    found.update(run=RUN, log=os.path.join(RUN, "training.log"))
    return found


def run_on_end(run, environment):
    """Run the command for the end with the outcome on its standard input. Returns how that went."""
    try:
        with open(os.path.join(RUN, "on_end.log"), "wb") as log:
            process = subprocess.Popen(
                run["on_end"], cwd=run["directory"], env=environment, start_new_session=True,
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            process.communicate(json.dumps(outcome(run)).encode() + b"\n", timeout=END_PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return {"error": "killed after %d s" % END_PATIENCE}
    except OSError as error:
        return {"error": str(error)[:500]}
    return {"signal": -process.returncode} if process.returncode < 0 else {"exit_code": process.returncode}


def main():
    run, given = read("run.json"), read("environment.json")
    environment = dict(given["login"], PYTHONUNBUFFERED="1", **run["variables"])
    environment.update((name, str(value)) for name, value in given["configured"].items())
    try:
        STATE["old_runs"] = remove_old_runs(run["keep_runs"])
    except OSError as error:
        STATE["old_runs"] = {"removed": 0, "kept": [], "error": str(error)[:500]}
    if run["cwd"] == "project":
        settle_project(run)
    code = train(run, environment)
    if run["on_end"]:
        # After the end is on record: it changes nothing of the outcome.
        record(on_end=run_on_end(run, environment))
    return code


if __name__ == "__main__":
    if sys.argv[1:] == ["--login"]:
        json.dump(login_environment(), sys.stdout)
        sys.exit(0)
    if sys.argv[1:] == [RESUME]:
        resume()
    code = main()
    sys.stdout.flush()
    os._exit(code)  # not waiting for the terminal
