# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of this name, checks its answer, prints the health check, and fetches the results from what the host offers, by an
rsync that never has to become another user there."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible.utils.display import Display

from ..module_utils._training.options import INFO
from ..module_utils._upload.connector import ARRIVED, connector_words
from ..module_utils.errors import FeatureError, named
from ..plugin_utils._training.answer import INFO_ANSWER
from ..plugin_utils._training.files import add_host
from ..plugin_utils._training.text import check_lines
from ..plugin_utils._upload.connection import ask_connection, check_controller, check_noise
from ..plugin_utils._upload.failures import Where, explain
from ..plugin_utils._upload.rsync import remote_options, run_streams
from ..plugin_utils.answers import Schema
from ..plugin_utils.interrupts import show
from ..plugin_utils.module_action import ModuleAction, declared_sets, failing
from ..plugin_utils.role_arguments import all_variables, warn_of_misspelt
from ..plugin_utils.ssh import Login, login_of

display = Display()
# Now, in the main process: otherwise the worker of each host would read it.
all_variables()

_RUN = re.compile(r"\d{8}T\d{6}Z(?:-\d+)?")
_SILENCE = 300  # seconds without a byte, after which either side gives up


class ActionModule(ModuleAction):
    module = "training_info"
    answer: ClassVar[Mapping[str, Schema]] = {
        **INFO_ANSWER,
        "no_offer": str,
        "offer": {"run": str, "name": str, "uid": int, "python": str, "files": [str]},
    }

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's result; failed if the training is not healthy and C(fail) is set."""
        warn_of_misspelt(self._task, task_vars or {})
        refused: dict[str, Any] = {}
        variables = {"sets": "prepare_features_sets"} if self._task.args.get("variable_prefix") else {}
        with failing(refused, {"variable_names": variables}):
            self._task.args["sets"] = declared_sets(self._task.args)  # a survey gives text
        if refused:
            return refused
        _validated, options = self.validate_argument_spec(argument_spec=INFO)
        host = str((task_vars or {}).get("inventory_hostname", "host"))
        wanted = bool(options["fetch_dir"]) and not self._task.check_mode
        login, problem = None, ""
        if wanted:
            # Whatever keeps the results from coming home, the health check is printed first.
            login, problem = self._find_login(host)
        result: dict[str, Any] = super().run(tmp, task_vars)
        if result.get("failed") or "state" not in result:
            return result
        offer, problem = result.pop("offer", None), result.pop("no_offer", "") or problem
        result["report_dir"] = options["report_dir"]
        lines: list[str] = []
        with failing(result, options):
            lines = check_lines(host, result, options, len((task_vars or {}).get("ansible_play_hosts_all") or [host]) == 1)
        if result.get("failed"):
            return result
        if lines:
            # One call, so that the checks of several hosts do not mix.
            show(display.display, "\n".join(lines))
        try:
            add_host(options["report_dir"], host, result, str((task_vars or {}).get("ansible_play_name", "")))
        except OSError as error:
            display.warning(f"The report could not be written to {options['report_dir']}: {error.strerror or error}.")
        if offer and not problem:
            fetched: dict[str, Any] = {}
            with failing(fetched, options):
                result["fetched"] = fetch(offer, login, options["fetch_dir"], host, options["session"])
            problem = str(fetched.get("msg") or "")
        return self._conclude(result, options, problem if wanted else "")

    def _conclude(self, result: dict[str, Any], options: Mapping[str, Any], problem: str) -> dict[str, Any]:
        """The result; a failed one if the training is not healthy, or its results could not be fetched."""
        unhealthy = [f"the training is not healthy: {result['sentence']}"] if options["fail"] and not result["healthy"] else []
        wrong = [*unhealthy, *([problem] if problem else [])]
        if not wrong:
            return result
        names = ("state", "healthy", "outcome", "sentence", "changed", "report_dir", "fetched")
        verdict = {name: result[name] for name in names if name in result}
        # Ansible prints a failed result as JSON, except C(invocation): there the callback finds what the page needs.
        return {**verdict, "failed": True, "msg": "; ".join(wrong), "invocation": {"training": result}}

    def _find_login(self, host: str) -> tuple[Login | None, str]:
        """How rsync reaches the host, and why it cannot; the module learns for whom it has to offer the results."""
        found: dict[str, Any] = {}
        login = None
        with failing(found, self._task.args):
            local = self._connection.transport == "local"
            login = None if local else login_of(self._connection, self._play_context, host)
            self._task.args["connecting_uid"] = connecting_uid(str(self._connection.transport), login, host)
        return login, str(found.get("msg") or "")


def connecting_uid(transport: str, login: Login | None, host: str) -> int:
    """Return the connecting user's uid on the host; FeatureError if rsync cannot use the connection."""
    check_controller(transport, login, host)
    if login is None:
        return os.geteuid()
    answer = ask_connection(login)
    user = login.user or "the connecting user"
    check_noise(answer, user, host)
    if answer.uid is None:
        raise FeatureError(explain(255, answer.stderr, Where(host, user, "the runs")))
    return answer.uid


def place_for(directory: str, host: str, session: str, run: str) -> str:
    """Return the folder of a run's results on the controller. host and run are names that must not lead elsewhere."""
    if not _RUN.fullmatch(run):
        raise FeatureError(f"{host}: the name of the last run, '{run[:40]}', is none that a deploy gives: remove that folder on the host")
    name = re.sub(r"[^\w.-]", "_", host).lstrip(".") or "_"
    return os.path.join(os.path.expanduser(directory), name, session, run)


def fetch_command(offer: Mapping[str, Any], login: Login | None, place: str, log: str) -> list[str]:
    """Return the rsync that fetches all of an offer. login: None if the host is this machine."""
    connector = connector_words(str(offer["python"]), str(offer["name"]), int(offer["uid"]))
    remote, address = remote_options(connector, login)
    return [
        *("rsync", "--recursive", "--times", "--copy-links", "--no-compress", "--no-iconv", "--no-whole-file"),
        *("--partial-dir=.rsync-partial", "--chmod=D0755,F0644", f"--timeout={_SILENCE}"),
        *(f"--log-file={log}", "--log-file-format=fetched %i %l"),
        *remote,
        f"{address}:./",
        f"{place}/",
    ]


def fetch(offer: Mapping[str, Any], login: Login | None, directory: str, host: str, session: str) -> dict[str, Any]:
    """Fetch what a host offers; returns where it is. FeatureError if not all has arrived."""
    place = place_for(directory, host, session, str(offer["run"]))
    try:
        os.makedirs(place, exist_ok=True)
    except OSError as error:
        raise FeatureError(f"{named('fetch_dir')}: {place} cannot be created ({error.strerror}): make room for it") from None
    with tempfile.TemporaryDirectory(prefix="fetch-") as work:
        log = os.path.join(work, "log")
        [ended] = run_streams([fetch_command(offer, login, place, log)], Path(work), login)
        new = Path(log).read_text(encoding="utf-8", errors="replace").count("fetched >f") if os.path.exists(log) else 0
    if ended.code or ARRIVED not in ended.stderr:
        user = login.user if login and login.user else "the connecting user"
        why = explain(ended.code or 12, ended.stderr, Where(host, user, "the run's files", what="the transfer of"))
        raise FeatureError(f"{named('fetch_dir')}: the results of {host} were not fetched in full: {why}")
    return {"path": place, "files": list(offer["files"]), "changed": new}
