# Copyright (c) 2026, trainprep.features contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of .pt files, by hand: torch is too large for the test environment.

Where torch and Ansible are installed: C(PYTHONPATH=.:collections python tests/corpus/torch_judge.py 5000)
"""

from __future__ import annotations

import io
import random
import struct
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from tests.corpus.judge import Judged, Spans, try_all

SHARES = 16


def torch_file(chooser: random.Random) -> tuple[bytes, Spans]:
    generator = torch.Generator().manual_seed(chooser.getrandbits(32))
    tensor = torch.randn(chooser.randint(1, 4), 8, generator=generator)
    types = [
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.uint8,
        torch.bool,
        torch.complex64,
    ]
    more = {
        f"more_{number}": torch.zeros(chooser.randrange(5), dtype=chooser.choice(types))
        for number in range(chooser.randrange(4))
    }
    content = chooser.choice(
        [
            tensor,
            [tensor, tensor.t()],
            {"wav2vec_features": tensor, "label": torch.eye(6)[0], **more},
            {
                "wav2vec_features": tensor,
                "view": tensor[:, 2:4],
                "speaker": "one",
                "rate": 16000,
                "nested": {"deep": tensor},
            },
            {"weight": torch.nn.Parameter(tensor), **more},
            torch.nn.Linear(8, 2).state_dict(),
        ]
    )
    buffer = io.BytesIO()
    torch.save(content, buffer)
    raw = buffer.getvalue()
    end = raw.rindex(b"PK\5\6")
    size, start = struct.unpack_from("<LL", raw, end + 12)
    pickle = raw.index(b"\x80\x02")
    return raw, [(start, start + size), (end, len(raw)), (0, 64), (pickle, raw.index(b"PK", pickle))]


def torch_loads(path: Path) -> None:
    torch.load(path, weights_only=True)


def share(seeds: range) -> tuple[str, list[str]]:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        return try_all(Judged("x.pt", torch_file, torch_loads), Path(folder), seeds)


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    step = -(-count // SHARES)
    with ProcessPoolExecutor() as pool:
        results = list(pool.map(share, [range(start, start + step) for start in range(0, count, step)]))
    print(f"torch {torch.__version__}")
    for line, faults in results:
        print(line, *faults[:20], sep="\n")
    return 1 if any(faults for _line, faults in results) else 0


if __name__ == "__main__":
    sys.exit(main())
