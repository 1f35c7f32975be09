# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Upload the features that a host lacks: check the sources and the connection, stage, send, publish."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import FeatureSet
from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError
from ansible_collections.trainprep.features.plugins.plugin_utils._report.gathered import run_noted
from ansible_collections.trainprep.features.plugins.plugin_utils._report.words import size
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.connection import (
    ask_connection,
    check_controller,
    check_noise,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.failures import Where, explain
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.fetch import fetch_set
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.host import Host
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.options import (
    Options,
    names_of,
    parse_options,
)
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.peer_sets import PeerSets, fleet_of
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.progress import terminal_size
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.rsync import choose_streams
from ansible_collections.trainprep.features.plugins.plugin_utils._upload.send import Sender, planned
from ansible_collections.trainprep.features.plugins.plugin_utils.feature_answers import PREPARED, TRANSFERS
from ansible_collections.trainprep.features.plugins.plugin_utils.interrupts import show
from ansible_collections.trainprep.features.plugins.plugin_utils.module_action import (
    declared_sets,
    failing,
    run_driver,
    run_module,
)
from ansible_collections.trainprep.features.plugins.plugin_utils.ssh import login_of

if TYPE_CHECKING:
    from ansible_collections.trainprep.features.plugins.plugin_utils._upload.source import Source


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Upload what the host lacks of each set; a FeatureError is the task's failure, after what was done before."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        return run_noted(self, task_vars or {}, lambda: self._run(result, task_vars or {}))

    def _run(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        result.update(changed=False, sets={})
        with failing(result, names_of(self._task.args)):
            self._upload(result, task_vars)
        return result

    def _upload(self, result: dict[str, Any], task_vars: dict[str, Any]) -> None:
        facts = (task_vars.get("ansible_facts") or {}).get("feature_sets") or {}
        options = parse_options({**self._task.args, "sets": declared_sets(self._task.args)}, facts)
        self._directory = Path(C.DEFAULT_LOCAL_TMP) / "feature_upload"
        self._directory.mkdir(mode=0o700, exist_ok=True)

        def ask(arguments: dict[str, Any]) -> dict[str, Any]:
            return run_module(self, "feature_transfer", arguments, TRANSFERS, task_vars)

        def prepare(names: list[str]) -> dict[str, Any]:
            return run_driver(self, "feature_prepare", {**options.prepare, "uploaded": names}, PREPARED, task_vars)

        host = Host(str(task_vars.get("inventory_hostname", "")), options, ask, _show)
        self._prepare = prepare
        if not options.peers:
            self._from_sources(host, options, result, task_vars)
            return
        peers = PeerSets(host, fleet_of(self, options, task_vars), self._directory, options.limits, bool(self._task.check_mode))
        for one in options.sets:
            needed = not facts or bool((facts.get(one.name) or {}).get("problems"))
            with peers.received(one, needed) as done:
                if done is None:
                    self._from_sources(host, replace(options, sets=[one]), result, task_vars)
                elif done:
                    self._add(result, one.name, done)
                    self._finish([one], result)

    def _from_sources(self, host: Host, options: Options, result: dict[str, Any], task_vars: dict[str, Any]) -> None:
        if options.from_here:
            self._send_sets(host, options, result, task_vars)
        for one in options.from_stores:
            known = int(((task_vars.get("ansible_facts") or {}).get("feature_sets") or {}).get(one.name, {}).get("features") or 0)
            done = fetch_set(host, one, os.environ, bool(self._task.check_mode), self._directory / "progress", known)
            self._add(result, one.name, done)
        self._finish(options.sets, result)

    def _finish(self, sets: list[FeatureSet], result: dict[str, Any]) -> None:
        """Publish what was uploaded; the host then does all else that it can do by itself. FeatureError if that fails."""
        if not sets or self._task.check_mode:
            return
        finished = self._prepare([one.name for one in sets])
        result["changed"] = result["changed"] or bool(finished.get("changed"))
        result.update({key: finished[key] for key in ("ansible_facts", "steps", "diff", "warnings") if key in finished})
        for name, done in finished.get("sets", {}).items():
            sent = result["sets"].setdefault(name, {})
            warnings = [*sent.get("warnings", []), *done.get("warnings", [])]
            sent.update({**done, "samples": sent.get("samples", done.get("samples", [])), "warnings": warnings})
        known = result.get("ansible_facts", {}).get("feature_sets", {})
        for name in known.keys() & result["sets"].keys():
            known[name]["fetched_from"] = result["sets"][name].get("fetched_from")
        if finished.get("failed"):
            raise _failure(finished)

    def _add(self, result: dict[str, Any], name: str, done: dict[str, Any]) -> None:
        result["sets"][name] = done
        result["changed"] = result["changed"] or done["sent"] > 0

    def _send_sets(self, host: Host, options: Options, result: dict[str, Any], task_vars: dict[str, Any]) -> None:
        """Send the sets whose source is here. All that can be checked is checked before the host is changed, in check mode too."""
        transport = str(self._connection.transport)
        login = None if transport == "local" else login_of(self._connection, self._play_context, host.name)
        check_controller(transport, login, host.name)
        sources = {one.name: self._classify(one, task_vars) for one in options.from_here}
        manifests = {name: source.packed for name, source in sources.items()}
        answer = ask_connection(login)
        user = (login and login.user) or "the connecting user"
        check_noise(answer, user, host.name)
        if answer.uid is None:
            # An unreachable host is Ansible's to report.
            host.stage(manifests, None, 1)
            raise FeatureError(explain(255, answer.stderr, Where(host.name, user, "its staging directory")))
        streams = choose_streams(options.streams, options.rsync_opts, answer.round_trip)
        sender = Sender(host.name, login, streams, options.rsync_opts, self._directory, _show)
        staged = host.stage(manifests, None if self._task.check_mode else answer.uid, streams)
        result["changed"] = bool(staged["changed"])
        for one in options.from_here:
            source, found = sources[one.name], staged["stage"][one.name]
            if self._task.check_mode:
                done = planned(one, source, found)
                if done["sent"]:
                    files = f"{done['sent']:,} files, {size(done['sent_bytes'])}"
                    Display().display(f"{host.name}: {one.name}: would send {files}, to {one.target}")
            else:
                done = sender.send(one, source, found, staged["python"])
            self._add(result, one.name, done)

    def _classify(self, one: FeatureSet, task_vars: dict[str, Any]) -> Source:
        # All formats are imported with it.
        from ansible_collections.trainprep.features.plugins.plugin_utils._upload.source import classify_once

        path = os.path.normpath(os.path.expanduser(str(one.source)))
        # Resolve relative paths like arguments of the command line (current directory first), then relative to the playbook.
        places = [os.getcwd(), str(task_vars.get("playbook_dir") or self._loader.get_basedir())]
        found = [os.path.join(place, path) for place in places]
        return classify_once(one, next(filter(os.path.lexists, found), found[0]), self._directory)


def _failure(answer: Mapping[str, Any]) -> FeatureError:
    error = FeatureError(str(answer.get("msg") or "the host gave no answer"))
    error.trace = answer.get("exception") or ""
    return error


def _show(text: str, raw: bool) -> None:
    """Print from a worker. Lines of a log go to stderr, which is not held back if it is not a terminal."""
    if raw:
        show(Display().display, text, screen_only=True, newline=False)
    else:
        show(Display().display, text, stderr=terminal_size() is None)
