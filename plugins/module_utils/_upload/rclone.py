# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""rclone on the host: what a store holds, a copy that is started and runs on by itself, and what it complains of."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import Dict, List, Mapping

from .. import errors
from .._scan import manifest
from .._scan.staging import FETCH_DIR
from .._spec import sets, sources
from .._spec.names import name_filter
from .._system import at, paths, programs, sessions
from . import requirements
from .staging import remove_fetch_work

# One attempt, since the next run goes on; but a store that does not answer is noticed.
_PATIENCE = ["--retries", "1", "--low-level-retries", "3", "--contimeout", "10s", "--timeout", "60s"]
_LISTING_SECONDS = 600


@dataclass(frozen=True)
class Rclone:
    """How rclone is called for one source. C(environment): all of its environment, with C(secrets), by name of the variable."""

    program: str
    source: str
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    own_credentials: bool = False


def find_rclone(source: str, handed_on: Mapping[str, str], home: str) -> Rclone:
    """rclone for a set's source. handed_on: variables of the controller that configure its remote. home: whose configuration."""
    program = shutil.which("rclone", path=requirements.search_path())
    if program is None:
        raise errors.FeatureError(
            "rclone is missing on the host, which has to fetch its features: install the package rclone there"
        )
    store = sources.parse_store(source)
    if store is None:
        raise errors.FeatureError(f"source '{source}' is not a store: write name:path, s3://bucket/prefix or gs://bucket/prefix")
    environment = {**os.environ, "HOME": home, **handed_on}
    if not store.backend:
        return Rclone(program, source, environment, handed_on, not store.remote)
    if _is_configured(program, store, environment):
        return Rclone(program, f"{store.remote}:{store.path}", environment, handed_on)
    environment = {**sources.BACKENDS[store.backend], **environment}
    return Rclone(program, f":{store.backend}:{store.path}", environment, handed_on, True)


def _is_configured(program: str, store: sources.Store, environment: Mapping[str, str]) -> bool:
    done = programs.ask_program([program, "listremotes"], 60, environment)
    return done is not None and f"{store.remote}:" in done.output.decode("utf-8", "replace").split()


def list_store(rclone: Rclone, feature_set: sets.FeatureSet) -> Dict[str, int]:
    """Sizes by path of the store's files that may belong to the set."""
    source = str(feature_set.source)
    command = ["lsjson", "--recursive", "--files-only", "--no-modtime", "--no-mimetype", *_PATIENCE, rclone.source]
    done = programs.ask_program([rclone.program, *command], _LISTING_SECONDS, rclone.environment)
    if done is None:
        raise errors.FeatureError(f"source '{source}' did not answer within {_LISTING_SECONDS} s: look at the store")
    if done.code != 0:
        raise errors.FeatureError(explain_rclone(source, done.errors.decode("utf-8", "replace"), rclone))
    accept, reads = name_filter(feature_set.patterns, feature_set.exclude), name_filter(feature_set.reads)
    sizes = {}
    for item in json.loads(done.output.decode("utf-8", "surrogateescape")):
        folder, _slash, name = item["Path"].rpartition("/")
        if accept(name) and reads(name) and feature_set.folders.enters(folder):
            sizes[item["Path"]] = int(item["Size"])
    if not sizes:
        raise errors.FeatureError(
            f"source '{source}' holds no file of set '{feature_set.name}': correct 'source', 'patterns' or 'reads'"
        )
    for name in sizes:
        if not manifest.is_plain_path(name) or "\n" in name:
            raise errors.FeatureError(f"source '{source}' has the name {paths.display(name)}, which cannot be fetched: rename it")
    return sizes


def start_copy(rclone: Rclone, fd: int, names: List[str]) -> None:
    """Starts the copy of these files into an open staging directory, whose lock it holds as long as it runs."""
    remove_fetch_work(fd)
    at.mkdir(fd, FETCH_DIR, 0o700)
    work = at.open_name(fd, FETCH_DIR, paths.OPEN_DIRECTORY)
    try:
        listing = at.create(work, "list")
    finally:
        os.close(work)
    with os.fdopen(listing, "wb") as file:
        file.write(b"".join(os.fsencode(name) + b"\n" for name in names))
    # Everything that rclone needs is in its environment or in files: nothing secret in its arguments.
    # It works in the staging directory, wherever it may have been moved.
    script = (
        f'"$1" copy "$2" . --files-from-raw {FETCH_DIR}/list --transfers 8 --stats 1s --stats-log-level NOTICE'
        f' --use-json-log --log-file {FETCH_DIR}/log {" ".join(_PATIENCE)} </dev/null >/dev/null 2>&1;'
        f" echo $? >{FETCH_DIR}/exit.new; mv {FETCH_DIR}/exit.new {FETCH_DIR}/exit"
    )
    command = ["/bin/sh", "-c", script, "feature_upload", rclone.program, rclone.source]
    sessions.start_program(command, rclone.environment, f"/proc/self/fd/{fd}", keep=(fd,))


_NO_CREDENTIALS = (
    "get credentials",
    "retrieve credentials",
    "refresh cached credentials",
    "default credentials",
    "NoCredentialProviders",
    "no EC2 IMDS role",
)
_REFUSED = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "Forbidden", "403")


def explain_rclone(source: str, message: str, rclone: Rclone) -> str:
    """rclone's complaint in one message, without anything secret."""
    for value in rclone.secrets.values():
        if len(value) > 3:
            message = message.replace(value, "***")
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    why = lines[-1][-200:] if lines else "no reason given"
    if "didn't find section in config file" in message:
        return (
            f"source '{source}': the host's rclone has no such remote: set its RCLONE_CONFIG_… variables in the"
            " environment of ansible-playbook"
        )
    if "didn't find backend" in message:
        return f"source '{source}': the host's rclone has no such kind of store ({why}): correct 'source'"
    if rclone.own_credentials and any(word in message for word in _NO_CREDENTIALS):
        return (
            f"source '{source}': the host has no credentials of its own for the store ({why}): give the machine a role or service"
            " account that may read it"
        )
    if any(word in message for word in _REFUSED):
        helps = "let the host's own role read it" if rclone.own_credentials else "correct the RCLONE_CONFIG_… variables"
        return f"source '{source}': the store refuses the credentials ({why}): {helps}"
    if any(word in message for word in ("NoSuchBucket", "directory not found", "404")):
        return f"source '{source}' does not exist in the store: correct 'source'"
    return f"source '{source}' cannot be fetched ({why}): correct that and run again, it goes on from there"
