# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A training's project as it is sent to a host: a manifest first, then an archive of the files that the host lacks."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterable
from typing import Any

from ansible_collections.trainprep.features.plugins.module_utils.errors import FeatureError, named
from ansible_collections.trainprep.features.plugins.plugin_utils._training.project import Project

# As unpack.py of the role deploy_training, which reads both, names them.
_MANIFEST, _FILES = "manifest.json", "files/"

ProjectManifest = dict[str, list[Any]]


def manifest_of(project: Project) -> ProjectManifest:
    """Return [mode, bytes, nanoseconds, SHA-256] of each file of a project, and [text] of each link."""
    found: ProjectManifest = {}
    for name in project.files:
        path = os.path.join(project.path, name)
        try:
            info = os.lstat(path)
            if stat.S_ISLNK(info.st_mode):
                found[name] = [os.readlink(path)]
            elif stat.S_ISREG(info.st_mode):
                with open(path, "rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
                found[name] = [info.st_mode & 0o777 | 0o600, info.st_size, info.st_mtime_ns, digest]
        except OSError as error:
            raise FeatureError(
                f"{named('project')}: {path} cannot be read ({error.strerror}): make all of the project readable on the controller"
            ) from None
    return found


def pack_project(project: Project, manifest: ProjectManifest, places: Iterable[int], archive: str) -> None:
    """Write an archive of the manifest and the files at these places of it."""
    names = list(manifest)
    with tarfile.open(archive, "w:gz", compresslevel=4, format=tarfile.PAX_FORMAT) as tar:
        head = tarfile.TarInfo(_MANIFEST)
        data = json.dumps(manifest).encode()
        head.size = len(data)
        tar.addfile(head, io.BytesIO(data))
        for name in (names[place] for place in places if 0 <= place < len(names)):
            path = os.path.join(project.path, name)
            try:
                with open(path, "rb") as stream:
                    member = tarfile.TarInfo(_FILES + name)
                    member.size = os.fstat(stream.fileno()).st_size
                    tar.addfile(member, stream)
            except OSError as error:
                raise FeatureError(
                    f"{named('project')}: {path} cannot be read ({error.strerror or error}): run again when the project no longer changes"
                ) from None
