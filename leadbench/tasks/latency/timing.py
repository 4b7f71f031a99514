"""Times that can be compared: taken in turns, device synchronised, beside what the machine can do at most."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Work = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """Seconds of one piece of work: ``values`` of all runs in order, and what describes them."""

    median: float
    p95: float
    least: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, seconds: list[float]) -> Spread:
        """Of one run or more.

        >>> Spread.of([3.0, 1.0, 2.0])
        Spread(median=2.0, p95=3.0, least=1.0, values=(3.0, 1.0, 2.0))
        """
        ordered = sorted(seconds)
        place = min(len(ordered) - 1, -(-95 * len(ordered) // 100) - 1)
        return cls(statistics.median(ordered), ordered[place], ordered[0], tuple(seconds))


@dataclass(frozen=True)
class Probe:
    """What the machine reaches: 1e9 floating-point operations a second in a matrix product, 1e9 bytes a second copied
    (read and written bytes both count)."""

    product: float
    copy: float


def seconds(work: Work, device: torch.device) -> float:
    """One run, from an idle device to an idle device; on CUDA by events."""
    if device.type == "cuda":  # pragma: cuda
        return _cuda_seconds(work, device)
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _cuda_seconds(work: Work, device: torch.device) -> float:  # pragma: cuda
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize(device)
    start.record()
    work()
    end.record()
    torch.cuda.synchronize(device)
    return float(start.elapsed_time(end)) / 1000.0


def in_turns(works: Mapping[str, Work], rounds: int, device: torch.device, warm_up: int = 1) -> dict[str, Spread]:
    """Times of several works, one after the other in every round: a load that comes and goes meets all alike."""
    for work in works.values():
        for _ in range(warm_up):
            work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(seconds(work, device))
    return {name: Spread.of(values) for name, values in taken.items()}


def probe(device: torch.device, size: int = 1024, rounds: int = 8) -> Probe:
    """The best of several products of ``size`` squared and of several copies of 64 MiB."""
    a, b, out = (torch.ones(size, size, device=device) for _ in range(3))
    source = torch.ones(16 * 2**20, device=device)
    target = torch.empty_like(source)
    with torch.inference_mode():
        works: dict[str, Work] = {"mm": lambda: torch.mm(a, b, out=out), "copy": lambda: target.copy_(source)}
        best = in_turns(works, rounds, device, warm_up=2)
    moved = 2 * source.numel() * source.element_size()
    return Probe(2 * size**3 / best["mm"].least / 1e9, moved / best["copy"].least / 1e9)
