"""Work in chunks: several at once, halved when memory runs out; which rows meet in a chunk changes no number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch

from leadbench.core.contracts import Evaluator
from leadbench.core.device import accelerated, free_cached_memory, free_memory, is_out_of_memory, place_of
from leadbench.core.errors import ConfigError
from leadbench.core.tensors import MotionSample
from leadbench.data.frames import SamplePool

MOST_WORKERS = 8
"""Threads beyond these mostly wait for the interpreter's lock."""

LEAST_CHUNKS, SMALL = 8, 32
"""Chunks that a replication is cut into at least, as long as each has so many motions."""


DEFAULT = 128
"""Motions of a chunk on a CPU."""

MOST, MOTION_BYTES = 4096, 16 * 2**20
"""Motions of a chunk on an accelerator at most, and what one is reckoned to need there at full size."""


def automatic_chunk(device: torch.device) -> int:
    """How many motions to work on together on a device: as many as half of its free memory holds, as a power of two; on
    a CPU 128, which keep its caches warm. Where it was too much, chunks are halved."""
    free = free_memory(device) if accelerated(device) else None
    if free is None:
        return DEFAULT
    fitting = max(1, free // 2 // MOTION_BYTES)
    return min(MOST, 1 << (int(fitting).bit_length() - 1))


class Sized(Protocol):
    """What has a length in frames, and an id."""

    @property
    def length(self) -> int: ...
    @property
    def id(self) -> str: ...


@dataclass(frozen=True)
class Chunk:
    """Rows of a replication that are worked on together; fixed by the draw, not by the machine."""

    rows: tuple[int, ...]


Work = Callable[[Chunk], None]


def cut_chunks(drawn: Sequence[Sized], size: int, least: int = LEAST_CHUNKS) -> list[Chunk]:
    """Cut a replication into chunks of at most ``size``, sorted by (length, id) so that little is padded.

    There are some ``least`` at least, unless that made them small: with five, of two workers one would wait for the
    last.
    """
    order = sorted(range(len(drawn)), key=lambda i: (drawn[i].length, drawn[i].id))
    size = min(size, max(SMALL, -(-len(order) // least)))
    return [Chunk(tuple(order[start : start + size])) for start in range(0, len(order), size)]


@dataclass
class ChunkedWork:
    """Runs work on chunks of at most ``size`` motions; ``size`` is halved whenever memory runs out, and stays so.

    With several ``workers``, chunks are worked on at once, each in a thread with its share of torch's threads. One
    chunk's Python runs beside another's products, and no product waits for a second thread, so all stages overlap.
    Work must then stand being called by several threads. ``least`` is as :func:`cut_chunks` takes it; ``pool`` holds
    the frames of the drawn motions where they are worked on, on an accelerator.
    """

    size: int
    workers: int = 1
    pool: SamplePool | None = None
    least: int = LEAST_CHUNKS

    def run(self, drawn: Sequence[Sized], work: Work) -> None:
        """Call ``work`` until every row of ``drawn`` is done; a chunk that ran out of memory is done again in halves.

        Raises:
            ConfigError: one motion alone does not fit.
        """
        self.run_all([(drawn, work)])

    def run_all(self, jobs: Sequence[tuple[Sequence[Sized], Work]]) -> None:
        """:meth:`run` for several pieces of work at once, chunks of most frames first: the last ones, for which others
        may have to wait, are then small."""
        sized = [
            (sum(drawn[i].length for i in chunk.rows), work, chunk)
            for drawn, work in jobs
            for chunk in cut_chunks(drawn, self.size, self.least)
        ]
        pending = [(work, chunk) for _, work, chunk in sorted(sized, key=lambda job: -job[0])]
        if self.workers > 1 and len(pending) > 1:
            pending = self._at_once(pending)
        for work, chunk in pending:
            self._one(work, chunk)

    def _at_once(self, pending: Sequence[tuple[Work, Chunk]]) -> list[tuple[Work, Chunk]]:
        """Work in threads; returns what ran out of memory, to be done by itself."""
        left = []
        workers = min(self.workers, len(pending))
        with (
            _shared_threads(workers) as threads,
            ThreadPoolExecutor(workers, "chunk", torch.set_num_threads, (threads,)) as pool,
        ):
            futures: dict[Future[None], tuple[Work, Chunk]] = {pool.submit(w, c): (w, c) for w, c in pending}
            try:
                running = set(futures)
                while running:
                    done, running = wait(running, return_when=FIRST_EXCEPTION)
                    for future in done:
                        error = future.exception()
                        if error is None:
                            continue
                        if not isinstance(error, Exception) or not is_out_of_memory(error):
                            raise error
                        left.append(futures[future])
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return left

    def _one(self, work: Work, chunk: Chunk) -> None:
        """Work here, in halves where memory runs out."""
        pending = [chunk]
        while pending:
            chunk = pending.pop(0)
            try:
                work(chunk)
            except (MemoryError, RuntimeError) as exc:
                if not is_out_of_memory(exc):
                    raise
                if len(chunk.rows) == 1:
                    reason = next(iter(str(exc).splitlines()), type(exc).__name__)
                    raise ConfigError(f"out of memory with one motion at a time: {reason}") from exc
                self.size = half = (len(chunk.rows) + 1) // 2
                pending[:0] = [Chunk(chunk.rows[:half]), Chunk(chunk.rows[half:])]
                free_cached_memory()


def chunk_workers(parts: Sequence[object]) -> int:
    """How many chunks to work on at once: one for each of torch's threads where all parts declare
    ``concurrent = True``, else 1."""
    if not all(getattr(part, "concurrent", False) for part in parts):
        return 1
    if any(accelerated(place_of(part)) for part in parts if hasattr(part, "motion")):
        return 1  # which is kept busy by one thread that does not wait for it
    return min(torch.get_num_threads(), MOST_WORKERS)


def chunked_work(
    size: int | None, evaluator: Evaluator, samples: Sequence[MotionSample] = (), parts: Sequence[object] = ()
) -> ChunkedWork:
    """Chunks as they suit the device of an evaluator: on a CPU several at once, on an accelerator as large as they may.

    Args:
        size: motions of a chunk; None: by the device.
        samples: real motions, whose frames an accelerator keeps.
        parts: what works on chunks beside the evaluator, if it may work on several at once.
    """
    place = place_of(evaluator)
    return ChunkedWork(
        automatic_chunk(place) if size is None else size,
        workers=chunk_workers([evaluator, *parts]) if parts else 1,
        pool=pool_for(samples, evaluator) if samples else None,
        least=1 if accelerated(place) else LEAST_CHUNKS,
    )


def pool_for(samples: Sequence[MotionSample], evaluator: Evaluator) -> SamplePool | None:
    """The frames of real motions on the evaluator's device, sent once; None on a CPU, where they are already."""
    place = place_of(evaluator)
    return SamplePool(samples, place) if accelerated(place) else None


@contextmanager
def _shared_threads(workers: int) -> Iterator[int]:
    """Each worker's share of torch's threads; torch keeps their number by thread, and MKL's for the whole process."""
    before = torch.get_num_threads()
    try:
        yield max(1, before // workers)
    finally:
        torch.set_num_threads(before)
