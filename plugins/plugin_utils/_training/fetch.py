# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run's results, fetched from what the host offers by an rsync that never has to become another user there."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...module_utils._upload.connector import ARRIVED, connector_words
from ...module_utils.errors import FeatureError, named
from .._upload.connection import ask_connection, check_controller, check_noise
from .._upload.failures import Where, explain
from .._upload.rsync import remote_options, run_streams
from ..ssh import Login

_RUN = re.compile(r"\d{8}T\d{6}Z(?:-\d+)?")
_SILENCE = 300  # seconds without a byte, after which either side gives up


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
