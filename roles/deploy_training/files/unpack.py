# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project on its way into a run's folder: what an earlier run's copy has already is copied on the host, the rest comes in an archive.

The module training_run runs this file as the training user, with the earlier copy as its first argument (or an empty text).
Without a second argument it reads a manifest from standard input, and prints the places in it of the files that are not there. With one it
unpacks an archive from standard input into that folder. A manifest has for each path [mode, bytes, nanoseconds, SHA-256], or [text] for
a link.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tarfile

MANIFEST = "manifest.json"
FILES = "files/"


class UnpackError(Exception):
    """A message for the user."""


def digest(path):
    """Return the SHA-256 of a regular file."""
    found = hashlib.sha256()
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with open(handle, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            found.update(block)
    return found.hexdigest()


def is_there(root, name, entry):
    """True if an earlier copy has this file, byte for byte."""
    path = os.path.join(root, name)
    try:
        return os.path.getsize(path) == entry[1] and digest(path) == entry[3]
    except OSError:
        return False


def missing(manifest, before):
    """Return which of the regular files have to be sent, by their place in the manifest."""
    files = [(place, name, entry) for place, (name, entry) in enumerate(manifest.items()) if len(entry) > 1]
    return [place for place, name, entry in files if not before or not is_there(before, name, entry)]


def write(stream, path, entry):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(handle, "wb") as target:
        shutil.copyfileobj(stream, target, 1 << 20)
        os.fchmod(handle, entry[0])
    os.utime(path, ns=(entry[2], entry[2]))


def unpack(source, before, root):
    """Make the project in an empty folder."""
    os.mkdir(root, 0o755)
    with tarfile.open(fileobj=source, mode="r|gz") as archive:
        manifest = {}
        for member in archive:
            stream = archive.extractfile(member) if member.isreg() else None
            if stream is None:
                raise UnpackError("it holds something that is no file")
            if member.name == MANIFEST:
                manifest = json.load(stream)
                continue
            name = member.name[len(FILES):]
            if name not in manifest or os.path.isabs(name) or ".." in name.split("/"):
                raise UnpackError("it holds a file that is not listed")
            write(stream, os.path.join(root, name), manifest[name])
    for name, entry in manifest.items():
        path = os.path.join(root, name)
        if len(entry) > 1:
            if not os.path.lexists(path):
                with open(os.path.join(before, name), "rb") as stream:
                    write(stream, path, entry)
            if digest(path) != entry[3]:
                raise UnpackError("%s has changed meanwhile" % name)
    # Links last: no file is written through one.
    for name, entry in manifest.items():
        if len(entry) == 1:
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(entry[0], path)
    return len(manifest)


def main():
    try:
        if len(sys.argv) < 3:
            return {"missing": missing(json.load(sys.stdin.buffer), sys.argv[1])}
        return {"files": unpack(sys.stdin.buffer, sys.argv[1], sys.argv[2])}
    except (OSError, EOFError, ValueError, KeyError, tarfile.TarError, UnpackError) as error:
        return {"error": str(error)[:300]}


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        json.dump(main(), sys.stdout)
