# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of an upload on the controller: check the sources and the connection, stage, send, publish."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible import constants as C
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ...module_utils._spec.sets import FeatureSet
from ...module_utils.errors import FeatureError
from .._report.words import size
from ..feature_answers import PREPARED, TRANSFERS
from ..interrupts import show
from ..module_action import declared_sets, failing, run_driver, run_module
from ..ssh import login_of
from .connection import ask_connection, check_controller, check_noise
from .failures import Where, explain
from .fetch import fetch_set
from .host import Host
from .options import Options, names_of, parse_options
from .peer_sets import PeerSets, fleet_of
from .progress import terminal_size
from .rsync import choose_streams
from .send import Sender, planned
from .source import Source, classify_once


class Upload:
    """What one task uploads to one host."""

    def __init__(self, action: ActionBase, task_vars: dict[str, Any]) -> None:
        self._action, self._task_vars = action, task_vars
        self._facts: dict[str, Any] = (task_vars.get("ansible_facts") or {}).get("feature_sets") or {}
        self._check_mode = bool(action._task.check_mode)
        self._directory = Path(C.DEFAULT_LOCAL_TMP) / "feature_upload"

    def run(self, result: dict[str, Any]) -> dict[str, Any]:
        """Upload what the host lacks of each set; a FeatureError is the task's failure, after what was done before."""
        result.update(changed=False, sets={})
        with failing(result, names_of(self._action._task.args)):
            self._upload(result)
        return result

    def _upload(self, result: dict[str, Any]) -> None:
        arguments = self._action._task.args
        options = parse_options({**arguments, "sets": declared_sets(arguments)}, self._facts)
        self._directory.mkdir(mode=0o700, exist_ok=True)
        host = Host(str(self._task_vars.get("inventory_hostname", "")), options, self._ask, _show)
        if not options.peers:
            self._from_sources(host, options, result)
            return
        fleet = fleet_of(self._action, options, self._task_vars)
        peers = PeerSets(host, fleet, self._directory, options.limits, self._check_mode)
        for one in options.sets:
            needed = not self._facts or bool((self._facts.get(one.name) or {}).get("problems"))
            with peers.received(one, needed, result["sets"]) as done:
                if done is None:
                    self._from_sources(host, replace(options, sets=[one]), result)
                elif done:
                    _add(result, one.name, done)
                    self._finish(options, [one], result)

    def _ask(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return run_module(self._action, "feature_transfer", arguments, TRANSFERS, self._task_vars)

    def _from_sources(self, host: Host, options: Options, result: dict[str, Any]) -> None:
        if options.from_here:
            self._send_sets(host, options, result)
        for one in options.from_stores:
            known = int(self._facts.get(one.name, {}).get("features") or 0)
            done = fetch_set(host, one, os.environ, self._check_mode, self._directory / "progress", known)
            _add(result, one.name, done)
        self._finish(options, options.sets, result)

    def _finish(self, options: Options, sets: list[FeatureSet], result: dict[str, Any]) -> None:
        """Publish what was uploaded; the host then does all else that it can do by itself. FeatureError if that fails."""
        if not sets or self._check_mode:
            return
        arguments = {**options.prepare, "uploaded": [one.name for one in sets]}
        finished = run_driver(self._action, "feature_prepare", arguments, PREPARED, self._task_vars)
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

    def _send_sets(self, host: Host, options: Options, result: dict[str, Any]) -> None:
        """Send the sets whose source is here. All that can be checked is checked before the host is changed, in check mode too."""
        connection = self._action._connection
        login = None if connection.transport == "local" else login_of(connection, self._action._play_context, host.name)
        check_controller(str(connection.transport), login, host.name)
        sources = {one.name: self._classify(one) for one in options.from_here}
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
        staged = host.stage(manifests, None if self._check_mode else answer.uid, streams)
        result["changed"] = bool(staged["changed"])
        for one in options.from_here:
            source, found = sources[one.name], staged["stage"][one.name]
            if self._check_mode:
                done = planned(one, source, found)
                if done["sent"]:
                    files = f"{done['sent']:,} files, {size(done['sent_bytes'])}"
                    Display().display(f"{host.name}: {one.name}: would send {files}, to {one.target}")
            else:
                done = sender.send(one, source, found, staged["python"])
            _add(result, one.name, done)

    def _classify(self, one: FeatureSet) -> Source:
        path = os.path.normpath(os.path.expanduser(str(one.source)))
        # Resolve relative paths like arguments of the command line (current directory first), then relative to the playbook.
        places = [os.getcwd(), str(self._task_vars.get("playbook_dir") or self._action._loader.get_basedir())]
        found = [os.path.join(place, path) for place in places]
        return classify_once(one, next(filter(os.path.lexists, found), found[0]), self._directory)


def _add(result: dict[str, Any], name: str, done: dict[str, Any]) -> None:
    result["sets"][name] = done
    result["changed"] = result["changed"] or done["sent"] > 0


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
