"""CUDA graphs: a network's kernels recorded once and launched together, so that no launch waits for Python."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from leadbench.engine.sequences import TokenSequences

Network = Callable[[TokenSequences], Tensor]

WARM_UP = 3


def replayed(network: Network, static: TokenSequences) -> Network:  # pragma: cuda
    """The network as a graph that reads ``static``; the returned function must be given those very sequences.

    Its output is overwritten by the next call. Raises ValueError for others.
    """
    device = static.rows.device
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):  # kernels choose their algorithms and workspaces before anything is recorded
        for _ in range(WARM_UP):
            network(static)
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = network(static)

    def run(given: TokenSequences) -> Tensor:
        if given is not static:
            raise ValueError("a recorded graph reads the sequences that it was recorded with")
        graph.replay()
        return output

    return run
