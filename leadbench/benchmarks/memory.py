"""Work in chunks that are halved when memory runs out; which rows meet in a chunk changes no number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from leadbench.data.humanml3d import DrawnSample
from leadbench.errors import ConfigError


@dataclass(frozen=True)
class Chunk:
    """Rows of a replication that are worked on together; fixed by the draw, not by the machine."""

    rows: tuple[int, ...]


def cut_chunks(drawn: Sequence[DrawnSample], size: int) -> list[Chunk]:
    """Cut a replication into chunks of equal size, sorted by (length, id) so that little is padded."""
    order = sorted(range(len(drawn)), key=lambda i: (drawn[i].length, drawn[i].id))
    return [Chunk(tuple(order[start : start + size])) for start in range(0, len(order), size)]


@dataclass
class ChunkedWork:
    """Runs work on chunks of at most ``size`` motions; ``size`` is halved whenever memory runs out, and stays so."""

    size: int

    def run(self, drawn: Sequence[DrawnSample], work: Callable[[Chunk], None]) -> None:
        """Call ``work`` until every row of ``drawn`` is done; a chunk that ran out of memory is done again in halves.

        Raises:
            ConfigError: one motion alone does not fit.
        """
        pending = cut_chunks(drawn, self.size)
        while pending:
            chunk = pending[0]
            try:
                work(chunk)
            except (MemoryError, RuntimeError) as exc:
                if not is_out_of_memory(exc):
                    raise
                if len(chunk.rows) == 1:
                    reason = next(iter(str(exc).splitlines()), type(exc).__name__)
                    raise ConfigError(f"out of memory with one motion at a time: {reason}") from exc
                self.size = half = (len(chunk.rows) + 1) // 2
                pending[:1] = [Chunk(chunk.rows[:half]), Chunk(chunk.rows[half:])]
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
            else:
                pending.pop(0)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an exception tells that memory, of the host or of a device, ran out.

    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shapes do not fit"))
    (True, False)
    """
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)
