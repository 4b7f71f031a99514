"""Who does pieces: threads that each watch a process on this machine. A cluster's crew is in its own module."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Protocol

from leadbench.sweep.work import Order, Outcome, do_piece


class Crew(Protocol):
    """Does pieces somewhere. The caller alone decides what is ready, and keeps what is done."""

    def begin(self, order: Order) -> None:
        """Take a piece over; it is done when there is a place for it."""
        ...

    def ended(self) -> Mapping[str, Outcome]:
        """Wait until a piece has ended; those that have, by name."""
        ...

    def stop(self) -> None:
        """Give back what was taken; pieces at work are interrupted."""
        ...


class LocalCrew:
    """Processes on this machine, as many at once as cores are shared out.

    Args:
        jobs: pieces at once.
    """

    def __init__(self, jobs: int) -> None:
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="piece")
        self._running: dict[Future[Outcome], str] = {}
        self._stopped = threading.Event()

    def begin(self, order: Order) -> None:
        """Take a piece over."""
        self._running[self._threads.submit(do_piece, order, self._stopped.is_set)] = order.piece.name

    def ended(self) -> Mapping[str, Outcome]:
        """Wait until one has ended."""
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        return {self._running.pop(future): future.result() for future in done}

    def stop(self) -> None:
        """Drop what waits, and interrupt what runs."""
        self._stopped.set()
        self._threads.shutdown(wait=True, cancel_futures=True)
