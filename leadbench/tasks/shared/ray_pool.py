"""Units of a task on a Ray cluster whose machines see the same files."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from leadbench.core.cluster import TRIES, connect, leave
from leadbench.core.errors import WorkerError
from leadbench.core.reading import reason
from leadbench.results.records import Record
from leadbench.tasks.shared.runner import Recipe, done_by, require_same
from leadbench.tasks.shared.units import Task

_AHEAD = 2
"""Units that a worker holds: one that it does, and the next, so that it never waits for this process."""


@dataclass(eq=False)
class _Seat:
    """A worker, as this process sees it.

    Attributes:
        actor: the worker itself.
        ready: whether it has opened the task.
        held: units that it was given and has not done.
    """

    actor: Any
    ready: bool = False
    held: int = 0


class RayPool:
    """Actors of a Ray cluster that each open the task once.

    What the captions are embedded to is put into the cluster's object store once. Where a worker dies, what it held is
    done by others, and another is started where there is room; records come back to this process alone.

    Args:
        recipe: how workers open the task.
        address: of the cluster; see :func:`leadbench.core.cluster.connect`.
        workers: how many; default: one for each GPU where the recipe names them, else for each core.
    """

    def __init__(self, recipe: Recipe, address: str, workers: int | None = None) -> None:
        self._recipe, self._address, self._count = recipe, address, workers
        self._ray: Any = None
        self._new: Callable[[], Any] = lambda: None
        self._seats: list[_Seat] = []
        self._waiting: deque[int] = deque()
        self._asked: dict[
            Any, tuple[int | None, _Seat]
        ] = {}  # by Ray's reference; None: whether it has opened the task

    def start(self, task: Task, folder: Path) -> None:
        """Start the workers.

        Raises:
            ConfigError: there is no such cluster.
            WorkerError: it has no GPU, which the recipe names.
        """
        self._ray = connect(self._address, self._count)
        gpu = task.compute.device.type == "cuda"
        there = int(self._ray.cluster_resources().get("GPU" if gpu else "CPU", 0))
        if there < 1:
            raise WorkerError(f"--cluster {self._address}: has no GPU, as --device {task.compute.device} needs")
        worker = self._ray.remote(_Worker).options(num_cpus=1, num_gpus=int(gpu), scheduling_strategy="SPREAD")
        # on a machine of a cluster a worker sees one GPU, its own
        choice = replace(self._recipe.choice, device="cuda" if gpu else self._recipe.choice.device)
        recipe, shared = replace(self._recipe, choice=choice), self._ray.put(task.share())
        place = str(Path.cwd())
        self._new = lambda: worker.remote(recipe, shared, folder.absolute(), place)
        for _ in range(min(self._count or there, there, len(task.units()))):
            self._add_worker()

    def run(self, numbers: Sequence[int]) -> Iterator[tuple[int, Sequence[Record]]]:
        """As they are done.

        Raises:
            WorkerError: workers die again and again.
            Whatever a unit raises; units that had ended by then were yielded.
        """
        self._waiting, left, deaths = deque(numbers), len(numbers), 0
        while left:
            self._hand_out()
            done, _ = self._ray.wait(list(self._asked), num_returns=1)
            number, seat = self._asked.pop(done[0])
            try:
                records = self._ray.get(done[0])
            except self._ray.exceptions.RayTaskError as exc:
                raise exc.as_instanceof_cause() from exc
            except self._ray.exceptions.RayError as exc:  # the worker died, or its machine
                deaths += seat in self._seats
                if deaths > TRIES:
                    raise WorkerError(f"workers die again and again ({reason(exc)}); what was done is stored") from exc
                self._bury(seat, number)
                continue
            if number is None:
                seat.ready = True
            else:
                seat.held, left = seat.held - 1, left - 1
                yield number, records

    def stop(self) -> None:
        """End the workers, and leave the cluster."""
        if self._ray is not None:
            for seat in self._seats:
                self._ray.kill(seat.actor)
            leave(self._ray)

    def _add_worker(self) -> None:
        seat = _Seat(self._new())
        self._seats.append(seat)
        self._asked[seat.actor.opened.remote()] = (None, seat)

    def _hand_out(self) -> None:
        """Give what waits to workers that are ready, to the one that holds least first."""
        while self._waiting:
            free = [seat for seat in self._seats if seat.ready and seat.held < _AHEAD]
            if not free:
                return
            seat = min(free, key=lambda one: one.held)
            number = self._waiting.popleft()
            seat.held += 1
            self._asked[seat.actor.work.remote(number)] = (number, seat)

    def _bury(self, seat: _Seat, number: int | None) -> None:
        """Take back a unit that a dead worker held, and, once for each worker, begin another in its place."""
        if number is not None:
            self._waiting.appendleft(number)
        if seat in self._seats:
            self._seats.remove(seat)
            self._add_worker()


class _Worker:
    """An actor: the task, opened."""

    def __init__(self, recipe: Recipe, shared: Any, folder: Path, here: str) -> None:
        os.chdir(here)
        self._task = recipe.open()
        require_same(self._task, folder)
        self._task.adopt(shared, folder)
        self._units = self._task.units()

    def opened(self) -> None:
        """Answered once the task is open."""

    def work(self, number: int) -> Sequence[Record]:
        """Records of a unit."""
        return done_by(self._task, self._units[number])
