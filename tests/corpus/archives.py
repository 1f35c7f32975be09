# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives, good and bad: written field by field, so that every field can lie."""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy


def npy(array: numpy.ndarray, version: tuple[int, int] = (1, 0), text: str | None = None, pad: int = 64) -> bytes:
    """An array as numpy writes it, or under any other header text and version."""
    fortran = bool(array.flags.f_contiguous and not array.flags.c_contiguous)
    if text is None:
        descr = numpy.lib.format.dtype_to_descr(array.dtype)
        text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {array.shape!r}, }}"
    raw = text.encode("utf-8" if version[0] == 3 else "latin-1", "replace")
    form = "<H" if version[0] == 1 else "<I"
    start = 8 + struct.calcsize(form)
    raw += b" " * (-(start + len(raw) + 1) % pad) + b"\n"
    return b"\x93NUMPY" + bytes(version) + struct.pack(form, len(raw)) + raw + array.tobytes("F" if fortran else "C")


@dataclass
class Entry:
    """A member; None in a field: what is right."""

    name: bytes
    content: bytes
    method: int = 0
    flags: int = 0
    later: bool = False  # sizes in a record behind the data
    wide: bool = True  # zip64 sizes in the local header, as numpy writes them
    both: bool = False  # there and in the usual place, as older Pythons wrote them
    wide_central: bool = False
    date: int = 33 << 16
    extra: bytes = b""
    comment: bytes = b""
    local: dict[str, Any] = field(default_factory=dict)
    central: dict[str, Any] = field(default_factory=dict)
    hidden: bool = False  # not in the directory
    before: bytes = b""  # bytes before the local header


@dataclass
class Archive:
    """What is to be written, and after build() where everything lies."""

    entries: list[Entry]
    order: list[int] | None = None  # of the directory
    comment: bytes = b""
    zip64: bool = False
    end: dict[str, int] = field(default_factory=dict)
    prefix: bytes = b""
    suffix: bytes = b""
    spans: list[tuple[str, int, int]] = field(default_factory=list)

    def build(self) -> bytes:
        """The file; spans then names its regions: local, header, data, central, end."""
        out, directory, self.spans = bytearray(self.prefix), [], []
        for entry in self.entries:
            out += entry.before
            offset = len(out)
            packed = entry.content
            if entry.method == 8:
                packer = zlib.compressobj(6, zlib.DEFLATED, -15)
                packed = packer.compress(entry.content) + packer.flush()
            real = {
                "version": 45, "flags": entry.flags | (8 if entry.later else 0), "method": entry.method,
                "date": entry.date, "crc": zlib.crc32(entry.content), "packed": len(packed),
                "size": len(entry.content), "name": entry.name, "offset": offset,
            }  # fmt: skip
            local = {**real, **({"crc": 0, "packed": 0, "size": 0} if entry.later else {}), **entry.local}
            extra = entry.extra
            if entry.wide and not entry.later:
                extra = struct.pack("<HHQQ", 1, 16, local["size"] & 2**64 - 1, local["packed"] & 2**64 - 1) + extra
                if not entry.both:
                    local["size"] = local["packed"] = 2**32 - 1
            out += struct.pack(
                "<4s3HL3L2H", local.get("signature", b"PK\3\4"), *_u16(local, "version", "flags", "method"),
                local["date"], *_u32(local, "crc", "packed", "size"),
                local.get("name_length", len(local["name"])), local.get("extra_length", len(extra)),
            )  # fmt: skip
            out += local["name"] + extra
            start = len(out)
            self.spans.append(("local", offset, start))
            header = _header_length(entry.content) if entry.method == 0 else 0
            out += packed
            self.spans += [("header", start, start + header), ("data", start + header, len(out))]
            if entry.later:
                form = "<LQQ" if entry.wide else "<LLL"
                out += b"PK\7\x08" + struct.pack(form, real["crc"], len(packed), len(entry.content))
                self.spans.append(("local", len(out) - struct.calcsize(form) - 4, len(out)))
            central = {**real, **entry.central}
            extra = b""
            if entry.wide_central:
                extra = struct.pack("<HHQQQ", 1, 24, *(central[key] & 2**64 - 1 for key in ("size", "packed", "offset")))
                central.update(size=2**32 - 1, packed=2**32 - 1, offset=2**32 - 1)
            record = struct.pack(
                "<4s4HL3L5HLL", central.get("signature", b"PK\1\2"), central.get("made", 0x032D),
                *_u16(central, "version", "flags", "method"), central["date"], *_u32(central, "crc", "packed", "size"),
                central.get("name_length", len(central["name"])), central.get("extra_length", len(extra)),
                central.get("comment_length", len(entry.comment)), central.get("disk", 0), 0, 0o600 << 16,
                central["offset"] & 2**32 - 1,
            )  # fmt: skip
            if not entry.hidden:
                directory.append(record + central["name"] + extra + entry.comment)
        start = len(out)
        order = self.order if self.order is not None else range(len(directory))
        out += b"".join(directory[index] for index in order if index < len(directory))
        self.spans.append(("central", start, len(out)))
        end = {"disk": 0, "start_disk": 0, "here": len(directory), "count": len(directory), "size": len(out) - start,
               "start": start, "comment": len(self.comment)}  # fmt: skip
        if self.zip64:
            record_at = len(out)
            out += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, *(
                self.end.get(key, end[key]) for key in ("here", "count", "size", "start")))  # fmt: skip
            out += struct.pack("<4sLQL", b"PK\6\7", 0, self.end.get("record_at", record_at), 1)
            end.update(here=0xFFFF, count=0xFFFF, size=2**32 - 1, start=2**32 - 1)
        else:
            end.update({key: value for key, value in self.end.items() if key in end})
        out += struct.pack("<4s4H2LH", b"PK\5\6", *_u16(end, "disk", "start_disk", "here", "count"),
                           *_u32(end, "size", "start"), end["comment"] & 0xFFFF) + self.comment  # fmt: skip
        self.spans.append(("end", start, len(out)))
        return bytes(out + self.suffix)

    def with_data_restored(self, original: bytes, changed: bytes, large: int) -> bytes:
        """The changed file with the data of large arrays as they were.

        A checksum that lies alike in both places is a change of data too: nothing else can tell which is wrong.
        """
        if any(_lies_alike(entry, large) for entry in self.entries):
            return original
        restored = bytearray(changed)
        if len(original) == len(changed):
            for kind, start, end in self.spans:
                if kind == "data" and end - start > large:
                    restored[start:end] = original[start:end]
        return bytes(restored)


def _lies_alike(entry: Entry, large: int) -> bool:
    return len(entry.content) > large and "crc" in entry.local and entry.local["crc"] == entry.central.get("crc")


def _u16(fields: dict[str, Any], *keys: str) -> list[int]:
    return [fields[key] & 0xFFFF for key in keys]


def _u32(fields: dict[str, Any], *keys: str) -> list[int]:
    return [fields[key] & 0xFFFFFFFF for key in keys]


def _header_length(content: bytes) -> int:
    if content[:6] != b"\x93NUMPY" or len(content) < 12:
        return 0
    return 10 + struct.unpack_from("<H", content, 8)[0] if content[6] == 1 else 12 + struct.unpack_from("<I", content, 8)[0]


EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad")


def feature(chooser: random.Random, long: bool = True) -> Archive:
    """An archive as the extractor writes it, with other data and lengths each time."""
    frames = chooser.randint(2, 6) if long else chooser.randint(0, 1)
    emotion = chooser.randrange(6)
    data = numpy.frombuffer(chooser.randbytes(frames * 768 * 4), "<u4").astype("<f4").reshape(frames, 768)
    arrays = {
        "wav2vec_features": data,
        "label": numpy.eye(6)[emotion],
        "emotion": numpy.array(EMOTIONS[emotion]),
        "emotion_class": numpy.array(emotion),
    }
    return Archive([Entry(name.encode() + b".npy", npy(array)) for name, array in arrays.items()])


def variant(chooser: random.Random) -> Archive:
    """The same content in one of the many forms that an archive may have."""
    archive = feature(chooser, long=chooser.random() < 0.9)
    for entry in archive.entries:
        entry.date = chooser.choice([33 << 16, chooser.getrandbits(32)])
    form = chooser.randrange(12)
    if form == 0:
        for entry in archive.entries:
            entry.method = 8
    elif form == 1:
        for entry in archive.entries:
            entry.later, entry.wide = True, chooser.random() < 0.5
    elif form == 2:
        archive.zip64 = True
    elif form == 3:
        for entry in archive.entries:
            entry.wide_central = True
    elif form == 4:
        chooser.shuffle(archive.entries)
    elif form == 5:
        archive.comment = chooser.randbytes(chooser.randint(1, 60))
    elif form == 6:
        for entry in archive.entries:
            entry.wide = False
            entry.extra = struct.pack("<HH", 0xCAFE, 2) + b"zz"
    elif form == 8:
        for entry in archive.entries:
            entry.both = True
    elif form == 7:
        archive.order = chooser.sample(range(4), 4)
    return archive


_FIELDS = ("crc", "packed", "size", "offset", "name_length", "extra_length", "comment_length", "flags", "method",
           "version", "disk", "made")  # fmt: skip


def _lie(chooser: random.Random, right: int) -> int:
    return chooser.choice(
        [0, 1, right + 1, max(right - 1, 0), right + 64, max(right - 64, 0), right ^ 1 << chooser.randrange(16), 0xFFFF,
         0xFFFFFFFF, 2**31, 2**63, chooser.getrandbits(chooser.choice([8, 16, 32]))]
    )  # fmt: skip


HEADERS = (
    "{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 768)}}",
    "{{'descr': '<f4', 'fortran_order': True, 'shape': ({rows}, 768), }}",
    "{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}L, 768L), }}",
    "{{'descr': '<f4', 'fortran_order': False, 'shape': (768, {rows}), }}",
    "{{'descr': '<f4', 'fortran_order': False, 'shape': [{rows}, 768], }}",
    "{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, -768), }}",
    "{{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 768), }}",
    "{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 768), 'more': 1, }}",
    "{{'descr': '<f4', 'fortran_order': 0, 'shape': ({rows}, 768), }}",
    "{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 0x300), }}",
    "{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 768,), }} # comment",
    "{{'shape': ({rows}, 768), 'descr': '<f4', 'fortran_order': False}}",
    '{{"descr": "<f4", "fortran_order": False, "shape": ({rows}, 768)}}',
    "{{'descr': '=f4', 'fortran_order': False, 'shape': ({rows}, 768), }}",
    "{{'descr': 'f4', 'fortran_order': False, 'shape': ({rows}, 768), }}",
    "{{'descr': '>f4', 'fortran_order': False, 'shape': ({rows}, 768), }}",
    "{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, 768), }}",
    "{{'descr': '<f4', 'fortran_order': False, 'shape': (True, {rows}, 768), }}",
    "{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 768 , ), }}",
    "{{'descr': '|O', 'fortran_order': False, 'shape': ({rows}, 768), }}",
    "{{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 768), }}",
    "{{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904), }}",
    "{{'descr': '<q9', 'fortran_order': False, 'shape': ({rows}, 768), }}",
    "{{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ({rows}, 768), }}",
    "{{'descr': [('a', '<f2'), ('', '|V2')], 'fortran_order': False, 'shape': ({rows}, 768), }}",
    "{{'descr': [('a', '|O')], 'fortran_order': False, 'shape': ({rows}, 768), }}",
    "[" * 900,
    "-" * 9000 + "1",
    "(" * 150 + ")" * 150,
    "{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, 768), }}" + " " * 12000,
    "__import__('os').system('false')",
    "",
)


def mutate(chooser: random.Random, archive: Archive) -> tuple[str, bytes]:
    """The archive with one thing wrong, or several; and the name of what was done."""
    kind = chooser.choice(
        ["flip", "flip", "flip", "flip", "flip", "cut", "slice", "insert", "lie", "lie", "lie", "rename", "duplicate",
         "reorder", "drop", "header", "header", "end", "encrypt", "append", "content"]
    )  # fmt: skip
    if kind in ("flip", "cut", "slice", "insert", "append"):
        return kind, _mutate_bytes(chooser, archive, archive.build(), kind)
    entries = archive.entries
    victim = chooser.randrange(len(entries))
    entry = entries[victim]
    if kind == "lie":
        archive.build()
        for _turn in range(chooser.randint(1, 2)):
            name = chooser.choice(_FIELDS)
            right = {"crc": zlib.crc32(entry.content), "packed": len(entry.content), "size": len(entry.content),
                     "name_length": len(entry.name), "offset": 0}.get(name, 0)  # fmt: skip
            value = _lie(chooser, right) if "length" not in name else _lie(chooser, right) & 0xFFFF
            if name in ("disk", "made", "flags", "method", "version"):
                value &= 0xFFFF
            where = chooser.randrange(3)
            if where != 1:
                entry.central[name] = value
            if where != 0 and name not in ("offset", "disk", "made", "comment_length"):
                entry.local[name] = value
    elif kind == "rename":
        name = chooser.choice([b"label.npy", b"x.npy", b"wav2vec_features", b"", b"a\0b.npy", b"\xff\xfe.npy", b"../up.npy",
                               entries[victim - 1].name, chooser.randbytes(9)])  # fmt: skip
        where = chooser.randrange(3)
        if where == 2:
            entries[victim] = replace(entry, name=name, flags=chooser.choice([0, 0x800]))
        else:
            (entry.central if where else entry.local)["name"] = name
    elif kind == "duplicate":
        copy = replace(entry, local=dict(entry.local), central=dict(entry.central))
        if chooser.random() < 0.5:
            copy.central["offset"] = 0
        entries.insert(chooser.randrange(len(entries) + 1), copy)
    elif kind == "reorder":
        archive.order = chooser.sample(range(len(entries)), len(entries))
        chooser.shuffle(entries)
    elif kind == "drop":
        entry.hidden = chooser.random() < 0.7
        if not entry.hidden:
            entry.before = chooser.randbytes(chooser.randint(1, 40))
    elif kind == "header":
        entry = entries[0] if chooser.random() < 0.8 else entry
        data = entry.content[_header_length(entry.content) :]
        shown = numpy.frombuffer(data, numpy.uint8)
        text = chooser.choice(HEADERS).format(rows=len(data) // 3072)
        entry.content = npy(shown, chooser.choice([(1, 0), (1, 0), (2, 0), (3, 0), (1, 1), (4, 0)]), text, chooser.choice([16, 64]))
    elif kind == "end":
        archive.zip64 = archive.zip64 or chooser.random() < 0.3
        for _turn in range(chooser.randint(1, 2)):
            key = chooser.choice(["disk", "start_disk", "here", "count", "size", "start", "comment", "record_at"])
            archive.end[key] = _lie(chooser, {"here": 4, "count": 4}.get(key, 300)) & (2**16 - 1 if "k" in key else 2**64 - 1)
    elif kind == "encrypt":
        entry.flags |= chooser.choice([1, 0x20, 0x40, 0x41, 0x2000, 2, 4, 0x800])
    elif kind == "content":
        entry.content = chooser.choice([b"", b"text", chooser.randbytes(3000), b"\x93NUMPY", entry.content[:-1], entry.content + b"\0"])
    return kind, archive.build()


def _mutate_bytes(chooser: random.Random, archive: Archive, raw: bytes, kind: str) -> bytes:
    if kind == "flip":
        changed = bytearray(raw)
        weights = {"local": 3, "header": 3, "data": 1, "central": 6, "end": 3}
        spans = [span for span in archive.spans if span[2] > span[1]]
        for _turn in range(chooser.choice([1, 1, 1, 2, 3])):
            _kind, start, end = chooser.choices(spans, [weights[span[0]] for span in spans])[0]
            at = chooser.randrange(start, end)
            changed[at] = chooser.choice([changed[at] ^ 1 << chooser.randrange(8), chooser.randrange(256), 0, 0x20, 0x39])
        return bytes(changed)
    at = chooser.randrange(len(raw) + 1)
    if kind == "cut":
        return raw[:at] if chooser.random() < 0.8 else raw[at:]
    if kind == "slice":
        return raw[:at] + raw[at + chooser.randint(1, 300) :]
    more = chooser.randbytes(chooser.randint(1, 100)) if chooser.random() < 0.7 else raw[: chooser.randint(1, len(raw))]
    return raw[:at] + more + raw[at:] if kind == "insert" else raw + more
