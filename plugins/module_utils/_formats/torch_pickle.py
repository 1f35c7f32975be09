# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tensors that a pickle of torch's would rebuild, told without rebuilding anything.

The pickle is walked opcode by opcode over plain data: a global is never imported, a call never made. What is not
needed to write tensors, plain values and dictionaries of them is refused, which is what loads without trust too.
"""

from __future__ import annotations

import re
import struct
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

from . import damage, dtypes

# An int of a pickle that counts something in memory.
_MOST = 1 << 62
_MAX_DIMENSIONS = 32
_MAX_STACK = 1 << 17

_STORAGES = {
    f"torch {name}Storage": dtypes.DType(text, size, False)
    for name, text, size in (
        ("Float", "<f4", 4),
        ("Double", "<f8", 8),
        ("Half", "<f2", 2),
        ("BFloat16", "bfloat16", 2),
        ("Long", "<i8", 8),
        ("Int", "<i4", 4),
        ("Short", "<i2", 2),
        ("Char", "|i1", 1),
        ("Byte", "|u1", 1),
        ("Bool", "|b1", 1),
        ("ComplexFloat", "<c8", 8),
        ("ComplexDouble", "<c16", 16),
    )
}
# Types of tensors that lie in storages without a type.
_UNTYPED = {
    "torch float8_e4m3fn": dtypes.DType("float8_e4m3fn", 1, False),
    "torch float8_e5m2": dtypes.DType("float8_e5m2", 1, False),
    "torch float8_e8m0fnu": dtypes.DType("float8_e8m0fnu", 1, False),
    "torch uint16": dtypes.DType("<u2", 2, False),
    "torch uint32": dtypes.DType("<u4", 4, False),
    "torch uint64": dtypes.DType("<u8", 8, False),
}
_BYTES = dtypes.DType("|u1", 1, False)
_STORAGES["torch.storage UntypedStorage"] = _BYTES
_TYPE_NAMES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
_LOCATION = re.compile(r"cpu|(?:cuda|xpu|hpu|npu)(?::\d{1,3})?|mps")


class Storage(NamedTuple):
    """Memory that tensors lie in: the archive's member that holds it, in elements of one type."""

    key: str
    dtype: dtypes.DType
    length: int


class Tensor(NamedTuple):
    """A tensor: its type and shape."""

    dtype: dtypes.DType
    shape: Tuple[int, ...]


class Walked(NamedTuple):
    """What a pickle holds: the value at its top, and all storages that its tensors lie in."""

    top: Any
    storages: Dict[str, Storage]


class _Global:
    """A name that loading would import."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


_MARK = object()


def walk(raw: bytes) -> Walked:
    """What the pickle holds; Foreign where that is more than tensors and plain values, Damaged where it is not a pickle."""
    walker = _Walker(raw)
    try:
        return Walked(walker.run(), walker.storages)
    except (IndexError, struct.error):
        raise _broken("it ends early") from None


def _broken(what: str) -> damage.Damaged:
    return damage.Damaged(f"has a broken pickle ({what})")


def _other(what: str) -> damage.Foreign:
    return damage.Foreign(f"holds Python objects other than tensors, which only a pickle can load ({dtypes.shorten(what)})")


class _Walker:
    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.position = 0
        self.stack: List[Any] = []
        self.memo: Dict[int, Any] = {}
        self.storages: Dict[str, Storage] = {}

    def run(self) -> Any:
        while True:
            code = self.raw[self.position]
            self.position += 1
            if code == 0x2E:
                break
            step = _STEPS.get(code)
            if step is None:
                raise _other(f"opcode {chr(code)!r}")
            step(self)
            if len(self.stack) > _MAX_STACK:
                raise _other("too many")
        if len(self.stack) != 1 or self.stack[0] is _MARK:
            raise _broken("not one value")
        return self.stack[0]

    # Reading

    def take(self, length: int) -> bytes:
        start = self.position
        self.position += length
        if self.position > len(self.raw):
            raise _broken("it ends early")
        return self.raw[start : self.position]

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def line(self) -> str:
        end = self.raw.find(b"\n", self.position, self.position + 256)
        if end < 0:
            raise _broken("a name does not end")
        return self.text(self.take(end + 1 - self.position)[:-1])

    def text(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise _broken("a text is not UTF-8") from None

    def pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise _broken("a value is missing")
        return self.stack.pop()

    def since_mark(self) -> List[Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is _MARK:
                found = self.stack[index + 1 :]
                del self.stack[index:]
                return found
        raise _broken("a mark is missing")

    # Steps

    def push_global(self, module: str, name: str) -> None:
        full = f"{module} {name}"
        if full not in _KNOWN:
            raise _other(f"{module}.{name}")
        self.stack.append(_Global(full))

    def stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise _broken("a name is not text")
        self.push_global(module, name)

    def tuple_of(self, count: int) -> None:
        values = [self.pop() for _turn in range(count)]
        self.stack.append(tuple(reversed(values)))

    def put(self, index: int) -> None:
        if not self.stack or self.stack[-1] is _MARK:
            raise _broken("nothing to remember")
        self.memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise _broken("a value was never remembered")
        self.stack.append(self.memo[index])

    def append(self, values: List[Any]) -> None:
        if not self.stack or not isinstance(self.stack[-1], list):
            raise _broken("a value belongs to no list")
        self.stack[-1].extend(values)

    def set_items(self, values: List[Any]) -> None:
        if len(values) % 2 or not self.stack or not isinstance(self.stack[-1], dict):
            raise _broken("a value belongs to no dictionary")
        for key, value in zip(values[::2], values[1::2]):
            if not isinstance(key, (str, int)):
                raise _other("a dictionary with other keys than names")
            self.stack[-1][key] = value

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self.set_items([key, value])

    def build(self) -> None:
        # Attributes of a dictionary of weights: told apart from nothing else here.
        if not isinstance(self.pop(), dict) or not self.stack or not isinstance(self.stack[-1], dict):
            raise _other("attributes")

    def persistent(self) -> None:
        found = self.pop()
        if not isinstance(found, tuple) or len(found) != 5 or found[0] != "storage":
            raise _broken("a storage is not described as one")
        _word, kind, key, location, count = found
        if not isinstance(kind, _Global) or kind.name not in _STORAGES or not isinstance(key, str):
            raise _broken("a storage is not described as one")
        if not isinstance(location, str) or not _LOCATION.fullmatch(location) or not _is_count(count):
            raise _broken("a storage is not described as one")
        storage = Storage(key, _STORAGES[kind.name], count)
        if self.storages.setdefault(key, storage) != storage:
            raise _broken("a storage is described twice")
        self.stack.append(storage)

    def reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, _Global) or not isinstance(arguments, tuple):
            raise _broken("a call of what is not a function")
        call = _CALLS.get(function.name)
        if call is None:
            raise _broken(f"a call of {function.name}")
        self.stack.append(call(arguments))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def _ordered_dict(arguments: Tuple[Any, ...]) -> Any:
    if arguments:
        raise _other("a dictionary made of other things")
    return {}


def _size(arguments: Tuple[Any, ...]) -> Any:
    if len(arguments) != 1 or not isinstance(arguments[0], tuple) or not all(map(_is_count, arguments[0])):
        raise _broken("a size is not a number")
    return arguments[0]


def _tensor(arguments: Tuple[Any, ...]) -> Any:
    if len(arguments) not in (6, 7):
        raise _broken("a tensor is not described as one")
    if len(arguments) == 7 and arguments[6] not in (None, {}):
        raise _other("a tensor with metadata")
    storage = arguments[0]
    return _checked(storage, arguments, storage.dtype if isinstance(storage, Storage) else _BYTES)


def _untyped_tensor(arguments: Tuple[Any, ...]) -> Any:
    if len(arguments) not in (7, 8) or not isinstance(arguments[6], _Global):
        raise _broken("a tensor is not described as one")
    dtype = _UNTYPED.get(arguments[6].name)
    if dtype is None or (len(arguments) == 8 and arguments[7] not in (None, {})):
        raise _other("a tensor with metadata")
    return _checked(arguments[0], arguments, dtype)


def _checked(storage: Any, arguments: Tuple[Any, ...], dtype: dtypes.DType) -> Tensor:
    offset, shape, stride, grad, hooks = arguments[1:6]
    if (
        not isinstance(storage, Storage)
        or not _is_count(offset)
        or not isinstance(shape, tuple)
        or not isinstance(stride, tuple)
        or len(shape) != len(stride)
        or not all(map(_is_count, shape + stride))
        or not isinstance(grad, bool)
        or hooks not in (None, {})
    ):
        raise _broken("a tensor is not described as one")
    if len(shape) > _MAX_DIMENSIONS:
        raise _other(f"a tensor of {len(shape)} dimensions")
    end = (offset + 1 + sum((length - 1) * step for length, step in zip(shape, stride))) * dtype.itemsize
    if end > storage.length * storage.dtype.itemsize and 0 not in shape:
        raise damage.Damaged("has a tensor that is larger than its data")
    return Tensor(dtype, shape)


def _parameter(arguments: Tuple[Any, ...]) -> Any:
    if len(arguments) != 3 or not isinstance(arguments[0], Tensor) or not isinstance(arguments[1], bool):
        raise _broken("a parameter is not described as one")
    return arguments[0]


_CALLS: Dict[str, Callable[[Tuple[Any, ...]], Any]] = {
    "collections OrderedDict": _ordered_dict,
    "torch Size": _size,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_tensor_v3": _untyped_tensor,
    "torch._utils _rebuild_parameter": _parameter,
}
_KNOWN = {*_CALLS, *_STORAGES, *_UNTYPED, *(f"torch {name}" for name in _TYPE_NAMES)}


def _push(value: Callable[[_Walker], Any]) -> Callable[[_Walker], None]:
    return lambda walker: walker.stack.append(value(walker))


def _long(walker: _Walker, length: int) -> int:
    return int.from_bytes(walker.take(length), "little", signed=True)


def _protocol(walker: _Walker) -> None:
    if not 2 <= walker.take(1)[0] <= 5:
        raise _broken("an unknown protocol")


_STEPS: Dict[int, Callable[[_Walker], Any]] = {
    0x80: _protocol,
    0x95: lambda walker: walker.take(8),  # FRAME
    0x28: _push(lambda walker: _MARK),
    0x30: lambda walker: walker.pop(),
    0x4E: _push(lambda walker: None),
    0x88: _push(lambda walker: True),
    0x89: _push(lambda walker: False),
    0x4A: _push(lambda walker: walker.number("<i")),
    0x4B: _push(lambda walker: walker.take(1)[0]),
    0x4D: _push(lambda walker: walker.number("<H")),
    0x8A: _push(lambda walker: _long(walker, walker.take(1)[0])),
    0x47: _push(lambda walker: struct.unpack(">d", walker.take(8))[0]),
    0x58: _push(lambda walker: walker.text(walker.take(walker.number("<I")))),
    0x8C: _push(lambda walker: walker.text(walker.take(walker.take(1)[0]))),
    0x42: _push(lambda walker: walker.take(walker.number("<I"))),
    0x43: _push(lambda walker: walker.take(walker.take(1)[0])),
    0x7D: _push(lambda walker: {}),
    0x5D: _push(lambda walker: []),
    0x29: _push(lambda walker: ()),
    0x85: lambda walker: walker.tuple_of(1),
    0x86: lambda walker: walker.tuple_of(2),
    0x87: lambda walker: walker.tuple_of(3),
    0x74: _push(lambda walker: tuple(walker.since_mark())),
    0x61: lambda walker: walker.append([walker.pop()]),
    0x65: lambda walker: walker.append(walker.since_mark()),
    0x73: lambda walker: walker.set_item(),
    0x75: lambda walker: walker.set_items(walker.since_mark()),
    0x71: lambda walker: walker.put(walker.take(1)[0]),
    0x72: lambda walker: walker.put(walker.number("<I")),
    0x94: lambda walker: walker.put(len(walker.memo)),
    0x68: lambda walker: walker.get(walker.take(1)[0]),
    0x6A: lambda walker: walker.get(walker.number("<I")),
    0x63: lambda walker: walker.push_global(walker.line(), walker.line()),
    0x93: lambda walker: walker.stack_global(),
    0x81: lambda walker: walker.reduce(),
    0x52: lambda walker: walker.reduce(),
    0x62: lambda walker: walker.build(),
    0x51: lambda walker: walker.persistent(),
}
