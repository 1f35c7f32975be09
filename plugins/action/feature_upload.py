# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Upload the features that a host lacks into its staging directories, with rsync over SSH."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import FeatureSet, parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._spec.sources import parse_store, settings_of
from ansible_collections.trainprep.features.plugins.module_utils._system.paths import display as shown
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, naming
from ansible_collections.trainprep.features.plugins.plugin_utils._report.words import size
from ansible_collections.trainprep.features.plugins.plugin_utils._upload import fetch as upload_fetch
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.connections import Connections
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.failures import Where, explain
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.line_check import LineCheck, check_line
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.progress import (
    Board,
    Meter,
    Progress,
    Watch,
    clock,
    terminal_size,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.rsync import (
    ARRIVED_WORD,
    Receiving,
    Sending,
    check_options,
    check_streams,
    choose_streams,
    files_list,
    send_on_this_machine,
    send_over_ssh,
    share_out,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.transfer import (
    Ended,
    first_failure,
    run_streams,
)
from ansible_collections.trainprep.features.plugins.plugin_utils.feature_answers import UPLOADS
from ansible_collections.trainprep.features.plugins.plugin_utils.interrupts import show, threads_show
from ansible_collections.trainprep.features.plugins.plugin_utils.module_action import run_module
from ansible_collections.trainprep.features.plugins.plugin_utils.ssh import Login, login_of

if TYPE_CHECKING:
    from ansible_collections.trainprep.features.plugins.plugin_utils._upload.source import Source

_ARGUMENTS = ("sets", "all_sets", "user", "rsync_opts", "streams", "wait", "variable_prefix", "variable_names")
_WAIT = 60.0


class ActionModule(ActionBase):
    """The action plugin of O(trainprep.features.feature_upload)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _connections: Connections | None = None

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Uploads each of the sets; a FeatureError is the task's failure."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(changed=False, sets={})
        try:
            with naming(self._task.args):
                self._upload(result, task_vars or {})
        except FeatureError as error:
            result.update(failed=True, msg=str(error))
        return result

    def _upload(self, result: dict[str, Any], task_vars: dict[str, Any]) -> None:
        sets = self._parse(task_vars)
        stores = {one.name for one in sets if one.source and parse_store(one.source)}
        from_here = [one for one in sets if one.name not in stores]
        sources: dict[str, Source] = {}
        with contextlib.ExitStack() as stack:
            if from_here:
                # All of this machine's side, and the line, before the host is changed; in check mode too.
                self._check_controller()
                check = self._start_line_check()
                sources = {one.name: self._classify(one, task_vars) for one in from_here}
                if not (self._local or self._task.check_mode):
                    self._connections = stack.enter_context(Connections(self._login(), str(self._run_directory)))
                streams = choose_streams(self._streams, self._more, self._round_trip(check))
                if self._connections:
                    self._connections.open(streams)
                prepared = self._prepare(sources, task_vars)
                result["changed"] = bool(prepared.get("changed"))
            for one in sets:
                source = sources.get(one.name)
                done = self._upload_set(one, source, prepared, streams) if source else self._fetch_set(one, task_vars)
                result["sets"][one.name] = done
                result["changed"] = result["changed"] or done["sent"] > 0

    def _parse(self, task_vars: dict[str, Any]) -> list[FeatureSet]:
        """The sets to upload; what else the task says stands in attributes then."""
        arguments = self._task.args
        unknown = sorted(set(arguments) - set(_ARGUMENTS))
        if unknown:
            raise FeatureError(f"feature_upload has no option '{unknown[0]}': its options are {', '.join(_ARGUMENTS)}")
        raw = arguments.get("sets") or []
        self._more = check_options(arguments.get("rsync_opts") or [])
        self._streams = check_streams(arguments.get("streams", "auto"))
        self._wait = float(arguments.get("wait", _WAIT))
        sets = parse_sets(raw)
        self._all_sets = arguments.get("all_sets") or raw
        known = {one.name for one in parse_sets(self._all_sets)}
        for one in sets:
            if one.name not in known:
                raise FeatureError(f"feature_upload: all_sets lacks the feature set '{one.name}': list all sets of the host in it")
        self._host = str(task_vars.get("inventory_hostname", ""))
        self._run_directory = Path(C.DEFAULT_LOCAL_TMP) / "feature_upload"
        self._run_directory.mkdir(mode=0o700, exist_ok=True)
        return sets

    def _fetch_set(self, one: FeatureSet, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Has the host fetch a set from an object store itself."""
        store = parse_store(str(one.source))
        settings = settings_of(store, os.environ) if store else {}

        def ask(state: str) -> dict[str, Any]:
            arguments = {
                "sets": self._all_sets,
                "fetch": one.name,
                "user": self._task.args.get("user"),
                "variable_prefix": self._task.args.get("variable_prefix"),
                "environment": settings,
                "state": state,
            }
            answer = self._execute("feature_fetch", arguments, task_vars)
            if "fetch" not in answer:
                raise FeatureError(f"{self._host}: {str(answer.get('msg') or 'the host gave no answer').strip()}")
            return dict(answer["fetch"])

        started = upload_fetch.start(ask, self._host, self._wait, _show)
        if self._task.check_mode:
            count, volume = started["send_count"], size(started["send_bytes"])
            Display().display(f"{self._host}: {one.name}: would fetch {count:,} files, {volume}, to {one.target}")
            return {"sent": count, "sent_bytes": started["send_bytes"], "resumed": started["staged"], "present": 0,
                    "left_out": 0, "seconds": 0.0, "samples": [], "warnings": []}  # fmt: skip
        return upload_fetch.watch(ask, self._host, one.name, started, self._run_directory / "progress", _show)

    def _execute(self, module: str, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        return run_module(self, module, arguments, UPLOADS, task_vars)

    @property
    def _local(self) -> bool:
        return bool(self._connection.transport == "local")

    def _check_controller(self) -> None:
        transport = self._connection.transport
        if transport not in ("ssh", "paramiko", "paramiko_ssh", "local"):
            raise FeatureError(
                f"{self._host} is reached by the connection '{transport}', over which rsync cannot upload: use ssh, or link"
                " features that the host already has"
            )
        programs = ["rsync"]
        if not self._local:
            login = self._login()
            programs.append(str(login.options.get("ssh_executable") or "ssh"))
            programs += ["sshpass"] if login.password else []
        for program in programs:
            if shutil.which(program) is None:
                also = ", or log in by key" if program == "sshpass" else ""
                raise FeatureError(f"{program} is missing on the controller: install the package {program} there{also}")
        become = self._connection.become
        if self._task.become and become is not None and not str(become.name).endswith("sudo"):
            raise FeatureError(
                f"{self._host}: rsync becomes another user by sudo only, not by {become.name}: set ansible_become_method: sudo"
            )

    def _classify(self, one: FeatureSet, task_vars: dict[str, Any]) -> Source:
        # Imported where it is needed: all formats come with it, while the line is being asked.
        from ansible_collections.trainprep.features.plugins.plugin_utils._upload.source import classify_once

        if not one.source:
            raise FeatureError(f"feature set '{one.name}' has no 'source': name a directory on the controller")
        path = os.path.normpath(os.path.expanduser(one.source))
        # As files are looked for that are named on the command line, and as those that a playbook names.
        places = [os.getcwd(), str(task_vars.get("playbook_dir") or self._loader.get_basedir())]
        found = [os.path.join(place, path) for place in places]
        return classify_once(one, next(filter(os.path.lexists, found), found[0]), self._run_directory)

    def _start_line_check(self) -> LineCheck | None:
        """Whether rsync can talk over the line: a shell that is silent, a sudo that asks for nothing."""
        return None if self._local else LineCheck(self._login(), _sudo(self._become_user()), self._control_path())

    def _round_trip(self, check: LineCheck | None) -> float | None:
        """Of the line, in seconds. FeatureError where no rsync can talk over it."""
        if check is None:
            return None
        line = check.line()
        check_line(line, self._login(), self._host, self._become_user())
        return line.round_trip

    def _control_path(self) -> str | None:
        """The socket of Ansible's own connection, over which a question costs next to nothing."""
        if self._connection.transport == "ssh" and not self._login().password:
            # Where it is, is known once a command has been built. That is Ansible's own: without it the line has a connection more.
            with contextlib.suppress(Exception):
                self._connection._build_command(self._connection.get_option("ssh_executable"), "ssh")
        path, directory = getattr(self._connection, "control_path", None), getattr(self._connection, "control_path_dir", None)
        return str(path) % {"directory": os.path.expanduser(str(directory))} if path and directory else None

    def _prepare(self, sources: dict[str, Source], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Asks the host what it lacks, and has it make ready. Waits where another upload is busy."""
        arguments = {
            "sets": self._all_sets,
            "user": self._task.args.get("user"),
            "variable_prefix": self._task.args.get("variable_prefix"),
            "stage": {name: source.packed for name, source in sources.items()},
        }
        end = time.monotonic() + self._wait
        told = False
        while True:
            answer = self._execute("feature_prepare", arguments, task_vars)
            if answer.get("failed") or answer.get("unreachable") or "sets" not in answer:
                raise FeatureError(f"{self._host}: {str(answer.get('msg') or 'the host gave no answer').strip()}")
            busy = [found["shown"] for found in answer["sets"].values() if found["busy"]]
            if not busy:
                return dict(answer)
            if not told:
                show(Display().display, f"{self._host}: another upload is writing into {busy[0]}, waiting for it")
                told = True
            if time.monotonic() >= end:
                raise FeatureError(
                    f"{self._host}: {busy[0]} is still being written by another upload (waited {self._wait:.0f} s for it): it may"
                    " be one whose controller has gone; wait until it ends, then run again"
                )
            time.sleep(min(3.0, self._wait))

    def _become_user(self) -> str | None:
        """Whom rsync on the host has to become first; None where Ansible's connection is that user's."""
        if self._local or not self._task.become:
            return None
        become = self._connection.become
        user = str((become.get_option("become_user") if become else None) or "root")
        return None if user == self._login().user else user

    def _upload_set(self, one: FeatureSet, source: Source, prepared: dict[str, Any], streams: int) -> dict[str, Any]:
        found = prepared["sets"][one.name]
        names = source.chosen(found["send"])
        to_send = sum(source.manifest[name].size for name in names)
        done: dict[str, Any] = {
            "sent": len(names),
            "sent_bytes": to_send,
            "resumed": found["staged"],
            "present": found["present"],
            "left_out": source.left_out + found["elsewhere"],
            "seconds": 0.0,
            "samples": source.samples,
            "warnings": found["warnings"],
        }
        if self._task.check_mode:
            if names:
                Display().display(
                    f"{self._host}: {one.name}: would send {len(names):,} files, {size(to_send)}, to {one.target}"
                )
            return done
        if not names:
            return done
        began = time.monotonic()
        there, there_bytes = found["staged"], found["staged_bytes"]
        progress = Progress(
            self._host, one.name, there + len(names), there_bytes + to_send, there, there_bytes, updated=time.time()
        )
        receiving = Receiving(
            str(prepared["rsync"]), found["staging"], found["key"], found["upload"], self._receiving_user(found["step_down"])
        )
        shares = share_out([source.manifest[name].size for name in names], streams)
        with tempfile.TemporaryDirectory(prefix="rsync-", dir=self._run_directory) as name:
            sendings = self._lay_out(Path(name), source, [[names[number] for number in share] for share in shares], one)
            done["sent_bytes"] = self._transfer(sendings, receiving, progress, found["shown"], source.left_out)
        changed = source.changed_since(names)
        if changed is not None:
            raise FeatureError(
                f"{shown(changed)} changed while it was uploaded: nothing is published; run again when nobody changes the source"
            )
        done["seconds"] = round(time.monotonic() - began, 1)
        return done

    def _receiving_user(self, step_down: list[str]) -> list[str]:
        """What goes before the host's rsync. step_down: what root there has to say to become the user who may write."""
        return [*_sudo(self._become_user()), *step_down]

    def _lay_out(self, work: Path, source: Source, shares: list[list[str]], one: FeatureSet) -> list[Sending]:
        """Lists for rsync, one for each stream."""
        # By this name no character of the source's path can mean anything to anybody.
        (work / "source").symlink_to(source.path)
        sendings = []
        for number, names in enumerate(shares):
            (work / f"files{number}").write_bytes(files_list([os.fsencode(source.files[name]) for name in names]))
            log = work / ("log" if number == 0 else f"log{number}")
            sendings.append(
                Sending(str(work / "source"), str(work / f"files{number}"), str(log), one.layout == "tree", self._more)
            )
        if self._local and self._task.become:
            _let_others_read(work)
        return sendings

    def _transfer(
        self, sendings: list[Sending], receiving: Receiving, progress: Progress, where: str, left_out: int
    ) -> int:
        """Runs rsync and says how it ended; the bytes that went over the line. FeatureError where not all has arrived."""
        began = time.monotonic()
        to_send, there = progress.total_files - progress.files, progress.files
        meter = Meter(progress, [Path(sending.log) for sending in sendings])
        board = Board(self._run_directory / "progress", _show)
        with threads_show(), Watch(meter, board):
            ended = self._run_rsync(sendings, receiving)
        seconds = max(time.monotonic() - began, 0.001)
        failed = first_failure(ended)
        summary = (
            f"{self._host}: {progress.set_name}: {meter.sent:,} files, {size(meter.wire)} in {clock(seconds)}"
            f" ({size(meter.wire / seconds)}/s)"
        )
        arrived = meter.sent if all(ARRIVED_WORD in one.stderr for one in ended) else 0
        if failed or arrived < to_send:
            summary += f", {to_send - meter.sent:,} files left"
        elif there:
            summary += f", {there:,} files were there from before"
        if left_out:
            summary += f", {left_out:,} other files left out"
        board.finish(progress, summary)
        if failed:
            user = self._login().user if not self._local else None
            told = Where(self._host, user or "the connecting user", where, self._more)
            raise FeatureError(explain(failed.code, failed.stderr, told))
        if arrived < to_send:
            raise FeatureError(
                f"{self._host}: only {arrived} of {to_send} files arrived in {where}, although rsync reports no error: look for a"
                " wrapper in place of rsync or ssh, on the controller and on the host"
            )
        return meter.wire

    def _run_rsync(self, sendings: list[Sending], receiving: Receiving) -> list[Ended]:
        if self._local:
            # By Ansible's own connection, which can become another user here.
            command = shlex.join(send_on_this_machine(sendings[0], receiving))
            answer = self._low_level_execute_command(command)
            return [Ended(int(answer["rc"]), str(answer.get("stderr") or "") + str(answer.get("stdout") or ""))]
        if self._connections is None:
            raise AssertionError("connections are opened before anything is sent")
        login = self._login()
        shells = self._connections.commands(len(sendings))
        address = login.rsync_address
        commands = (send_over_ssh(sending, receiving, address, ssh) for sending, ssh in zip(sendings, shells, strict=True))
        return run_streams(commands, Path(sendings[0].log).parent, login.password)

    def _login(self) -> Login:
        return login_of(self._connection, self._play_context, self._host)


def _sudo(user: str | None) -> list[str]:
    return ["sudo", "-n", "-H", "-u", user, "--"] if user else []


def _let_others_read(directory: Path) -> None:
    """rsync runs as another user of this machine, which has to read its list and write its log."""
    for path in (directory.parent.parent, directory.parent, directory):
        path.chmod(path.stat().st_mode | 0o711)
    directory.chmod(0o777)
    for listing in directory.glob("files*"):
        listing.chmod(0o644)


def _show(text: str, raw: bool) -> None:
    """Prints from a worker. Lines of a log go to stderr, which is not held back where it is not a terminal."""
    if raw:
        show(Display().display, text, screen_only=True, newline=False)
    else:
        show(Display().display, text, stderr=terminal_size() is None)
