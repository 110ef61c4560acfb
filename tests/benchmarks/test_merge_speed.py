"""Merging two rank-16 adapters of all 196 linear layers of a model of Qwen2-7B's shape, 40 million values each.

Each space runs in a process of its own, which knows its own peak of memory; what resource.getrusage says starts at its
parent's. Processor time is what counts, as other work disturbs it little.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

LIMIT_SECONDS = 5.0
LIMIT_RATIO = 1.5
CODE = """
import sys, time
import torch
from bench.lm.adapters.adapter import Adapter
from bench.lm.merging.average import merge
from bench.runs.environment import peak_memory_bytes

WIDTH, NARROW, WIDE, LAYERS, RANK = 3584, 512, 18944, 28, 16
SHAPES = {"q": (WIDTH, WIDTH), "k": (NARROW, WIDTH), "v": (NARROW, WIDTH), "o": (WIDTH, WIDTH),
          "gate": (WIDE, WIDTH), "up": (WIDE, WIDTH), "down": (WIDTH, WIDE)}

def adapter(seed):
    generator = torch.Generator().manual_seed(seed)
    factors = {f"{layer}.{name}": (torch.randn(RANK, d_in, generator=generator),
                                   torch.randn(d_out, RANK, generator=generator))
               for layer in range(LAYERS) for name, (d_out, d_in) in SHAPES.items()}
    return Adapter(factors, 2.0, "base", "init")

pair, weights = [adapter(0), adapter(1)], torch.tensor([0.5, 0.5])
before, wall, began = peak_memory_bytes(), time.perf_counter(), time.process_time()
merged = merge(pair, weights, sys.argv[1])
seconds, wall = time.process_time() - began, time.perf_counter() - wall
size = 4 * sum(one.n_parameters for one in pair)
print(len(merged.factors), pair[0].n_parameters, seconds, wall, (peak_memory_bytes() - before) / size)
"""


@pytest.mark.benchmark
@pytest.mark.parametrize("space", ["factor", "delta"])
def test_two_adapters_of_seven_billion_parameters_merge_in_five_seconds(space: str, capsys) -> None:
    done = subprocess.run([sys.executable, "-c", CODE, space], check=True, capture_output=True, text=True)
    n_layers, n_values, seconds, wall, ratio = map(float, done.stdout.split())
    with capsys.disabled():
        print(f"\n{space}: {seconds:.2f} s (wall {wall:.2f} s), peak extra memory {ratio:.2f} of both adapters' size")
    assert (n_layers, n_values) == (196, 40_370_176)
    assert seconds <= LIMIT_SECONDS
    assert 0 < ratio <= LIMIT_RATIO
