"""CUDA graphs: a whole loop's kernels recorded once and launched together, so that no launch waits for Python."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

WARM_UP = 3


def recordable(tensor: Tensor) -> bool:
    """Whether work on a tensor can be recorded."""
    return tensor.is_cuda


def recorded(body: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:  # pragma: cuda
    """What ``body`` does, as a graph that reads the tensors that it read.

    Its output is overwritten by the next call.
    """
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):  # kernels choose their algorithms and workspaces before anything is recorded
        for _ in range(WARM_UP):
            body()
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = body()

    def run() -> Tensor:
        graph.replay()
        return output

    return run
