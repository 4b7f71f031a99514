"""Progress bars; plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from leadbench.cli.console import VOLUME


@dataclass
class ProgressReporter:
    """Shows "done of total" with a text, on a bar or, every few seconds, as a line; nothing if silent."""

    bar: Progress | None
    silent: bool = False
    every_seconds: float = 15.0
    _tasks: dict[str, TaskID] = field(default_factory=dict)
    _last: float = 0.0

    def show(self, name: str, done: int, total: int, text: str = "") -> None:
        """Update the bar called ``name``."""
        if self.silent:
            return
        if self.bar is not None:
            if name not in self._tasks:
                self._tasks[name] = self.bar.add_task(name, total=total, text=text)
            self.bar.update(self._tasks[name], completed=done, total=total, text=text)
            return
        now = time.monotonic()
        if done == total or now - self._last > self.every_seconds:
            self._last = now
            print(f"{name}: {done}/{total} {text}".rstrip(), file=sys.stderr, flush=True)


@contextmanager
def progress() -> Iterator[ProgressReporter]:
    """A reporter on stderr: a live bar on a terminal, lines elsewhere, nothing with ``--quiet``."""
    if VOLUME.quiet:
        yield ProgressReporter(None, silent=True)
        return
    if not sys.stderr.isatty():
        yield ProgressReporter(None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        yield ProgressReporter(bar)


def figures_text(figures: Mapping[str, float]) -> str:
    """Short text of figures: ``loss 0.123 kl 0.045``."""
    return " ".join(f"{key} {value:.4g}" for key, value in figures.items())
