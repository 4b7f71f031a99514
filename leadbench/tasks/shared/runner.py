"""One life cycle for every task: identity, what is left to do, several processes, one writer, progress."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from typing import Any, Protocol

import torch

from leadbench.core.device import every_device
from leadbench.core.errors import LeadbenchError, ResultsError, WorkerError
from leadbench.core.files import require_name
from leadbench.core.outputs import tell_output
from leadbench.core.processes import begin_worker
from leadbench.core.provenance import collect_provenance
from leadbench.results.records import Computed, Record, Run
from leadbench.results.store import RunStore
from leadbench.tasks.shared.registry import open_task
from leadbench.tasks.shared.units import Progress, Share, Task, Unit, silent
from leadbench.zoo.assets import Choice, open_assets

WHOLE = Share()


@dataclass(frozen=True)
class Recipe:
    """What a process needs to open the same task; all of it can be pickled.

    Attributes:
        task: registered name.
        request: what the user asked for, of the type that the task takes.
        choice: dataset, models and plugins.
    """

    task: str
    request: Any
    choice: Choice

    def open(self, *, strict: bool = False) -> Task:
        """Load and check everything; nothing is written."""
        opened = open_assets(self.choice, strict=strict)
        task = open_task(self.task, opened, self.request)
        task.compute = opened.models.compute
        return task


class Executor(Protocol):
    """Does units of a task somewhere. The caller alone writes records."""

    def start(self, task: Task, folder: Path) -> None:
        """Get ready for units of a task whose run lies in ``folder``."""
        ...

    def run(self, numbers: Sequence[int]) -> Iterator[tuple[int, Sequence[Record]]]:
        """Do units by their numbers in ``task.units()``; yields each one's records when it is done, in any order."""
        ...

    def stop(self) -> None:
        """Give back what was taken; units that have not begun are dropped."""
        ...


class InProcess:
    """Units one after the other, in this process."""

    def __init__(self) -> None:
        self._task: Task | None = None
        self._units: Sequence[Unit] = ()

    def start(self, task: Task, folder: Path) -> None:
        """Remember the units."""
        self._task, self._units = task, task.units()

    def run(self, numbers: Sequence[int]) -> Iterator[tuple[int, Sequence[Record]]]:
        """In the given order."""
        assert self._task is not None, "start comes first"
        for number in numbers:
            yield number, done_by(self._task, self._units[number])

    def stop(self) -> None:
        """Nothing to give back."""


class LocalPool:
    """Processes on this machine that open the same task, and share torch's threads.

    Args:
        recipe: how they open it.
        jobs: how many.
        devices: what the processes compute on, in turns; default: what the recipe says.
    """

    def __init__(self, recipe: Recipe, jobs: int, devices: Sequence[str] = ()) -> None:
        self._recipe, self._jobs, self._devices = recipe, jobs, devices
        self._pool: ProcessPoolExecutor | None = None

    def start(self, task: Task, folder: Path) -> None:
        """Start the processes; each opens the task and adopts what this one shares."""
        threads = max(1, torch.get_num_threads() // self._jobs)
        context = multiprocessing.get_context("spawn")
        seats = context.SimpleQueue()
        for number in range(self._jobs):
            seats.put(self._devices[number % len(self._devices)] if self._devices else self._recipe.choice.device)
        arguments = (self._recipe, task.share(), folder, threads, seats)
        self._pool = ProcessPoolExecutor(self._jobs, context, _open_in_worker, arguments)

    def run(self, numbers: Sequence[int]) -> Iterator[tuple[int, Sequence[Record]]]:
        """As they are done.

        Raises:
            WorkerError: a process died, or opened another run.
            Whatever a unit raises; units that had ended by then were yielded.
        """
        assert self._pool is not None, "start comes first"
        try:
            futures = {self._pool.submit(_work, number): number for number in numbers}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as exc:  # also while units are handed out
            raise WorkerError(
                "a worker process died (killed, or out of memory?); what was done is stored: start the same "
                "command again, with fewer --jobs"
            ) from exc

    def stop(self) -> None:
        """End the processes; what runs is finished, what waits is dropped."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def executor_for(recipe: Recipe, jobs: int) -> Executor | None:
    """Several processes where several jobs, or all GPUs of this machine (``cuda:all``), are asked for; None: this one.

    Raises:
        ConfigError: no such device here.
    """
    devices = [str(device) for device in every_device(recipe.choice.device_name)]
    count = max(jobs, len(devices))
    return LocalPool(recipe, count, devices) if count > 1 else None


def done_by(task: Task, unit: Unit) -> Sequence[Record]:
    """Records of a unit, with what computed them."""
    computed = Computed(**task.compute.describe())
    return [record.model_copy(update={"compute": computed}) for record in unit.work()]


_opened: list[tuple[Task, Sequence[Unit]] | LeadbenchError] = []  # by this worker process, or why it could not


def _open_in_worker(recipe: Recipe, shared: Any, folder: Path, threads: int, seats: SimpleQueue[str | None]) -> None:
    begin_worker(threads)
    choice = replace(recipe.choice, device=seats.get())
    try:
        task = replace(recipe, choice=choice).open()
        require_same(task, folder)
        task.adopt(shared, folder)
        _opened[:] = [(task, task.units())]
    except LeadbenchError as exc:  # an exception here would break the pool, which does not say why
        _opened[:] = [exc]


def require_same(task: Task, folder: Path) -> None:
    """Make sure that a worker opened what the run in ``folder`` is of: its files may have changed since, or be others
    on another machine.

    Raises:
        WorkerError: it is another run.
    """
    found = run_name(task.name, task.identity())
    if folder.name != found:
        raise WorkerError(
            f"a worker opened other data, weights or code than the run {folder.name} is of ({found}); did files change?"
        )


def _work(number: int) -> Sequence[Record]:
    if isinstance(_opened[0], LeadbenchError):
        raise _opened[0]
    task, units = _opened[0]
    return done_by(task, units[number])


def run_name(task: str, identity: Mapping[str, Any]) -> str:
    """Folder name of a run: its task, and a hash of what makes two runs the same.

    >>> run_name("t2m", {"seed": 0})
    't2m-de7d7744cc'
    """
    return f"{task}-" + hashlib.sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()[:10]


def run_folder(task: Task, out: Path) -> Path:
    """Where the records of a task go."""
    group = require_name(task.group, f"task {task.name!r}: group")
    return out / group / run_name(require_name(task.name, "task"), task.identity())


def run_task(
    task: Task, out: Path, *, executor: Executor | None = None, progress: Progress = silent, share: Share = WHOLE
) -> Run:
    """Start a task or resume it; returns the finished run, or what a share of it makes.

    Args:
        out: folder of results; the run lies at ``out/GROUP/TASK-HASH``.
        executor: where units are done; default: in this process.
        progress: called when a unit is done.
        share: the part of the units that is done here.

    Raises:
        ResultsError: a unit made other records than it announced.
        LeadbenchError: whatever opening, checking or a unit raises; records of finished units are stored.
    """
    task.check()
    store = RunStore(run_folder(task, out))
    units = task.units()
    mine = [number for number in range(len(units)) if share.holds(number)]
    left = [number for number in mine if not all(map(store.done, units[number].keys))]
    if left:
        task.warm_up()  # before anything is written, since it may load models
    planned = [key for unit in units for key in unit.keys]
    store.start(task.name, task.identity(), task.names, collect_provenance(task.compute), planned, task.columns)
    if left:
        task.prepare(store.folder, progress)
        _do(task, units, left, store, executor or InProcess(), progress, len(mine))
    tell_output(store.folder)
    return store.load()


def _do(
    task: Task,
    units: Sequence[Unit],
    left: Sequence[int],
    store: RunStore,
    executor: Executor,
    progress: Progress,
    total: int,
) -> None:
    done = total - len(left)
    try:
        executor.start(task, store.folder)
        for number, records in executor.run(left):
            made = {record.key for record in records}
            if made != set(units[number].keys):
                raise ResultsError(
                    f"task {task.name!r}, {units[number].label}: made other records than the unit announced "
                    f"({', '.join(sorted(made ^ set(units[number].keys)))})"
                )
            for record in records:
                store.append(record)
            done += 1
            progress(units[number].label, done, total)
    finally:
        executor.stop()
