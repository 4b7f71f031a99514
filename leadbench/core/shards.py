"""Which rows of a batch this process computes, where several processes train one model together (data-parallel).

Every process draws the numbers of the whole batch and computes its own rows, so that a step is the same step whatever
the number of processes. Alone, a process owns every row and nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import distributed as dist
from torch.nn.functional import dropout


@dataclass(frozen=True)
class Place:
    """A process among those that train together.

    Attributes:
        rank: its number, from 0.
        world: how many there are.
    """

    rank: int = 0
    world: int = 1

    def bounds(self, count: int, rank: int | None = None) -> tuple[int, int]:
        """First row of a batch of ``count`` that a process owns, and the one after the last.

        >>> [Place(0, 3).bounds(5, rank) for rank in range(3)]
        [(0, 1), (1, 3), (3, 5)]
        """
        number = self.rank if rank is None else rank
        return count * number // self.world, count * (number + 1) // self.world

    def rows(self, count: int) -> slice:
        """Rows to compute: its own; the first row, which then counts for nothing, where it owns none."""
        begin, end = self.bounds(count)
        return slice(begin, end) if end > begin else slice(0, 1)


ALONE = Place()


class Batch:
    """What a process does of one batch.

    Attributes:
        place: of the process.
        count: rows of the whole batch; None: nobody asked, so every process computes all of it.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.count: int | None = None

    @property
    def weight(self) -> float:
        """Share of the batch that this process owns; a mean over its rows has this weight in the mean over all."""
        if self.count is None:
            return 1 / self.place.world
        begin, end = self.place.bounds(self.count)
        return (end - begin) / self.count


_batch = Batch(ALONE)


@contextmanager
def sharded(place: Place) -> Iterator[Batch]:
    """Within it a batch is divided among the processes."""
    global _batch, _drop_out
    if place.world > 1 and _drop_out is _own_dropout:
        # what it depends on changes from batch to batch; done here, since it imports the compiler, which takes seconds
        _drop_out = torch.compiler.disable(_own_dropout)
    before, _batch = _batch, Batch(place)
    try:
        yield _batch
    finally:
        _batch = before


def current_place() -> Place:
    """This process's place, for the batch that is computed now."""
    return _batch.place


def own_rows(count: int) -> slice:
    """Rows of a batch of ``count`` that this process is to compute.

    >>> own_rows(8)
    slice(0, 8, None)
    >>> with sharded(Place(1, 2)):
    ...     own_rows(8)
    slice(4, 8, None)
    """
    _batch.count = count
    return _batch.place.rows(count)


def gathered(rows: Tensor) -> Tensor:
    """Rows [B, ...] of the whole batch from those of every process, in order, with their gradients.

    For a loss that is no mean over rows: a contrast between them, or a variance. Alone, the rows themselves.

    Raises:
        RuntimeError: another process is gone; or the rows are not those of :func:`own_rows`.

    >>> bool((gathered(torch.eye(2)) == torch.eye(2)).all())
    True
    """
    place, count = _batch.place, _batch.count
    if place.world == 1 or count is None:
        return rows
    gathering: Tensor = _Gathering.apply(rows, place, count)
    return gathering


def dropped_out(x: Tensor, probability: float) -> Tensor:
    """Dropout of rows [b, ...] that are this process's: the mask is drawn for the whole batch, as one process draws it.

    What has another number of rows is dropped out by itself.
    """
    return _drop_out(x, probability) if divided() else dropout(x, probability)


def divided() -> bool:
    """Whether batches are divided among processes."""
    return _batch.place.world > 1


def _own_dropout(x: Tensor, probability: float) -> Tensor:
    count = _batch.count
    own = slice(0, 0) if count is None else _batch.place.rows(count)
    if count is None or not probability or len(x) != own.stop - own.start:
        return dropout(x, probability)
    return x * dropout(x.new_ones(count, *x.shape[1:]), probability)[own]


_drop_out: Callable[[Tensor, float], Tensor] = _own_dropout  # not compiled, once batches are divided


class _Gathering(torch.autograd.Function):
    """All rows forwards; backwards the sum of what all processes' losses say of one's own.

    Each process scales its loss by ``world`` times its weight, and weights sum to one: so the sum is ``world`` times
    the gradient of a loss that all have in common, which the mean over processes then undoes.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, rows: Tensor, place: Place, count: int) -> Tensor:
        ctx.place, ctx.count, ctx.given = place, count, rows.shape  # type: ignore[attr-defined]
        sizes = [end - begin for begin, end in (place.bounds(count, rank) for rank in range(place.world))]
        own = sizes[place.rank]
        if len(rows) != max(own, 1):
            raise RuntimeError(f"gathered: {len(rows)} rows, this process computes {max(own, 1)} of {count}")
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[:own] = rows[:own]
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        place, count, given = ctx.place, ctx.count, ctx.given  # type: ignore[attr-defined]
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        begin, end = place.bounds(count)
        own = total.new_zeros(given)
        own[: end - begin] = total[begin:end]
        return own, None, None
