# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tensors that a pickle of torch's would rebuild, found without rebuilding anything.

The pickle is walked opcode by opcode, as pickletools reads it, over plain data: a global is never imported, a call never made.
What is not needed to write tensors, plain values and dictionaries of them is refused, as loading with weights_only does.
"""

from __future__ import annotations

import io
import re
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from . import damage, dtypes

# An int of a pickle that counts something in memory.
_MOST = 1 << 62
_MAX_DIMENSIONS = 32
_MOST_REMEMBERED = 1 << 32

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


class Tensor(NamedTuple):
    """A tensor: its type and shape."""

    dtype: dtypes.DType
    shape: Tuple[int, ...]


class Walked(NamedTuple):
    """What a pickle holds: the value at its top, and all storages that its tensors lie in."""

    top: Any
    storages: Dict[str, Storage]


class _Global(NamedTuple):
    """A name that loading would import."""

    name: str


_MARK = object()
# The longest line of a pickle that is read: names and numbers of old protocols are lines.
_MAX_LINE = 256


class _Pickle(io.BytesIO):
    """A pickle whose lines are bounded: Python takes the square of its length to read a number."""

    def readline(self, _size: Any = None) -> bytes:
        """Return a line with its end."""
        line = super().readline(_MAX_LINE)
        if not line.endswith(b"\n"):
            raise damage.NotUnderstood("has a pickle with a long line")
        return line


def walk(raw: bytes, step: Callable[[int], None]) -> Walked:
    """Return what the pickle holds; Foreign if that is more than tensors and plain values, Damaged if it is no pickle.

    step: counts what is handled one by one, and ends the walk beyond the file's budget.
    """
    # Loaded here since few hosts have files of torch's.
    import pickletools

    walker = _Walker(step)
    try:
        for opcode, value, _position in pickletools.genops(_Pickle(raw)):
            step(1)
            walker.take(opcode.name, value)
    except ValueError as error:
        raise _broken(dtypes.shorten(str(error))) from None
    if len(walker.stack) != 1 or walker.stack[0] is _MARK:
        raise _broken("not one value")
    return Walked(walker.stack[0], walker.storages)


def _broken(what: str) -> damage.Damaged:
    return damage.Damaged(f"has a broken pickle ({what})")


def _other(what: str) -> damage.Foreign:
    return damage.Foreign(f"holds Python objects other than tensors, which only a pickle can load ({dtypes.shorten(what)})")


def _strange(what: str) -> damage.NotUnderstood:
    return damage.NotUnderstood(f"has a pickle that torch does not write so ({dtypes.shorten(what)})")


class _Walker:
    def __init__(self, step: Callable[[int], None]) -> None:
        self.step = step
        self.stack: List[Any] = []
        self.memo: Dict[int, Any] = {}
        self.storages: Dict[str, Storage] = {}

    def take(self, name: str, value: Any) -> None:
        """Carry out one opcode."""
        if name in _VALUES:
            self.stack.append(value)
        elif name in _STEPS:
            _STEPS[name](self, value)
        else:
            raise _other(f"opcode {name}")

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

    def top(self, kind: type, what: str) -> Any:
        """Return the value at the top, which has to be of this kind."""
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise _broken(f"a value belongs to no {what}")
        return self.stack[-1]

    # Steps

    def push_global(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise _strange("a name is not text")
        full = f"{module} {name}"
        if full not in _KNOWN:
            if module.split(".")[0] == "numpy" or module in _OF_TENSORS:
                raise damage.NotUnderstood(f"holds tensors or arrays of a kind that is not read here ({dtypes.shorten(full)})")
            raise _other(f"{module}.{name}")
        self.stack.append(_Global(full))

    def stack_global(self) -> None:
        name, module = self.pop(), self.pop()
        self.push_global(module, name)

    def tuple_of(self, count: int) -> None:
        values = [self.pop() for _turn in range(count)]
        self.stack.append(tuple(reversed(values)))

    def put(self, index: int) -> None:
        if not self.stack or self.stack[-1] is _MARK:
            raise _broken("nothing to remember")
        if not 0 <= index < _MOST_REMEMBERED:
            raise _strange("a value is remembered by a large number")
        self.memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise _broken("a value was never remembered")
        self.stack.append(self.memo[index])

    def append(self, values: List[Any]) -> None:
        self.top(list, "list").extend(values)

    def set_items(self, values: List[Any]) -> None:
        found = self.top(dict, "dictionary")
        if len(values) % 2:
            raise _broken("a value belongs to no dictionary")
        for key, value in zip(values[::2], values[1::2]):
            if not isinstance(key, str) and not (isinstance(key, int) and abs(key) < _MOST):
                raise _other("a dictionary with other keys than names")
            # As texts: many numbers can be made that share one hash.
            found[str(key)] = value

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self.set_items([key, value])

    def build(self) -> None:
        # Attributes of a dictionary of weights: told apart from nothing else here.
        if not isinstance(self.pop(), dict) or not self.stack or not isinstance(self.stack[-1], dict):
            raise _other("attributes")

    def persistent(self) -> None:
        found = self.pop()
        kinds = (str, _Global, str, str, int)
        if not isinstance(found, tuple) or len(found) != 5 or not all(map(isinstance, found, kinds)):
            raise _strange("a storage is not described as one")
        word, kind, key, location, count = found
        if word != "storage" or kind.name not in _STORAGES or not _LOCATION.fullmatch(location) or not _is_count(count):
            raise _strange("a storage is not described as one")
        storage = Storage(key, _STORAGES[kind.name], count)
        if self.storages.setdefault(key, storage) != storage:
            raise _strange("a storage is described twice")
        self.stack.append(storage)

    def reduce(self) -> None:
        arguments, function = self.pop(), self.pop()
        # Records of this file are tuples too.
        if not isinstance(function, _Global) or not isinstance(arguments, tuple) or hasattr(arguments, "_fields"):
            raise _strange("a call of what is not a function")
        call = _CALLS.get(function.name)
        if call is None:
            raise _strange(f"a call of {function.name}")
        self.step(len(arguments) + sum(len(one) for one in arguments[:8] if isinstance(one, tuple)))
        self.stack.append(call(arguments))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST


def _ordered_dict(arguments: Tuple[Any, ...]) -> Any:
    if arguments:
        raise _other("a dictionary made of other things")
    return {}


def _size(arguments: Tuple[Any, ...]) -> Any:
    if len(arguments) != 1 or not isinstance(arguments[0], tuple) or not all(map(_is_count, arguments[0])):
        raise _strange("a size is not a number")
    return arguments[0]


def _tensor(arguments: Tuple[Any, ...]) -> Any:
    storage = arguments[0] if arguments else None
    return _checked(arguments, storage.dtype if isinstance(storage, Storage) else _BYTES, arguments[6:])


def _untyped_tensor(arguments: Tuple[Any, ...]) -> Any:
    if len(arguments) < 7 or not isinstance(arguments[6], _Global):
        raise _strange("a tensor is not described as one")
    return _checked(arguments, _UNTYPED.get(arguments[6].name), arguments[7:])


def _checked(arguments: Tuple[Any, ...], dtype: Optional[dtypes.DType], more: Tuple[Any, ...]) -> Tensor:
    kinds: Tuple[Any, ...] = (Storage, int, tuple, tuple, bool, (type(None), dict))
    if len(arguments) < 6 or len(more) > 1 or not all(map(isinstance, arguments, kinds)):
        raise _strange("a tensor is not described as one")
    storage, offset, shape, stride, _grad, hooks = arguments[:6]
    if len(shape) != len(stride) or not all(map(_is_count, (offset, *shape, *stride))) or hooks:
        raise _strange("a tensor is not described as one")
    if dtype is None or any(more):
        raise _other("a tensor with metadata")
    if len(shape) > _MAX_DIMENSIONS:
        raise _strange(f"a tensor of {len(shape)} dimensions")
    end = (offset + 1 + sum((length - 1) * step for length, step in zip(shape, stride))) * dtype.itemsize
    if end > storage.length * storage.dtype.itemsize and 0 not in shape:
        raise damage.Damaged("has a tensor that is larger than its data")
    return Tensor(dtype, shape)


def _parameter(arguments: Tuple[Any, ...]) -> Any:
    if len(arguments) != 3 or not isinstance(arguments[0], Tensor) or not isinstance(arguments[1], bool):
        raise _strange("a parameter is not described as one")
    return arguments[0]


_CALLS: Dict[str, Callable[[Tuple[Any, ...]], Any]] = {
    "collections OrderedDict": _ordered_dict,
    "torch Size": _size,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_tensor_v3": _untyped_tensor,
    "torch._utils _rebuild_parameter": _parameter,
}
# Modules whose other names make tensors too: not understood, instead of other objects.
_OF_TENSORS = ("torch", "torch._utils", "torch._tensor", "torch.storage")
_KNOWN = {*_CALLS, *_STORAGES, *_UNTYPED, *(f"torch {name}" for name in _TYPE_NAMES)}


# Opcodes that push what pickletools decodes.
_VALUES = frozenset((
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "UNICODE",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8",
))  # fmt: skip

_STEPS: Dict[str, Callable[[_Walker, Any], Any]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda walker, value: None),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Walker.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Walker.get),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), lambda walker, value: walker.reduce()),
    "MARK": lambda walker, value: walker.stack.append(_MARK),
    "POP": lambda walker, value: walker.pop(),
    "NONE": lambda walker, value: walker.stack.append(None),
    "NEWTRUE": lambda walker, value: walker.stack.append(True),
    "NEWFALSE": lambda walker, value: walker.stack.append(False),
    "EMPTY_DICT": lambda walker, value: walker.stack.append({}),
    "EMPTY_LIST": lambda walker, value: walker.stack.append([]),
    "EMPTY_TUPLE": lambda walker, value: walker.stack.append(()),
    "TUPLE1": lambda walker, value: walker.tuple_of(1),
    "TUPLE2": lambda walker, value: walker.tuple_of(2),
    "TUPLE3": lambda walker, value: walker.tuple_of(3),
    "TUPLE": lambda walker, value: walker.stack.append(tuple(walker.since_mark())),
    "APPEND": lambda walker, value: walker.append([walker.pop()]),
    "APPENDS": lambda walker, value: walker.append(walker.since_mark()),
    "SETITEM": lambda walker, value: walker.set_item(),
    "SETITEMS": lambda walker, value: walker.set_items(walker.since_mark()),
    "MEMOIZE": lambda walker, value: walker.put(len(walker.memo)),
    "GLOBAL": lambda walker, value: walker.push_global(*value.split(" ", 1)),
    "STACK_GLOBAL": lambda walker, value: walker.stack_global(),
    "BUILD": lambda walker, value: walker.build(),
    "BINPERSID": lambda walker, value: walker.persistent(),
}
