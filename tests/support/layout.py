# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lays out a host's feature files as real hosts have them, in seconds, with the standard library alone.

The archives are byte for byte of the form that ``numpy.savez`` writes (stored, zip64 local headers, ``.npy`` version 1.0).
Their data is a hole of zeros with a few unique bytes at its end and a right CRC-32: 8,690 files that say 4.5 GB
take up a few MB. ``dense`` fills the arrays instead. Everything is a function of the file's name: two runs give the same bytes.

As a script (also inside a host)::

    layout.py --root / --scale small --owner ubuntu          # the whole layout
    layout.py --features /data/x --crema-d 10 --ravdess 2    # one directory
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

WAV2VEC_DIR = "home/ubuntu/audio_emotion/models/wav2vec"
ALIAS_DIR = "home/ubuntu/emotion_project/wav2vec_features"
FACENET_DIR = "home/ubuntu/emotion-recognition/crema_d_features_facenet"
NPZ_FILES_DIR = "home/ubuntu/emotion-recognition/npz_files/CREMA-D"
AUDIO_DIR = "home/ubuntu/emotion-recognition/crema_d_features_audio"

EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")


@dataclass(frozen=True)
class Scale:
    """How many files of each kind a layout has."""

    crema_d: int
    ravdess: int
    facenet: int
    npz_files: int
    audio: int

    @property
    def wav2vec(self) -> int:
        return self.crema_d + self.ravdess


SCALES = {"small": Scale(24, 8, 10, 10, 5), "medium": Scale(300, 60, 310, 310, 50), "full": Scale(7442, 1248, 7441, 7441, 530)}


@dataclass(frozen=True)
class Array:
    """One array of an archive: dtype as in an ``.npy`` header, shape, and its bytes: zeros, then ``tail``."""

    name: str
    descr: str
    shape: Tuple[int, ...]
    zeros: int
    tail: bytes


@lru_cache(maxsize=4096)
def _npy_header(descr: str, shape: Tuple[int, ...]) -> bytes:
    text = "{'descr': '%s', 'fortran_order': False, 'shape': %r, }" % (descr, shape)
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1")


@lru_cache(maxsize=4096)
def _crc_of_start(header: bytes, zeros: int) -> int:
    """CRC-32 of a header and the zeros after it: few lengths are in use, so nearly all files cost nothing."""
    return zlib.crc32(bytes(zeros), zlib.crc32(header))


def write_npz(path: os.PathLike[str] | str, arrays: Sequence[Array]) -> None:
    """Writes ``arrays`` as ``numpy.savez`` would, sparse where they are zero. Replaces nothing: the name must be free."""
    directory = []
    with open(path, "xb") as file:
        for array in arrays:
            name = (array.name + ".npy").encode()
            header = _npy_header(array.descr, array.shape)
            size = len(header) + array.zeros + len(array.tail)
            crc = zlib.crc32(array.tail, _crc_of_start(header, array.zeros))
            offset = file.tell()
            # numpy asks zipfile for zip64 in any case: sizes stand in the extra field of the local header.
            file.write(struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 45, 0, 0, 0, 33, crc, 2**32 - 1, 2**32 - 1, len(name), 20))
            file.write(name + struct.pack("<HHQQ", 1, 16, size, size) + header)
            file.seek(array.zeros, os.SEEK_CUR)
            file.write(array.tail)
            directory.append(
                struct.pack("<4s4B4HIIIHHHHHII", b"PK\1\2", 45, 3, 45, 0, 0, 0, 0, 33, crc, size, size, len(name),
                            0, 0, 0, 0, 0o600 << 16, offset) + name)
        start = file.tell()
        listing = b"".join(directory)
        file.write(listing)
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(arrays), len(arrays), len(listing), start, 0))


def _floats(seed: str, count: int) -> bytes:
    chooser = random.Random(seed)
    return struct.pack("<%df" % count, *(chooser.random() for index in range(count)))


def _float32(name: str, shape: Tuple[int, int], seed: str, dense: bool) -> Array:
    total = shape[0] * shape[1]
    tail = _floats(seed, total if dense else 8)
    return Array(name, "<f4", shape, 4 * total - len(tail), tail)


def _speech(name: str, shape: Tuple[int, int], seed: str, emotion: int) -> Array:
    """Noise in which a trainer can learn the emotion, in a few epochs: a small shift of every sixth dimension, under larger ones."""
    chooser = random.Random(seed)
    nuisance = [chooser.random() / 2 for index in range(4)] + [0.0] * 4
    shift = [nuisance[index % 8] + (0.03 if index % 6 == emotion else 0.0) for index in range(shape[1])]
    tail = b"".join(struct.pack("<%df" % shape[1], *(chooser.random() + one for one in shift)) for frame in range(shape[0]))
    return Array(name, "<f4", shape, 0, tail)


def _number(seed: str) -> int:
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")


def write_wav2vec(path: os.PathLike[str] | str, seed: Optional[str] = None, *, frames: Optional[int] = None,
                  emotion_class: bool = True, dense: bool = False) -> None:
    """A WAV2VEC feature. ``seed`` (by default the file's name) decides its content; an older extractor's has no ``emotion_class``."""
    seed = Path(path).name if seed is None else seed
    number = _number(seed)
    emotion = number % 6
    label = b"".join(struct.pack("<d", float(i == emotion)) for i in range(6))
    text = EMOTIONS[emotion]
    shape = (frames or 110 + number // 6 % 151, 768)
    arrays = [
        _speech("wav2vec_features", shape, seed, emotion) if dense else _float32("wav2vec_features", shape, seed, dense),
        Array("label", "<f8", (6,), 0, label),
        Array("emotion", f"<U{len(text)}", (), 0, text.encode("utf-32-le")),
    ]
    if emotion_class:
        arrays.append(Array("emotion_class", "<i8", (), 0, struct.pack("<q", emotion)))
    write_npz(path, arrays)


def write_facenet(path: os.PathLike[str] | str, seed: Optional[str] = None, *, frames: Optional[int] = None,
                  dense: bool = False) -> None:
    """FaceNet video features: an intact archive of another kind."""
    seed = Path(path).name if seed is None else seed
    length = frames or 57
    times = struct.pack(f"<{length}d", *(i / 30 for i in range(length)))
    write_npz(path, [_float32("video_features", (length, 512), seed, dense), Array("timestamps", "<f8", (length,), 0, times)])


def write_audio(path: os.PathLike[str] | str, seed: Optional[str] = None, *, frames: Optional[int] = None,
                dense: bool = False) -> None:
    """Hand-made audio features: an intact archive of another kind."""
    seed = Path(path).name if seed is None else seed
    write_npz(path, [_float32("mfcc", (40, frames or 94), seed, dense), Array("sr", "<i8", (), 0, struct.pack("<q", 16000))])


WRITERS: Dict[str, Callable[..., None]] = {"wav2vec": write_wav2vec, "facenet": write_facenet, "audio": write_audio}


def _clips() -> Iterator[str]:
    for actor in range(1001, 1092):
        for sentence in SENTENCES:
            for emotion in EMOTIONS:
                for level in ("LO", "MD", "HI") if sentence == "IEO" and emotion != "NEU" else ("XX",):
                    yield f"{actor}_{sentence}_{emotion}_{level}"


def clip_names(count: int) -> List[str]:
    """The first ``count`` CREMA-D clips, as the FaceNet files are named: ``1001_DFA_ANG_XX.npz``."""
    return [f"{clip}.npz" for clip in islice(_clips(), count)]


def crema_d_names(count: int) -> List[str]:
    return [f"cremad_{name}" for name in clip_names(count)]


def ravdess_names(count: int) -> List[str]:
    """The first ``count`` of RAVDESS' 1,248 spoken clips (those without "calm"), ``ravdess_01-01-04-01-02-02-15.npz``."""
    clips = (
        f"ravdess_01-01-{emotion:02}-{strength:02}-{statement:02}-{take:02}-{actor:02}.npz"
        for actor in range(1, 25)
        for emotion in (1, 3, 4, 5, 6, 7, 8)
        for strength in ((1,) if emotion == 1 else (1, 2))
        for statement in (1, 2)
        for take in (1, 2)
    )
    return list(islice(clips, count))


def write_features(directory: os.PathLike[str] | str, names: Iterable[str], kind: str = "wav2vec", *,
                   frames: Optional[int] = None, dense: bool = False) -> int:
    """Fills ``directory`` (made if absent) with one file of ``kind`` per name; returns how many."""
    Path(directory).mkdir(parents=True, exist_ok=True)
    count = 0
    for name in names:
        WRITERS[kind](Path(directory, name), frames=frames, dense=dense)
        count += 1
    return count


def make_layout(root: os.PathLike[str] | str, scale: str | Scale = "small", *, alias: bool = True, wav2vec: bool = True,
                frames: Optional[int] = None, dense: bool = False, owner: Optional[str] = None) -> Scale:
    """The layout of a real host below ``root``: WAV2VEC features, other models' files, and the directory symlink.

    ``alias=False`` leaves the symlink out; ``wav2vec=False`` makes the host on which ``audio_emotion`` is gone (the symlink dangles).
    ``frames`` is the length of each array, by default as real ones have it. ``owner`` gives all that was made to that account.
    """
    counts = SCALES[scale] if isinstance(scale, str) else scale
    top = Path(root)
    if wav2vec:
        write_features(top / WAV2VEC_DIR, crema_d_names(counts.crema_d) + ravdess_names(counts.ravdess), frames=frames, dense=dense)
    if alias:
        (top / ALIAS_DIR).parent.mkdir(parents=True, exist_ok=True)
        (top / ALIAS_DIR).symlink_to(top / WAV2VEC_DIR)
    write_features(top / FACENET_DIR, clip_names(counts.facenet), "facenet", frames=frames, dense=dense)
    write_features(top / NPZ_FILES_DIR, clip_names(counts.npz_files), "facenet", frames=frames, dense=dense)
    write_features(top / AUDIO_DIR, clip_names(counts.audio), "audio", frames=frames, dense=dense)
    if owner is not None:
        for part in ("audio_emotion", "emotion_project", "emotion-recognition"):
            give(top / "home/ubuntu" / part, owner)
    return counts


def give(path: Path, owner: str) -> None:
    """Gives ``path`` and all below it to ``owner``, links themselves included."""
    if not path.exists() and not path.is_symlink():
        return
    shutil.chown(path, owner, owner)
    for parent, directories, files in os.walk(path):
        for name in directories + files:
            full = os.path.join(parent, name)
            if os.path.islink(full):
                continue
            shutil.chown(full, owner, owner)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description="Lay out feature files as real hosts have them.")
    parser.add_argument("--root", help="the directory that stands for the host's /")
    parser.add_argument("--scale", choices=sorted(SCALES), default="small")
    parser.add_argument("--no-alias", action="store_true", help="without the directory symlink")
    parser.add_argument("--no-wav2vec", action="store_true", help="without the WAV2VEC features themselves")
    parser.add_argument("--features", help="fill this one directory instead of laying out a host")
    parser.add_argument("--kind", choices=sorted(WRITERS), default="wav2vec")
    parser.add_argument("--crema-d", type=int, default=0)
    parser.add_argument("--ravdess", type=int, default=0)
    parser.add_argument("--dense", action="store_true", help="real data instead of holes")
    parser.add_argument("--frames", type=int, help="arrays of this length, by default as real ones have it")
    parser.add_argument("--owner", help="the account to give it to")
    options = parser.parse_args(arguments)
    if options.features:
        names = crema_d_names(options.crema_d) + ravdess_names(options.ravdess)
        print(write_features(options.features, names, options.kind, frames=options.frames, dense=options.dense))
        if options.owner:
            give(Path(options.features), options.owner)
    elif options.root:
        print(make_layout(options.root, options.scale, alias=not options.no_alias, wav2vec=not options.no_wav2vec,
                          frames=options.frames, dense=options.dense, owner=options.owner))
    else:
        parser.error("give --root or --features")


if __name__ == "__main__":
    main()
