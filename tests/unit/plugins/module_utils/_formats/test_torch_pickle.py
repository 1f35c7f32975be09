# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pickles of torch's, opcode by opcode: which values they give, which tensors they hold, and what is refused."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats import torch_pickle
from ansible_collections.trainprep.features.plugins.module_utils._formats.damage import Damaged, Foreign, NotUnderstood

BEGIN = b"\x80\x02"


def walk(raw, most=1 << 19):
    """What a pickle holds, walked in at most so many steps."""
    left = [most]

    def step(count):
        left[0] -= count
        if left[0] < 0:
            raise NotUnderstood("takes more steps than one file is given here")

    return torch_pickle.walk(raw, step)


# Opcodes as the module pickle names them.
MARK, STOP, TUPLE, EMPTY_DICT, EMPTY_LIST, EMPTY_TUPLE, REDUCE, NONE = b"(", b".", b"t", b"}", b"]", b")", b"R", b"N"
FALSE, TRUE = b"\x89", b"\x88"


def text(value):
    raw = value.encode("utf-8")
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value):
    return b"J" + struct.pack("<i", value)


def big(value):
    raw = value.to_bytes(10, "little", signed=True)
    return b"\x8a" + bytes((len(raw),)) + raw


def tuple_of(*items):
    return MARK + b"".join(items) + TUPLE


def called(name, *arguments):
    module, _dot, function = name.rpartition(".")
    return f"c{module}\n{function}\n".encode() + tuple_of(*arguments) + REDUCE


def storage(kind="torch.FloatStorage", key=None, location=None, count=None, word="storage"):
    module, _dot, name = kind.rpartition(".")
    parts = [text(word), f"c{module}\n{name}\n".encode(), key or text("0"), location or text("cpu"), count or number(6)]
    return tuple_of(*parts) + b"Q"


def shape(*lengths):
    return tuple_of(*map(number, lengths))


def tensor(
    held=None,
    offset=None,
    shape_=None,
    stride=None,
    grad=FALSE,
    hooks=NONE,
    more=b"",
    name="torch._utils._rebuild_tensor_v2",
):
    parts = [held or storage(), offset or number(0), shape_ or shape(2, 3), stride or shape(3, 1), grad, hooks]
    return called(name, *parts, more)


def untyped(dtype="torch.uint16", count=12, more=b"", **keys):
    module, _dot, name = dtype.rpartition(".")
    named = f"c{module}\n{name}\n".encode() + more
    held = storage("torch.storage.UntypedStorage", count=number(count))
    return tensor(**{"held": held, "more": named, "name": "torch._utils._rebuild_tensor_v3", **keys})


def top(raw):
    return walk(BEGIN + raw + STOP)[0]


VALUES = [
    (NONE, None),
    (TRUE, True),
    (FALSE, False),
    (number(-5), -5),
    (b"K\xff", 255),
    (b"M\xff\x01", 511),
    (b"\x8a\x02\xff\xff", -1),
    (b"\x8a\0", 0),
    (b"G" + struct.pack(">d", 0.5), 0.5),
    (text("ä"), "ä"),
    (b"\x8c\x01a", "a"),
    (b"B\x02\0\0\0ab", b"ab"),
    (b"C\x02ab", b"ab"),
    (EMPTY_DICT, {}),
    (EMPTY_LIST, []),
    (EMPTY_TUPLE, ()),
    (NONE + b"\x85", (None,)),
    (b"K\x01K\x02\x86", (1, 2)),
    (b"K\x01K\x02K\x03\x87", (1, 2, 3)),
    (b"]K\x01a", [1]),
    (b"](K\x01K\x02e", [1, 2]),
    (b"}K\x01K\x02s", {"1": 2}),
    (b"}(" + text("a") + b"K\x02u", {"a": 2}),
    (b"K\x01K\x020", 1),
    (b"\x95" + bytes(8) + b"K\x01", 1),
    (b"K\x07q\x050h\x05", 7),
    (b"K\x07r\x05\1\0\0" + b"0j\x05\1\0\0", 7),
    (b"K\x07\x940K\x08\x940h\0", 7),
    (b"K\x07\x940K\x08\x940h\1", 8),
    (tuple_of(), ()),
    (b"((K\x01tK\x02t", ((1,), 2)),
    (called("collections.OrderedDict"), {}),
    (called("torch.Size", shape(2, 3)), (2, 3)),
    (b"ccollections\nOrderedDict\n)\x81", {}),
    (text("collections") + text("OrderedDict") + b"\x93)R", {}),
    (EMPTY_DICT + EMPTY_DICT + b"b", {}),
    (b"(]K\x01at", ([1],)),
]


@pytest.mark.parametrize(("raw", "value"), VALUES)
def test_values(raw, value):
    found = top(raw)
    assert (found, type(found)) == (value, type(value))


STRANGE = [
    (b"", "not enough values"),
    (b"NN", "too many values"),
    (MARK, "a mark is left"),
    (MARK + NONE, "a mark is left"),
    (b"0", "pop from empty list"),
    (b"(0", "pop from empty list"),
    (TUPLE, "pop from empty list"),
    (b"K\x01\x86", "pop from empty list"),
    (b"(q\0", "list index out of range"),
    (b"h\0", "0"),
    (b"K\x01a", "list index"),
    (b"}K\x01a", "a value belongs to no list"),
    (b"](K\x01u", "a value belongs to no dictionary"),
    (b"}(K\x01u", "a value belongs to no dictionary"),
    (b"]K\x01K\x02s", "a value belongs to no dictionary"),
    (b"}" + NONE + b"K\x02s", "a dictionary with other keys than names"),
    (b"K\x01K\x02\x93", "other than tensors"),
    (b"K\x01)R", "a call of what is not a function"),
    (called("torch.FloatStorage"), "torch FloatStorage"),
    (called("torch.Size"), "missing"),
    (called("torch.Size", shape(-1)), "a size is not a number"),
    (called("collections.OrderedDict", EMPTY_LIST), "takes 0 positional arguments"),
    (b"]}b", "attributes"),
    (b"P0\n", "PERSID"),
    (tuple_of(storage(), storage(count=number(7))), "a storage is described twice"),
    (NONE + b"p99999999999999999999\n", "a value is remembered by a large number"),
    *((raw, "expected|codec|opcode") for raw in (b"X\1\0\0\0\xff", b"B\5\0\0\0ab", b"X\5\0\0\0ab", b"\xff")),
]


@pytest.mark.parametrize(("raw", "reason"), STRANGE)
def test_what_torch_does_not_write_so(raw, reason):
    with pytest.raises((NotUnderstood, Foreign), match=reason):
        top(raw)


@pytest.mark.parametrize("length", range(1, 40))
def test_no_byte_can_be_cut_off(length):
    whole = BEGIN + EMPTY_DICT + MARK + text("a") + tensor() + b"u" + STOP
    assert walk(whole)[0]
    with pytest.raises(NotUnderstood):
        walk(whole[:-length])


OTHER = [
    (b"cos\nsystem\n", "os system"),
    (b"cbuiltins\neval\n", "builtins eval"),
    (b"ctorch.nn.modules.linear\nLinear\n", "torch.nn.modules.linear Linear"),
]


@pytest.mark.parametrize(("raw", "reason"), OTHER)
def test_what_only_a_pickle_can_load(raw, reason):
    with pytest.raises(Foreign) as error:
        top(raw)
    assert f"holds Python objects other than tensors, which only a pickle can load ({reason}" in str(error.value)


@pytest.mark.parametrize("name", [b"ctorch\nfloat33\n", b"ctorch._utils\n_rebuild_qtensor\n", b"cnumpy.core.multiarray\n_reconstruct\n"])
def test_tensors_and_arrays_of_other_kinds_are_not_understood(name):
    with pytest.raises(NotUnderstood, match="of a kind that is not read here"):
        top(name)


# Work is bounded, whatever a few bytes ask for


def long_tuple(length):
    return MARK + b"K\1" * length + TUPLE


HOSTILE = {
    "calls that each go through a long tuple": b"ctorch\nSize\nq\1" + long_tuple(1000) + b"\x85q\2" + b"0h\1h\2R" * 10000,
    "marks": MARK * 600000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_steps_of_one_pickle_are_bounded(name):
    with pytest.raises(NotUnderstood, match="takes more steps"):
        top(HOSTILE[name])


@pytest.mark.parametrize("nested", [b")" + b"q\0h\0\x86" * 200, b")" + b"\x85" * 200000])
def test_no_value_is_hashed_that_nests(nested):
    with pytest.raises(NotUnderstood, match="a tensor is not described as one"):
        top(untyped(more=b"0" + nested))
    with pytest.raises(NotUnderstood, match="other keys than names"):
        top(EMPTY_DICT + nested + NONE + b"s")


def test_numbers_are_keys_as_texts_so_that_none_share_a_hash():
    modulus = (1 << 61) - 1
    assert hash(modulus) == hash(0)
    assert set(top(EMPTY_DICT + MARK + b"K\0" + NONE + b"\x8a\x08" + modulus.to_bytes(8, "little") + NONE + b"u")) == {"0", str(modulus)}


def test_a_number_of_many_digits_is_not_read():
    with pytest.raises(NotUnderstood, match="long line"):
        top(b"L" + b"9" * 900000 + b"L\n")


STORAGES = {
    "Float": ("<f4", 4), "Double": ("<f8", 8), "Half": ("<f2", 2), "BFloat16": ("bfloat16", 2), "Long": ("<i8", 8), "Int": ("<i4", 4),
    "Short": ("<i2", 2), "Char": ("|i1", 1), "Byte": ("|u1", 1), "Bool": ("|b1", 1), "ComplexFloat": ("<c8", 8),
    "ComplexDouble": ("<c16", 16),
}  # fmt: skip


@pytest.mark.parametrize("name", STORAGES)
def test_types_of_storages(name):
    found, storages = walk(BEGIN + tensor(storage(f"torch.{name}Storage")) + STOP)
    assert found[:2] == ((*STORAGES[name], False), (2, 3))
    assert storages == {"0": ("0", (*STORAGES[name], False), 6)}


UNTYPED = {
    "float8_e4m3fn": ("float8_e4m3fn", 1), "float8_e5m2": ("float8_e5m2", 1), "float8_e8m0fnu": ("float8_e8m0fnu", 1),
    "uint16": ("<u2", 2), "uint32": ("<u4", 4), "uint64": ("<u8", 8),
}  # fmt: skip


@pytest.mark.parametrize("name", UNTYPED)
def test_types_without_a_storage_of_their_own(name):
    size = UNTYPED[name][1]
    assert top(untyped(f"torch.{name}", 6 * size))[:2] == ((*UNTYPED[name], False), (2, 3))
    with pytest.raises(Damaged, match="larger than its data"):
        top(untyped(f"torch.{name}", 6 * size - 1))


MANY = shape(*[1] * 32)
TENSORS = [
    (tensor(), (2, 3)),
    (tensor(hooks=EMPTY_DICT), (2, 3)),
    (tensor(grad=TRUE), (2, 3)),
    (tensor(more=NONE), (2, 3)),
    (tensor(more=EMPTY_DICT), (2, 3)),
    (untyped(more=NONE), (2, 3)),
    (untyped(more=EMPTY_DICT), (2, 3)),
    (tensor(shape_=shape(6), stride=shape(1)), (6,)),
    (tensor(offset=number(5), shape_=shape(), stride=shape()), ()),
    (tensor(shape_=shape(1, 3), stride=shape(99, 1), offset=number(3)), (1, 3)),
    (tensor(shape_=shape(0, 9), stride=shape(9, 1), offset=number(9)), (0, 9)),
    (tensor(shape_=MANY, stride=MANY), (1,) * 32),
    (tensor(shape_=shape(3, 2), stride=shape(1, 3)), (3, 2)),
    (called("torch._utils._rebuild_parameter", tensor(), TRUE, EMPTY_DICT), (2, 3)),
]


@pytest.mark.parametrize(("raw", "lengths"), TENSORS)
def test_tensors(raw, lengths):
    assert top(raw).shape == lengths


LARGER = [
    tensor(shape_=shape(7), stride=shape(1)),
    tensor(offset=number(1)),
    tensor(offset=number(6), shape_=shape(), stride=shape()),
    tensor(shape_=shape(2, 3), stride=shape(4, 1)),
    tensor(shape_=shape(2, 3), stride=shape(3, 2)),
    tensor(shape_=shape(1, 3), stride=shape(99, 1), offset=number(4)),
]


@pytest.mark.parametrize("raw", LARGER)
def test_a_tensor_that_is_larger_than_its_data(raw):
    with pytest.raises(Damaged, match="has a tensor that is larger than its data"):
        top(raw)


NOT_DESCRIBED = [
    *(tensor(**{key: value}) for key in ("held", "offset", "shape_", "stride", "grad") for value in (NONE, EMPTY_LIST)),
    *(tensor(offset=value) for value in (TRUE, number(-1), big(1 << 62))),
    *(tensor(**{key: value}) for key in ("shape_", "stride") for value in (shape(2), shape(2, -3))),
    *(tensor(more=value) for value in (NONE + NONE, b"}" + text("a") + b"K\x01s")),
    *(untyped(more=value) for value in (NONE + NONE, b"}K\x01K\x01s")),
    *(tensor(name="torch._utils._rebuild_tensor_v3", more=value) for value in (NONE, b"")),
    tensor(shape_=shape(*[1] * 33), stride=shape(*[1] * 33)),
    tensor(hooks=EMPTY_LIST),
    untyped("torch.float32"),
    called("torch._utils._rebuild_tensor_v2", storage()),
    storage(word="store"),
    storage("torch.float32"),
    NONE + b"Q",
    tuple_of(text("storage")) + b"Q",
    tuple_of(text("storage"), NONE, text("0"), text("cpu"), number(6)) + b"Q",
    storage(key=number(0)),
    *(storage(location=value) for value in (NONE, text("disk"), text("cuda:1234"), text("cpu:0"))),
    *(storage(count=value) for value in (number(-1), TRUE, NONE, big(1 << 62))),
    called("torch._utils._rebuild_parameter", tensor(), TRUE),
    called("torch._utils._rebuild_parameter", NONE, TRUE, EMPTY_DICT),
    called("torch._utils._rebuild_parameter", tensor(), NONE, EMPTY_DICT),
]


@pytest.mark.parametrize("raw", NOT_DESCRIBED)
def test_what_is_not_described_as_one(raw):
    with pytest.raises(NotUnderstood, match="has a pickle that torch does not write so"):
        top(raw)


@pytest.mark.parametrize("location", ["cpu", "cuda", "cuda:0", "cuda:123", "xpu:1", "hpu", "npu:9", "mps"])
def test_where_a_storage_was(location):
    assert top(tensor(storage(location=text(location)))).shape == (2, 3)
    assert walk(BEGIN + storage(count=big((1 << 62) - 1)) + STOP)[1]["0"].length == (1 << 62) - 1


def test_one_storage_may_be_named_again_but_not_as_another():
    assert len(walk(BEGIN + tuple_of(tensor(), tensor(), storage(key=text("1"))) + STOP)[1]) == 2
