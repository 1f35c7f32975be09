# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one training as its user, and records when it started and how it ended.

The module training_run puts it into the folder of each run. It reads what to run from run.json and environment.json beside it, and
writes state.json. A hang-up (its tmux session or server killed) ends it together with the training, with no end on record: that
run has vanished.

SIGTERM is handed to the training. If stop.json was written just before, it is a stop: no further attempt is made, and what is left
after the grace period is killed.
"""

import glob
import json
import os
import pwd
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time

RUN = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, RUN)
sys.dont_write_bytecode = True

import checkpoints  # noqa: E402
import old_runs  # noqa: E402
from processes import MARK, adopt_orphans, end_leftovers, processes, send  # noqa: E402

STATE = {}
RECORDING = threading.RLock()  # the thread that shows the log records as well
FIRST_EPOCH = re.compile(rb"(?i)epoch\W{0,4}\d")
STOP = {}  # how the training was asked to end
TRAINING = []  # the pid of its main process

END_TIMEOUT = 600  # seconds for the command that is run at the end
STOP_FRESH = 60  # seconds within which a SIGTERM belongs to a request to stop
LEFTOVER_GRACE = 10  # seconds for what a failed attempt leaves behind
RETRY_PAUSE = 3
MOST_ATTEMPTS = 20  # on record


# --- the record ------------------------------------------------------------------------------------------------------


def record(**news):
    """Write the state whole, then put it in place. Padded, so that the end finds room on a full disk as well."""
    with RECORDING:
        STATE.update(news)
        path = os.path.join(RUN, "state.json")
        data = json.dumps(STATE, sort_keys=True).ljust(16000).encode() + b"\n"
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


def become_latest():
    root, name = os.path.split(RUN)
    # Always the same name, so that what a killed launcher left is replaced.
    link = os.path.join(root, ".latest.new")
    if os.path.lexists(link):
        os.unlink(link)
    os.symlink(name, link)
    os.replace(link, os.path.join(root, "latest"))


def show_log(path):
    """Copy the log to the terminal, for whoever attaches, and record when the first epoch was named: from then on its pace is measured.

    The training never waits for a terminal.
    """
    with open(path, "rb") as stream:
        while True:
            data = stream.read(65536)
            if not data:
                time.sleep(0.5)
                continue
            if "epoch_named" not in STATE and FIRST_EPOCH.search(data):
                record(epoch_named=time.time())
            try:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            except OSError:
                return


# --- processes -------------------------------------------------------------------------------------------------------


def wait_for(training):
    """Return the wait status of the training's main process. Orphans that end meanwhile are reaped too."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == training.pid:
            del TRAINING[:]
            training.returncode = status
            return status


def on_sigterm(_number, _frame):
    """Hand SIGTERM to the training; if a stop was requested, limit the time it has."""
    STOP.setdefault("deadline", 0.0)
    try:
        request = old_runs.read("stop.json", RUN)
        if abs(time.time() - request["at"]) < STOP_FRESH:
            STOP.update(by=str(request["by"])[:200], why=str(request["why"])[:40], deadline=time.monotonic() + request["grace"])
            signal.setitimer(signal.ITIMER_REAL, max(0.01, request["grace"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    for pid in TRAINING:
        send(pid, signal.SIGTERM)


def on_sigalrm(_number, _frame):
    """The grace period of a stop is over."""
    for pid in processes(RUN):
        send(pid, signal.SIGKILL)


# --- the training ----------------------------------------------------------------------------------------------------


def login_shell(run):
    """Return the words that run a text in a login shell, and what makes a pipe fail with any of its parts.

    In a login shell functions of the profile are known (module, for example). It is the user's own one if that is bash or zsh, else
    bash if the host has it, else sh.
    """
    # A profile that ends its shell, or starts another program, is not read again.
    option = ["-l", "-c"] if run["login_shell"] else ["-c"]
    for shell in (pwd.getpwuid(os.geteuid()).pw_shell, "/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash"):
        if os.path.basename(shell) in ("bash", "zsh") and os.access(shell, os.X_OK):
            return [shell, *option], "set -o pipefail\n"
    return ["/bin/sh", *option], ""


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


def start_script(run, configured, final):
    """Return a script that activates the environment and then runs the final text, whatever an activation ends with."""
    variables, folder, scripts = activation(run["virtualenv"]) if run["virtualenv"] else ({}, "", [])
    # What a profile prints is not the training's.
    lines = ["exec >>%s 2>&1" % shlex.quote(os.path.join(RUN, "training.log"))]
    lines.append("cd -- " + shlex.quote(os.path.join(RUN, run["cwd"])))
    # A profile that is read again must not win.
    for name, value in sorted({**configured, **variables}.items()):
        if re.match(r"[A-Za-z_]\w*\Z", name):
            lines.append("export %s=%s" % (name, shlex.quote(value)))
    lines += ['export PATH=%s:"$PATH"' % shlex.quote(folder)] if folder else []
    final = "trap - EXIT; set +eu; unset -f enter; " + final
    # Sourced in a function without arguments of its own: a script would see the shell's.
    lines += ["trap %s EXIT" % shlex.quote(final + "\nexit $?"), 'enter() { . "$script"; }']
    lines += ["script=%s; enter" % shlex.quote(script) for script in scripts]
    return "\n".join([*lines, final, ""])


def training_command(run, configured):
    """Return the command of the training, which activates its environment first."""
    if run["text"]:
        words, pipefail = login_shell(run)
        final = pipefail + "eval " + shlex.quote(" ".join([run["text"], *map(shlex.quote, run["arguments"])]))
    elif run["virtualenv"]:
        words = ["/bin/bash" if os.access("/bin/bash", os.X_OK) else "/bin/sh", "-c"]
        final = "exec " + " ".join(map(shlex.quote, run["command"]))
    else:
        return run["command"]
    # It holds values that only the user may see.
    path = os.path.join(RUN, "start.sh")
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(os.fsencode(start_script(run, configured, final)))
    return [*words, '. "$0"', path]


def tail_of(path):
    """Return the end of the log, for whoever waits for the start."""
    with open(path, "rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - 2000))
        return stream.read().decode("utf-8", "replace")


def attempt(number, command, run, environment, log):
    """Run the training once; returns how it ended."""
    began = time.time()
    environment = dict(environment, TRAINPREP_ATTEMPT=str(number))
    places = checkpoints.places_of(run["directory"], RUN) if number > 1 else ()
    checkpoint = checkpoints.path_to_resume(checkpoints.newest_checkpoint(places, STATE["started"] - 1))
    if checkpoint:
        environment["TRAINPREP_CHECKPOINT"] = checkpoint
    end = {"number": number, "started": began, "checkpoint": checkpoint or None}
    try:
        training = subprocess.Popen(
            command, cwd=os.path.join(RUN, run["cwd"]), env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL if run["text"] else log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except OSError as error:
        return dict(end, ended=time.time(), exit_code=127, error=str(error)[:300])
    TRAINING.append(training.pid)
    if STOP:
        send(training.pid, signal.SIGTERM)  # it came while this one was being started
    record(trainer={"pid": training.pid, "started": old_runs.ticks(training.pid)}, attempt=dict(end))
    status = wait_for(training)
    # Python tells a signal from an exit code by the wait status; a shell folds both into one number.
    how = {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else {"exit_code": os.WEXITSTATUS(status)}
    return dict(end, ended=time.time(), **how)


def train(run, environment, configured):
    """Run the training to its end, with as many attempts as it may have; returns the exit code that a shell would show."""
    path = os.path.join(RUN, "training.log")
    # Created here and by nobody before: the folder is this run's alone.
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
    own = {"pid": os.getpid(), "started": old_runs.ticks(os.getpid())}
    record(started=time.time(), launcher=own, boot_id=old_runs.boot_id(), attempts=[])
    become_latest()
    command = training_command(run, configured)

    # Ctrl-C in the session is for the training, which gets it too; its end is still to be recorded.
    # A handler, not SIG_IGN: that would be inherited.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.signal(signal.SIGQUIT, lambda number, frame: None)
    signal.signal(signal.SIGALRM, on_sigalrm)
    signal.signal(signal.SIGTERM, on_sigterm)
    threading.Thread(target=show_log, args=(path,), daemon=True).start()
    last = run["retries"] + 1
    for number in range(1, last + 1):
        end = attempt(number, command, run, environment, log)
        record(attempts=(STATE["attempts"] + [end])[-MOST_ATTEMPTS:])
        if end.get("exit_code") == 0 or number == last or STOP:
            break
        end_leftovers(RUN, time.monotonic() + LEFTOVER_GRACE)
        how = "signal %d" % end["signal"] if "signal" in end else "exit code %d" % end["exit_code"]
        os.write(log, b"\n[trainprep] attempt %d of %d ended with %s: trying again\n" % (number, last, how.encode()))
        pause = time.monotonic() + RETRY_PAUSE
        while time.monotonic() < pause and not STOP:
            time.sleep(0.1)
        if STOP:
            break
    os.close(log)
    record(tail=tail_of(path))
    stopped = {}
    if "by" in STOP:
        end_leftovers(RUN, STOP["deadline"])
        stopped = {"stopped": {"by": STOP["by"], "why": STOP["why"]}}
    # From here on nothing is left to stop but the command for the end, which is not the training.
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    how = {name: end[name] for name in ("exit_code", "signal", "error") if name in end}
    # What outlives the main process is found by these, even if it has lost its mark.
    outlived = [{"pid": pid, "started": began} for pid, began in sorted(processes(RUN).items())][:20]
    record(ended=time.time(), outlived=outlived, **how, **stopped)
    return 128 + end["signal"] if "signal" in end else end["exit_code"]


def outcome(run):
    """Return how the run has ended, for the command that is run then."""
    state = "stopped" if "stopped" in STATE else "succeeded" if STATE.get("exit_code") == 0 else "failed"
    found = {name: STATE.get(name) for name in ("started", "ended", "exit_code", "signal", "error", "stopped")}
    found.update((name, run.get(name)) for name in ("session", "user", "directory", "command_line", "feature_status", "project"))
    found.update(state="killed" if state == "failed" and found["signal"] is not None else state, host=socket.gethostname())
    found.update(run=RUN, log=os.path.join(RUN, "training.log"), attempts=len(STATE["attempts"]))
    return found


def run_on_end(run, environment):
    """Run the command for the end with the outcome on its standard input. Returns how that went."""
    path, command = os.path.join(RUN, "on_end.log"), run["on_end"]
    if run["on_end_text"]:
        words, pipefail = login_shell(run)
        command = [*words, "exec >>%s 2>&1\n%s%s" % (shlex.quote(path), pipefail, run["on_end_text"])]
    try:
        with open(path, "wb") as log:
            process = subprocess.Popen(
                command, cwd=run["directory"], env=environment, start_new_session=True, stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL if run["on_end_text"] else log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            process.communicate(json.dumps(outcome(run)).encode() + b"\n", timeout=END_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return {"error": "killed after %d s" % END_TIMEOUT}
    except OSError as error:
        return {"error": str(error)[:500]}
    return {"signal": -process.returncode} if process.returncode < 0 else {"exit_code": process.returncode}


def main():
    run, given = old_runs.read("run.json", RUN), old_runs.read("environment.json", RUN)
    configured = dict(run["variables"], PYTHONUNBUFFERED="1")
    configured.update((name, str(value)) for name, value in given["configured"].items())
    environment = dict(given["login"], **configured)
    adopt_orphans()
    try:
        STATE["old_runs"] = old_runs.remove_old_runs(*os.path.split(RUN), run["keep_runs"])
    except OSError as error:
        STATE["old_runs"] = {"removed": 0, "kept": [], "error": str(error)[:500]}
    STATE["changes"] = old_runs.changes_since_last(RUN)
    if run["cwd"] == "project":
        old_runs.settle_project(RUN, run["directory"])
    code = train(run, dict(environment, **{MARK: RUN}), configured)
    if run["on_end"] or run["on_end_text"]:
        # After the end is on record: it changes nothing of the outcome.
        record(on_end=run_on_end(run, environment))
    return code


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # not waiting for the terminal
