# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives written by Python's tarfile and by GNU tar."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

Files = Iterator[tuple[str, bytes]]  # name with the suffix of its kind, content


def tar(folder: Path) -> Files:
    kinds = [tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, b"V", b"7"]
    for form, kind, size in itertools.product((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT), kinds, (0, 700)):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
            for name in ("a.npy", "folder/" * 12 + "b.npy", "ä.npy"):
                info = tarfile.TarInfo(name)
                info.type, info.linkname, info.mtime = kind, "a.npy", 0 if form == tarfile.USTAR_FORMAT else -1.5 if size else 3
                info.size = size if kind in (tarfile.REGTYPE, tarfile.AREGTYPE, b"7") else 0
                archive.addfile(info, io.BytesIO(b"x" * info.size))
            end = archive.offset
        raw = buffer.getvalue()
        for blocks in (0, 1, 2):
            yield f"{form}-{kind!r}-{size}-{blocks}.tar", raw[:end] + bytes(512 * blocks)
    yield "empty.tar", bytes(10240)


def gnu_tar(folder: Path) -> Files:
    """What GNU tar writes: all its forms, sparse files in all its ways, a label, several volumes, long names."""
    work = folder / "tar"
    work.mkdir()
    (work / "a.npy").write_bytes(b"x" * 700)
    (work / ("long" * 40)).write_bytes(b"y")
    with (work / "sparse.npy").open("wb") as file:
        for number in range(30):
            file.seek(number * 10_000)
            file.write(b"data")
        file.truncate(400_000)
    (work / "link").symlink_to("a.npy")
    os.link(work / "a.npy", work / "same")
    forms = [f"--format={form}" for form in ("v7", "oldgnu", "gnu", "ustar", "posix")]
    sparse = ["--sparse --format=gnu", *(f"--sparse --format=posix --sparse-version={one}" for one in ("0.0", "0.1", "1.0"))]
    others = ["--label=here", "--format=posix --label=here", "--blocking-factor=1", "--listed-incremental=/dev/null",
              "--format=posix --pax-option=comment=ä", "--multi-volume --tape-length=100", "--mtime=@-9"]  # fmt: skip
    for number, options in enumerate([*forms, *sparse, *others]):
        names = ["a.npy", "link", "same"] if options in ("--format=v7", "--format=ustar") else sorted(os.listdir(work))
        path = folder / "gnu.tar"
        subprocess.run(["tar", "-cf", path, *options.split(), "-C", work, *names], check=False, stdin=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)  # fmt: skip
        if path.exists():
            yield f"gnu-{number}.tar", path.read_bytes()
            path.unlink()
