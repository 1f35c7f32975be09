# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Upload the features that a host lacks into its staging directories, with ansible.posix.synchronize."""

from __future__ import annotations

import copy
import os
import shlex
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.trainprep.features.plugins.module_utils._scan.manifest import unpack_choice
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import FeatureSet, parse_sets
from ansible_collections.trainprep.features.plugins.module_utils._system.paths import display as shown
from ansible_collections.trainprep.features.plugins.module_utils._upload.plan import LOCK_SECONDS, is_remote
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._upload import fetch as upload_fetch
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.progress import (
    Board,
    Meter,
    Progress,
    Watch,
    duration,
    size,
    terminal_size,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.rsync import (
    NEUTRAL_ENVIRONMENT,
    check_options,
    explain,
    files_list,
    receiver_command,
    rsync_options,
    ssh_command,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.source import Source, classify_once
from ansible_collections.trainprep.features.plugins.plugin_utils.interrupts import show, threads_show
from ansible_collections.trainprep.features.plugins.plugin_utils.module_action import gc_paused

# Seconds without a byte, after which either side gives up.
_SILENCE = 300

_ARGUMENTS = ("sets", "all_sets", "user", "rsync_opts", "wait")
_SSH_OPTIONS = (
    "ssh_executable",
    "ssh_args",
    "ssh_common_args",
    "ssh_extra_args",
    "host_key_checking",
    "port",
    "private_key_file",
    "timeout",
)


class ActionModule(ActionBase):
    """The action plugin of O(trainprep.features.feature_upload)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Uploads each of the sets; a FeatureError is the task's failure."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(changed=False, sets={})
        try:
            self._upload(result, task_vars or {})
        except FeatureError as error:
            result.update(failed=True, msg=str(error))
        return result

    def _upload(self, result: dict[str, Any], task_vars: dict[str, Any]) -> None:
        unknown = sorted(set(self._task.args) - set(_ARGUMENTS))
        if unknown:
            raise FeatureError(f"feature_upload has no option '{unknown[0]}': its options are {', '.join(_ARGUMENTS)}")
        raw = self._task.args.get("sets") or []
        more = check_options(self._task.args.get("rsync_opts") or [])
        sets = parse_sets(raw)
        self._all_sets = self._task.args.get("all_sets") or raw
        known = {one.name for one in parse_sets(self._all_sets)}
        for one in sets:
            if one.name not in known:
                raise FeatureError(f"feature_upload: all_sets lacks the feature set '{one.name}': list all sets of the host in it")
        self._host = str(task_vars.get("inventory_hostname", ""))
        self._run_directory = Path(C.DEFAULT_LOCAL_TMP) / "feature_upload"
        self._run_directory.mkdir(mode=0o700, exist_ok=True)
        names = {one.name for one in sets if one.source and is_remote(one.source)}
        sources = {one.name: self._classify(one, task_vars) for one in sets if one.name not in names}
        if sources:
            self._check_transport()
            prepared = self._prepare(sources, task_vars)
            result["changed"] = bool(prepared.get("changed"))
            self._check_sudo()
        for one in sets:
            if one.name in sources:
                done = self._upload_set(one, sources[one.name], prepared, more, task_vars)
            else:
                done = self._fetch_set(one, task_vars)
            result["sets"][one.name] = done
            result["changed"] = result["changed"] or done["sent"] > 0

    def _fetch_set(self, one: FeatureSet, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Has the host fetch a set from an object store itself."""
        secrets = upload_fetch.credentials(str(one.source), os.environ)

        def ask(state: str) -> dict[str, Any]:
            arguments = {
                "sets": self._all_sets,
                "fetch": one.name,
                "user": self._task.args.get("user"),
                "environment": secrets,
                "state": state,
            }
            answer = self._execute("feature_fetch", arguments, task_vars)
            if "fetch" not in answer:
                raise FeatureError(f"{self._host}: {str(answer.get('msg') or 'the host gave no answer').strip()}")
            return dict(answer["fetch"])

        started = upload_fetch.start(ask, self._host, float(self._task.args.get("wait", LOCK_SECONDS)), _show)
        if self._task.check_mode:
            count, volume = started["send_count"], size(started["send_bytes"])
            Display().display(f"{self._host}: {one.name}: would fetch {count:,} files, {volume}, to {one.target}")
            return {"sent": count, "sent_bytes": started["send_bytes"], "resumed": started["staged"], "present": 0,
                    "left_out": 0, "seconds": 0.0, "samples": [], "warnings": []}  # fmt: skip
        return upload_fetch.watch(ask, self._host, one.name, started, self._run_directory / "progress", _show)

    def _execute(self, module: str, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        with gc_paused():
            return dict(
                self._execute_module(
                    module_name=f"trainprep.features.{module}", module_args=arguments, task_vars=task_vars
                )
            )

    def _check_transport(self) -> None:
        transport = self._connection.transport
        if transport not in ("ssh", "paramiko", "paramiko_ssh", "local"):
            raise FeatureError(
                f"{self._host} is reached by the connection '{transport}', over which rsync cannot upload: use ssh, or link"
                " features that the host already has"
            )
        if shutil.which("rsync") is None:
            raise FeatureError("rsync is missing on the controller: install the package rsync there")
        become = self._connection.become
        if self._task.become and become is not None and not str(become.name).endswith("sudo"):
            raise FeatureError(
                f"{self._host}: rsync becomes another user by sudo only, not by {become.name}: set ansible_become_method: sudo"
            )

    def _classify(self, one: FeatureSet, task_vars: dict[str, Any]) -> Source:
        if not one.source:
            raise FeatureError(f"feature set '{one.name}' has no 'source': name a directory on the controller")
        path = os.path.normpath(os.path.expanduser(one.source))
        # As files are looked for that are named on the command line, and as those that a playbook names.
        places = [os.getcwd(), str(task_vars.get("playbook_dir") or self._loader.get_basedir())]
        found = [os.path.join(place, path) for place in places]
        return classify_once(one, next(filter(os.path.lexists, found), found[0]), self._run_directory)

    def _prepare(self, sources: dict[str, Source], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Asks the host what it lacks, and has it make ready. Waits where another upload is busy."""
        arguments = {
            "sets": self._all_sets,
            "user": self._task.args.get("user"),
            "manifests": {name: source.packed for name, source in sources.items()},
        }
        wait = float(self._task.args.get("wait", LOCK_SECONDS))
        end = time.monotonic() + wait
        told = False
        while True:
            answer = self._execute("feature_staging", arguments, task_vars)
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
                    f"{self._host}: {busy[0]} is still being written by another upload (waited {wait:.0f} s for it): it may"
                    " be one whose controller has gone; wait until it ends, then run again"
                )
            time.sleep(min(3.0, wait))

    def _sudo_user(self) -> str | None:
        if self._connection.transport == "local" or not self._task.become:
            return None
        become = self._connection.become
        return str((become.get_option("become_user") if become else None) or "root")

    def _check_sudo(self) -> None:
        """rsync cannot give sudo a password, so this is asked before gigabytes move.

        Where Ansible has none to give either, sudo has just shown that it needs none.
        """
        user = self._sudo_user()
        become = self._connection.become
        if user is None or become is None or not become.get_option("become_pass"):
            return
        command = f"sudo -n -H -u {shlex.quote(user)} -- /bin/sh -c true"
        answer = self._low_level_execute_command(command, sudoable=False)
        if answer["rc"] != 0:
            why = (answer.get("stderr") or answer.get("stdout") or "").strip().splitlines()
            raise FeatureError(
                f"{self._host}: the connecting user may not become {user} by sudo without a password"
                f" ({why[-1] if why else 'no reason given'}), as the upload's rsync has to: allow it, or set"
                " prepare_features_become: false"
            )

    def _upload_set(
        self, one: FeatureSet, source: Source, prepared: dict[str, Any], more: list[str], task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        found = prepared["sets"][one.name]
        names = unpack_choice(source.manifest, found["send"])
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
        progress = Progress(
            self._host,
            one.name,
            found["staged"] + len(names),
            found["staged_bytes"] + to_send,
            found["staged"],
            found["staged_bytes"],
            updated=time.time(),
        )
        wire, message = self._transfer(one, source, names, progress, found, str(prepared["rsync"]), more, task_vars)
        if message:
            raise FeatureError(message)
        changed = source.changed_since(names)
        if changed is not None:
            raise FeatureError(
                f"{shown(changed)} changed while it was uploaded: nothing is published; run again when nobody changes the source"
            )
        done.update(sent_bytes=wire, seconds=round(time.monotonic() - began, 1))
        return done

    def _transfer(
        self,
        one: FeatureSet,
        source: Source,
        names: list[str],
        progress: Progress,
        found: dict[str, Any],
        rsync: str,
        more: list[str],
        task_vars: dict[str, Any],
    ) -> tuple[int, str]:
        """Runs rsync. Returns (bytes sent over the line, a sentence where it failed)."""
        local = self._connection.transport == "local"
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="rsync-", dir=self._run_directory) as name:
            work = Path(name)
            # By this name no character of the source's path can mean anything to anybody.
            (work / "source").symlink_to(source.path)
            (work / "files").write_bytes(files_list([os.fsencode(source.files[name]) for name in names]))
            if local and self._task.become:
                _let_others_read(work)
            meter = Meter(progress, work / "log")
            board = Board(self._run_directory / "progress", _show)
            with threads_show(), Watch(meter, board):
                answer = self._synchronize(one, work, found, rsync, more, task_vars, local)
            seconds = max(time.monotonic() - began, 0.001)
            message = ""
            if answer.get("failed"):
                code = answer.get("rc")
                message = explain(
                    code if isinstance(code, int) else 1, str(answer.get("msg", "")), self._host, found["shown"], more
                )
            summary = (
                f"{self._host}: {one.name}: {meter.sent:,} files, {size(meter.wire)} in {duration(seconds)}"
                f" ({size(meter.wire / seconds)}/s)"
            )
            if message:
                summary += f", {progress.total_files - progress.files:,} files left"
            elif found["staged"]:
                summary += f", {found['staged']:,} files were there from before"
            if source.left_out:
                summary += f", {source.left_out:,} other files left out"
            board.finish(progress, summary)
        return meter.wire, message

    def _synchronize(
        self,
        one: FeatureSet,
        work: Path,
        found: dict[str, Any],
        rsync: str,
        more: list[str],
        task_vars: dict[str, Any],
        local: bool,
    ) -> dict[str, Any]:
        variables = copy.copy(task_vars)
        receiver = receiver_command(rsync, found["staging"], found["key"], self._sudo_user())
        rsh = None
        if local:
            # One rsync that is both sides: it starts in the staging directory, holding the lock.
            variables["ansible_rsync_path"] = receiver
            dest = "/proc/self/cwd/"
        else:
            password = self._connection.get_option("password") if self._connection.transport == "ssh" else None
            rsh = ssh_command(self._ssh_options(), bool(password))
            dest = f"{self._address(task_vars)}:./"
            # Otherwise a host that is 127.0.0.1 without a port would be taken for the controller itself.
            variables["ansible_port"] = task_vars.get("ansible_port") or self._ssh_options().get("port") or 22
        task = self._task.copy()
        task.environment = [*(self._task.environment or []), NEUTRAL_ENVIRONMENT]
        task.args = {
            "src": f"{work / 'source'}/",
            "dest": dest,
            "archive": False,
            "compress": False,
            "delay_updates": False,
            "rsync_timeout": _SILENCE,
            "rsync_opts": rsync_options(
                str(work / "files"), str(work / "log"), one.layout == "tree", more, rsh
            ),
        }
        if not local:
            task.args["rsync_path"] = receiver
        action = self._shared_loader_obj.action_loader.get(
            "ansible.posix.synchronize",
            task=task,
            connection=self._connection,
            play_context=self._play_context.copy(),
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        if action is None:
            raise FeatureError("the collection ansible.posix is missing on the controller: install it with ansible-galaxy")
        return dict(action.run(task_vars=variables))

    def _ssh_options(self) -> dict[str, Any]:
        if self._connection.transport != "ssh":
            return {"port": self._play_context.port, "private_key_file": self._play_context.private_key_file}
        return {name: self._connection.get_option(name) for name in _SSH_OPTIONS}

    def _address(self, task_vars: dict[str, Any]) -> str:
        host = str(self._play_context.remote_addr or self._host)
        user = self._play_context.remote_user
        if self._connection.transport == "ssh":
            host = str(self._connection.get_option("host") or host)
            user = self._connection.get_option("remote_user")
        if ":" in host:
            host = f"[{host}]"
        return f"{user}@{host}" if user else host


def _let_others_read(directory: Path) -> None:
    """rsync runs as another user of this machine, which has to read its list and write its log."""
    for path in (directory.parent.parent, directory.parent, directory):
        path.chmod(path.stat().st_mode | 0o711)
    directory.chmod(0o777)
    (directory / "files").chmod(0o644)


def _show(text: str, raw: bool) -> None:
    """Prints from a worker. Lines of a log go to stderr, which is not held back where it is no terminal."""
    if raw:
        show(Display().display, text, screen_only=True, newline=False)
    else:
        show(Display().display, text, stderr=terminal_size() is None)
