# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of structured arrays: how deep they nest, how large they are, and what is none."""

from __future__ import annotations

import pytest
from ansible_collections.trainprep.features.plugins.module_utils._formats.damage import NotAFeature
from ansible_collections.trainprep.features.plugins.module_utils._formats.npy import parse_header
from ansible_collections.trainprep.features.tests.unit.plugins.module_utils.support_npy import described, raw

# Structured types

BIG = "'|V1073741824'"


@pytest.mark.parametrize(
    ("descr", "size"),
    [
        ("[]", 0),
        ("[('a', '<f4')]", 4),
        ("[('a', '<f4'), ('b', '<i2')]", 6),
        ("[('a', '<f4', (2, 3))]", 24),
        ("[('a', '<f4', (2,)), ('', '|V4')]", 12),
        ("[('', '|V4'), ('', '|V4')]", 8),
        ("[(('title', 'a'), '<f4')]", 4),
        ("[('a', ('<f4', (0,)))]", 0),
        ("[('a', [('b', '<f4'), ('c', '|S3')])]", 7),
        ("[('a', ('<f4', (2,)))]", 8),
        (f"[('a', {BIG}), ('b', '|V1073741823')]", 2**31 - 1),
        ("[('a', ('|V1', (2147483647,)))]", 2**31 - 1),
    ],
)
def test_structures(descr, size):
    found = parse_header(raw(described(descr, "(1,)") + "\n"))
    assert (found.dtype.itemsize, found.dtype.objects, found.length, found.as_written) == (size, False, size, False)


@pytest.mark.parametrize(
    "descr",
    [
        "[('a', '|O')]",
        "[('a', '|O'), ('b', '<f4')]",
        "[('b', '<f4'), ('a', '|O')]",
        "[('a', [('b', '|O')])]",
        "[('a', '|O', (2,))]",
    ],
)
def test_structures_with_objects(descr):
    assert parse_header(raw(described(descr))).dtype.objects


@pytest.mark.parametrize(
    ("descr", "reason"),
    [
        *(
            (descr, "unknown dtype")
            for descr in (
                "1",
                "{}",
                "()",
                "('<f4', (2,), 1)",
                "('<f4', (2, 3))",
                "[('a', ('<f4', 2))]",
                "[('a', ('<f4', ()))]",
                "['<f4']",
                "[('a',)]",
                "[('a', '<f4', (1,), 1)]",
                "[('', '<f4')]",
                "[('', '|V4', (2,))]",
                "[('a', '<f4'), ('a', '<i4')]",
                "[('a', '|V4'), ('a', '|V4')]",
                "[(1, '<f4')]",
                "[(('a', 'a'), '<f4')]",
                "[(('a', 'b', 'c'), '<f4')]",
                "[(('a', ''), '<f4')]",
                "[('a', '<f4', ())]",
            )
        ),
        (f"[('a', {BIG}), ('b', {BIG})]", "an absurd size"),
        ("[('a', ('|V1', (2147483648,)))]", "an absurd size"),
        ("[('a', ('<f4', (1073741824, 0)))]", "an absurd size"),
        ("[('a', '<f5')]", "the unknown dtype <f5"),
        ("[('a', '<f4', [2])]", "unknown dtype"),
        ("[('a', ('<f4', (True,)))]", "an unusual shape"),
    ],
)
def test_what_is_no_structure(descr, reason):
    with pytest.raises(NotAFeature, match=reason):
        parse_header(raw(described(descr)))


# What is asked for
