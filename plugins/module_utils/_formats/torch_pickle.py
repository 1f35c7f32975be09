# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tensors that a pickle of torch's would rebuild, found without rebuilding anything.

The pickle is walked opcode by opcode, as pickletools reads it, over plain data: a global is never imported, a call never made.
What is not needed to write tensors, plain values and dictionaries of them is not understood, or of another kind if it names other
objects.
"""

from __future__ import annotations

import io
import re
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

from . import damage, dtypes, interface

# What counts something in memory is less.
_MOST = 1 << 62
_MAX_DIMENSIONS = 32
# The longest line of a pickle that is read: names and numbers of old protocols are lines.
_MAX_LINE = 256

_STORAGES = {
    f"torch {name}Storage": dtypes.DType(text, size, False)
    for name, text, size in (
        ("Float", "<f4", 4), ("Double", "<f8", 8), ("Half", "<f2", 2), ("BFloat16", "bfloat16", 2), ("Long", "<i8", 8),
        ("Int", "<i4", 4), ("Short", "<i2", 2), ("Char", "|i1", 1), ("Byte", "|u1", 1), ("Bool", "|b1", 1),
        ("ComplexFloat", "<c8", 8), ("ComplexDouble", "<c16", 16),
    )
}  # fmt: skip
# Types of tensors that lie in storages without a type.
_UNTYPED = {f"torch {name}": dtypes.DType(name, 1, False) for name in ("float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu")}
_UNTYPED.update({f"torch uint{8 * size}": dtypes.DType(f"<u{size}", size, False) for size in (2, 4, 8)})
_BYTES = dtypes.DType("|u1", 1, False)
_STORAGES["torch.storage UntypedStorage"] = _BYTES
_TYPE_NAMES = ("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
_LOCATION = re.compile(r"cpu|(?:cuda|xpu|hpu|npu)(?::\d{1,3})?|mps")


class Storage(NamedTuple):
    """Memory that tensors lie in: the archive's member that holds it, in elements of one type."""

    key: str
    dtype: dtypes.DType
    length: int


class _Global(str):
    """A name that loading would import."""


class _Pickle(io.BytesIO):
    """A pickle whose lines are bounded: Python takes the square of its length to read a number."""

    def readline(self, _size: Any = None) -> bytes:
        """Return a line with its end."""
        line = super().readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise _strange("a long line")
        return line


def walk(raw: bytes, step: Callable[[int], None]) -> Tuple[Any, Dict[str, Storage]]:
    """Return the value at the pickle's top, tensors as headers of arrays, and all storages that its tensors lie in.

    Foreign if it names other objects than tensors and plain values. step: counts marks and arguments of calls, and ends the walk
    beyond the file's budget; of all else the pickle's length is the bound.
    """
    # Loaded here since few hosts have files of torch's.
    import pickletools

    walker = _Walker(step)
    try:
        for opcode, value, _position in pickletools.genops(_Pickle(raw)):
            _STEPS[opcode.name](walker, value)
        _need(not walker.below, "a mark is left")
        (top,) = walker.stack
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # Values are missing, or of other types than the steps below take.
        raise _strange(str(error)) from None
    return top, walker.storages


def _strange(what: str) -> damage.NotUnderstood:
    return damage.NotUnderstood(f"has a pickle that torch does not write so ({dtypes.shorten(what)})")


def _need(right: bool, what: str) -> None:
    if not right:
        raise ValueError(what)


class _Walker:
    """The state of an unpickler. below: the stacks under the marks. Its steps take what pickletools decoded."""

    def __init__(self, step: Callable[[int], None]) -> None:
        self.step = step
        self.stack: List[Any] = []
        self.below: List[List[Any]] = []
        self.memo: Dict[int, Any] = {}
        self.storages: Dict[str, Storage] = {}

    def since_mark(self) -> List[Any]:
        found, self.stack = self.stack, self.below.pop()
        return found

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self, _value: Any) -> None:
        self.step(1)
        self.below.append(self.stack)
        self.stack = []

    def put(self, index: int) -> None:
        if index >> 32:
            raise ValueError("a value is remembered by a large number")
        self.memo[index] = self.stack[-1]

    def append(self, values: List[Any]) -> None:
        _need(isinstance(self.stack[-1], list), "a value belongs to no list")
        self.stack[-1].extend(values)

    def set_items(self, values: List[Any]) -> None:
        found = self.stack[-1]
        _need(isinstance(found, dict) and len(values) % 2 == 0, "a value belongs to no dictionary")
        for key, value in zip(values[::2], values[1::2]):
            named = isinstance(key, str) or (isinstance(key, int) and abs(key) < _MOST)
            _need(named, "a dictionary with other keys than names")
            # As texts: many numbers can be made that share one hash.
            found[str(key)] = value

    def build(self, _value: Any) -> None:
        # Attributes of a dictionary of weights, which are not part of it.
        _need(isinstance(self.stack.pop(), dict) and isinstance(self.stack[-1], dict), "attributes")

    def push_global(self, name: str) -> None:
        if name not in _KNOWN:
            module, shown = name.split(" ")[0], dtypes.shorten(name)
            if module.split(".")[0] == "numpy" or module in _OF_TENSORS:
                raise damage.NotUnderstood(f"holds tensors or arrays of a kind that is not read here ({shown})")
            raise damage.Foreign(f"holds Python objects other than tensors, which only a pickle can load ({shown})")
        self.stack.append(_Global(name))

    def stack_global(self, _value: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.push_global(f"{module} {name}")

    def persistent(self, _value: Any) -> None:
        word, kind, key, location, count = self.stack.pop()
        described = word == "storage" and isinstance(kind, _Global) and isinstance(key, str) and _are_counts((count,))
        _need(described and _LOCATION.fullmatch(location) is not None, "a storage is not described as one")
        storage = Storage(key, _STORAGES[kind], count)
        _need(self.storages.setdefault(key, storage) == storage, "a storage is described twice")
        self.stack.append(storage)

    def reduce(self, _value: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        _need(isinstance(function, _Global) and _is(arguments, tuple), "a call of what is not a function")
        self.step(len(arguments) + sum(len(one) for one in arguments[:8] if isinstance(one, tuple)))
        self.stack.append(_CALLS[function](*arguments))


def _is(value: object, kind: type) -> bool:
    """True for the type itself alone: no bool among numbers, and none of our named tuples among the pickle's."""
    return type(value) is kind  # pylint: disable=unidiomatic-typecheck


def _are_counts(values: Tuple[Any, ...]) -> bool:
    return all(_is(value, int) and 0 <= value < _MOST for value in values)


def _ordered_dict() -> Dict[str, Any]:
    return {}


def _size(lengths: Tuple[int, ...]) -> Tuple[int, ...]:
    _need(_is(lengths, tuple) and _are_counts(lengths), "a size is not a number")
    return lengths


def _untyped_tensor(*described: Any) -> interface.ArrayHeader:
    # Only a name is looked up: the hash of other values can take forever.
    _need(isinstance(described[6], _Global), "a tensor is not described as one")
    return _view(_UNTYPED[described[6]], *described[:6], *described[7:])


def _view(
    dtype: dtypes.DType, storage: Storage, offset: int, shape: Tuple[int, ...], stride: Tuple[int, ...], grad: bool, hooks: Any,
    metadata: Any = None,
) -> interface.ArrayHeader:  # fmt: skip
    right = isinstance(storage, Storage) and type(shape) is type(stride) is tuple and _are_counts((offset, *shape, *stride))
    right = right and len(shape) == len(stride) <= _MAX_DIMENSIONS and isinstance(grad, bool) and hooks in (None, {})
    _need(right and not metadata, "a tensor is not described as one")
    end = (offset + 1 + sum((length - 1) * step for length, step in zip(shape, stride))) * dtype.itemsize
    if end > storage.length * storage.dtype.itemsize and 0 not in shape:
        raise damage.Damaged("has a tensor that is larger than its data")
    length = dtype.itemsize
    for dimension in shape:
        length *= dimension
    return interface.ArrayHeader(dtype, shape, 0, length, True)


def _parameter(data: interface.ArrayHeader, grad: bool, _hooks: Any) -> interface.ArrayHeader:
    _need(isinstance(data, interface.ArrayHeader) and isinstance(grad, bool), "a parameter is not described as one")
    return data


_CALLS: Dict[str, Callable[..., Any]] = {
    "collections OrderedDict": _ordered_dict,
    "torch Size": _size,
    "torch._utils _rebuild_tensor_v2": lambda storage, *described: _view(storage.dtype, storage, *described),
    "torch._utils _rebuild_tensor_v3": _untyped_tensor,
    "torch._utils _rebuild_parameter": _parameter,
}
# Modules whose other names make tensors too: not understood, instead of other objects.
_OF_TENSORS = ("torch", "torch._utils", "torch._tensor", "torch.storage")
_KNOWN = {*_CALLS, *_STORAGES, *_UNTYPED, *(f"torch {name}" for name in _TYPE_NAMES)}


def _pop(walker: _Walker, count: int) -> List[Any]:
    return [walker.stack.pop() for _turn in range(count)][::-1]


_STEPS: Dict[str, Callable[[_Walker, Any], Any]] = {
    **dict.fromkeys((
        "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE",
        "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    ), _Walker.push),
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda walker, value: None),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Walker.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda walker, value: walker.push(walker.memo[value])),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _Walker.reduce),
    "MARK": _Walker.mark,
    "POP": lambda walker, value: walker.stack.pop(),
    "NONE": _Walker.push,
    "NEWTRUE": lambda walker, value: walker.push(True),
    "NEWFALSE": lambda walker, value: walker.push(False),
    "EMPTY_DICT": lambda walker, value: walker.push({}),
    "EMPTY_LIST": lambda walker, value: walker.push([]),
    "EMPTY_TUPLE": lambda walker, value: walker.push(()),
    "TUPLE1": lambda walker, value: walker.push(tuple(_pop(walker, 1))),
    "TUPLE2": lambda walker, value: walker.push(tuple(_pop(walker, 2))),
    "TUPLE3": lambda walker, value: walker.push(tuple(_pop(walker, 3))),
    "TUPLE": lambda walker, value: walker.push(tuple(walker.since_mark())),
    "APPEND": lambda walker, value: walker.append(_pop(walker, 1)),
    "APPENDS": lambda walker, value: walker.append(walker.since_mark()),
    "SETITEM": lambda walker, value: walker.set_items(_pop(walker, 2)),
    "SETITEMS": lambda walker, value: walker.set_items(walker.since_mark()),
    "MEMOIZE": lambda walker, value: walker.put(len(walker.memo)),
    "GLOBAL": _Walker.push_global,
    "STACK_GLOBAL": _Walker.stack_global,
    "BUILD": _Walker.build,
    "BINPERSID": _Walker.persistent,
}  # fmt: skip
