# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives as numpy writes them, byte by byte, so that each byte can be made wrong."""

from __future__ import annotations

import io
import struct
import zipfile

from ansible_collections.trainprep.features.plugins.module_utils._spec.sets import parse_arrays

ASKED = parse_arrays({"wav2vec_features": {"dtype": "float32", "shape": [None, 768]}})
ANY = parse_arrays({})


def npy(descr="<f4", shape=(2, 768), data=None, version=1, text=None, size=4):
    """An array as numpy writes it; zeros where no data are given."""
    if text is None:
        text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    form, start = ("<H", 10) if version == 1 else ("<I", 12)
    raw = text.encode("utf-8")
    raw += b" " * (-(start + len(raw) + 1) % 64) + b"\n"
    count = size
    for length in shape:
        count *= length
    return (
        b"\x93NUMPY"
        + bytes((version, 0))
        + struct.pack(form, len(raw))
        + raw
        + (bytes(count) if data is None else data)
    )


LABEL = npy("<f8", (6,), size=8)
EMOTION = npy("<U3", (), "sad".encode("utf-32-le"))
CLASS = npy("<i8", (), size=8)


def wav2vec(rows=2, seed=b"\x01"):
    return npy(shape=(rows, 768), data=(seed * 3072 * rows)[: 3072 * rows])


def members(**arrays):
    return {name + ".npy": content for name, content in arrays.items()}


FEATURE_MEMBERS = members(wav2vec_features=wav2vec(), label=LABEL, emotion=EMOTION, emotion_class=CLASS)


def archive(files=None, method=zipfile.ZIP_STORED, wide=True, stream=None, comment=b""):
    """An archive as numpy.savez writes it."""
    buffer = stream or io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as zipped:
        zipped.comment = comment
        for name, content in (FEATURE_MEMBERS if files is None else files).items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            with zipped.open(info, "w", force_zip64=wide) as member:
                member.write(content)
    return buffer.getvalue()


class Pipe(io.BytesIO):
    """What cannot be rewound, so that sizes follow the data."""

    def seekable(self):
        return False

    def seek(self, *args):
        raise io.UnsupportedOperation

    def tell(self):
        raise io.UnsupportedOperation


def patched(content, at, value):
    return content[:at] + value + content[at + len(value) :]


def central(content, number=0):
    """Where an entry of the directory begins."""
    at = -1
    for _turn in range(number + 1):
        at = content.index(b"PK\1\2", at + 1)
    return at


PLAIN = archive()
NARROW = archive(wide=False)


def one(content):
    return archive(members(wav2vec_features=content))


def flipped(content, needle, offset=0):
    at = content.index(needle) + offset
    return patched(content, at, bytes((content[at] ^ 1,)))


FEATURES = {
    "as numpy.savez writes it": PLAIN,
    "without zip64 local headers": NARROW,
    "compressed": archive(method=zipfile.ZIP_DEFLATED),
    "another order": archive(dict(reversed(list(FEATURE_MEMBERS.items())))),
    "one array more": archive({**FEATURE_MEMBERS, **members(speaker=CLASS)}),
    "large array more": archive({**FEATURE_MEMBERS, **members(more=wav2vec(3))}),
    "older extractor": archive(members(wav2vec_features=wav2vec(), label=LABEL, emotion=EMOTION)),
    "no other array": archive(members(wav2vec_features=wav2vec())),
    "no rows": archive(members(wav2vec_features=wav2vec(0))),
    "many rows": archive(members(wav2vec_features=wav2vec(300))),
    "written to a pipe": archive(stream=Pipe()),
    "written to a pipe without zip64": archive(stream=Pipe(), wide=False),
    "with a comment": archive(comment=b"PK\5\6 in a comment is no end"[2:]),
    "text beside the arrays": archive({**FEATURE_MEMBERS, "README": b"see the paper"}),
    "header version 2": archive(members(wav2vec_features=npy(version=2))),
    "header version 3": archive(members(wav2vec_features=npy(version=3))),
    "Fortran order": archive(
        members(wav2vec_features=npy(text="{'descr': '<f4', 'fortran_order': True, 'shape': (2, 768), }"))
    ),
    "header by another writer": archive(
        members(wav2vec_features=npy(text='{"shape":(2,768),"fortran_order":False,"descr":"<f4"}'))
    ),
    "header by Python 2": archive(
        members(wav2vec_features=npy(text="{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 768L), }"))
    ),
    "structured array beside it": archive(
        {**FEATURE_MEMBERS, **members(meta=npy([("a", "<i4"), ("b", "<U2")], (3,), size=12))}
    ),
}
