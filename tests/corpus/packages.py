# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The corpus' own environment in .build/corpus: packages with test files of known kinds, and libraries that write some."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy
import pyarrow

REPOSITORY = Path(__file__).resolve().parents[2]
REQUIREMENTS = REPOSITORY / "requirements/corpus.txt"
SOURCES = REPOSITORY / "requirements/corpus-sources.txt"
FOLDER = REPOSITORY / ".build/corpus"
LARGEST = 4 << 20
# Files of one kind from one package: some have hundreds of one writer.
MOST = 120

# pip asks a source archive's build backend for its name and version. This one answers from PKG-INFO, and runs nothing.
BACKEND = """
from pathlib import Path

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    said = Path("PKG-INFO").read_text(errors="replace").partition("\\n\\n")[0].splitlines()
    fields = {line.partition(": ")[0]: line for line in reversed(said)}
    lines = [fields[one] for one in ("Metadata-Version", "Name", "Version")]
    name = "-".join(line.partition(": ")[2] for line in lines[1:]) + ".dist-info"
    Path(folder, name).mkdir()
    Path(folder, name, "METADATA").write_text("\\n".join(lines) + "\\n")
    return name
"""
BACKENDS = ("hatchling/build.py", "maturin.py", "setuptools/build_meta.py", "setuptools_reproducible.py")


def install() -> None:
    """Install the environment, unless it is there."""
    stamp, pins = FOLDER / "stamp", REQUIREMENTS.read_bytes() + SOURCES.read_bytes()
    if stamp.exists() and stamp.read_bytes() == pins:
        return
    subprocess.run(["rm", "-rf", FOLDER], check=True)
    subprocess.run([REPOSITORY / ".venv/bin/uv", "pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target",
                    FOLDER / "packages", "-r", REQUIREMENTS], check=True)  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for name in BACKENDS:
            path = Path(folder, "backends", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(BACKEND)
        subprocess.run([sys.executable, "-m", "pip", "-qq", "download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:",
                        "--dest", folder, "-r", SOURCES],
                       check=True, env={**os.environ, "PYTHONPATH": f"{folder}/backends"})  # fmt: skip
        for path in sorted(Path(folder).glob("*.tar.gz")):
            with tarfile.open(path) as archive:
                archive.extractall(FOLDER / "sources", filter="data")
    stamp.write_bytes(pins)


def suffix_of(path: Path) -> str:
    """The suffix of a file's kind by its beginning, or nothing."""
    with path.open("rb") as file:
        head = file.read(2056)
    for magic, suffix in ((b"\x93NUMPY", ".npy"), (b"PAR1", ".parquet"), (b"ARROW1", ".arrow"), (b"FEA1", ".feather")):
        if head.startswith(magic):
            return suffix
    if head.startswith(b"PK\3\4"):
        return ".npz" if path.suffix == ".npz" else ".zip"
    if b"\x89HDF\r\n\x1a\n" in (head[at : at + 8] for at in (0, 512, 1024, 2048)):
        return ".h5"
    if head[257:262] == b"ustar":
        return ".tar"
    return path.suffix if path.suffix in (".npz", ".safetensors") else ""


def real_files() -> Iterator[tuple[str, bytes]]:
    """Name, with the suffix of the kind, and content of each distinct file of a known kind."""
    install()
    seen: set[bytes] = set()
    count: Counter[tuple[str, str]] = Counter()
    own = [Path(str(one.__file__)).parent for one in (numpy, h5py, pyarrow)]
    for top in (FOLDER / "packages", FOLDER / "sources", *own):
        for folder, _folders, names in sorted(os.walk(top)):
            for name in sorted(names):
                path = Path(folder, name)
                if (
                    path.suffix in (".py", ".so", ".pyc", ".txt")
                    or path.is_symlink()
                    or not 0 < path.stat().st_size <= LARGEST
                ):
                    continue
                suffix, shown = suffix_of(path), path.relative_to(top.parent)
                source = (shown.parts[1] if top.parent == FOLDER else shown.parts[0], suffix)
                if not suffix or count[source] >= MOST:
                    continue
                content = path.read_bytes()
                digest = hashlib.sha256(content).digest()
                if digest not in seen:
                    seen.add(digest)
                    count[source] += 1
                    yield f"{shown}{suffix}", content


def written_elsewhere(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Files that the environment's own libraries write, in a process of its own: it has other packages than the tests."""
    install()
    folder.mkdir()
    subprocess.run([sys.executable, Path(__file__).with_name("written_elsewhere.py"), folder], check=True,
                   env={**os.environ, "PYTHONPATH": str(FOLDER / "packages")})  # fmt: skip
    for path in sorted(folder.iterdir()):
        yield path.name, path.read_bytes()
