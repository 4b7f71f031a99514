"""Where the time of a benchmark goes: seconds of each stage, by the row that they were spent for."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock


class Stopwatch:
    """Adds up seconds by row and stage. Threads may measure at once: their seconds add up."""

    def __init__(self) -> None:
        self._spent: dict[Hashable, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        self._lock = Lock()

    @contextmanager
    def stage(self, name: str, row: Hashable = None) -> Iterator[None]:
        """Count what happens inside for stage ``name`` of a row; None: all rows of the unit share it."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            with self._lock:
                self._spent[row][name] += spent

    def taken(self, row: Hashable) -> Mapping[str, float]:
        """Seconds by stage of one row, each given out once."""
        with self._lock:
            return dict(self._spent.pop(row, {}))
