"""What a task is: what identifies it, its units of work, and what it does before the first of them.

:func:`leadbench.tasks.shared.runner.run_task` does the rest for every task alike: identity, resume, progress, several
processes, the store.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from leadbench.core.contracts import Backbone, MotionAutoencoder
from leadbench.core.device import CPU, Compute
from leadbench.core.direct import has_latent
from leadbench.results.records import MetricColumn, Record
from leadbench.results.rows import Row
from leadbench.tasks.shared.realigners import Edit

Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it is done, and of how much."""


def silent(label: str, done: int, total: int) -> None:
    """Progress that nobody looks at."""


@dataclass(frozen=True)
class Unit:
    """What is done, recorded and resumed as a whole.

    Attributes:
        label: for progress.
        keys: of the records that it makes (:func:`leadbench.results.records.record_key`).
        work: makes them; a function of what the task was opened with alone, so that any process may call it.
    """

    label: str
    keys: tuple[str, ...]
    work: Callable[[], Sequence[Record]]


@dataclass(frozen=True)
class Share:
    """A part of a run's work, for one of several machines: every ``of``-th unit from the ``number``-th on."""

    number: int = 1
    of: int = 1

    def holds(self, unit: int) -> bool:
        """Whether a unit, counted from 0, belongs to it.

        >>> tuple(unit for unit in range(6) if Share(2, 3).holds(unit))
        (1, 4)
        """
        return unit % self.of == self.number - 1


class Task(ABC):
    """One evaluation of models on data.

    Attributes:
        name: registered name; every record carries it.
        names: registered name -> name in tables, of its backbones and projectors.
        columns: how metrics beyond the paper's stand in tables.
        compute: device and precision, for provenance and records.
    """

    name: str
    compute: Compute = CPU
    names: Mapping[str, str] = MappingProxyType({})
    columns: Mapping[str, MetricColumn] = MappingProxyType({})

    @property
    @abstractmethod
    def group(self) -> str:
        """Folder below ``--out`` that its runs lie in, usually the dataset's name."""

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What makes two runs the same, as JSON holds it: settings, and hashes of data and weights."""

    @abstractmethod
    def units(self) -> Sequence[Unit]:
        """All units, in the order in which one process does them."""

    def check(self) -> None:  # noqa: B027 -- optional
        """Raise where the run would mean nothing. Called first; nothing is written then."""

    def warm_up(self) -> None:  # noqa: B027 -- optional
        """What has to be done once before units, such as to embed captions; called only if units are left."""

    def prepare(self, folder: Path, progress: Progress) -> None:  # noqa: B027 -- optional
        """What units need in the run's folder, done once and resumed; called only if units are left."""

    def share(self) -> Any:
        """What other processes are given instead of doing :meth:`warm_up` again; it can be pickled."""
        return None

    def adopt(self, shared: Any, folder: Path) -> None:  # noqa: B027 -- optional
        """Take what :meth:`share` of another process gave, and the run's folder."""


@dataclass(frozen=True)
class Sampling:
    """A backbone, by its registered name, at a number of steps and a guidance scale."""

    backbone: str
    steps: int
    guidance: float | None


@dataclass(frozen=True, eq=False)
class Entry:
    """A backbone with the samplings of it that are measured, and the maps that are tried in the projector's place."""

    name: str
    backbone: Backbone
    samplings: tuple[Sampling, ...]
    edits: tuple[Edit, ...]

    def row(self, sampling: Sampling, edit: Edit) -> Row:
        """Identity of the row of a sampling with an edit."""
        return Row(
            backbone=sampling.backbone,
            projector=edit.projector,
            variant=edit.variant,
            control=edit.control,
            steps=sampling.steps,
            guidance=sampling.guidance,
        )


def autoencoders_of(entries: Sequence[Entry]) -> dict[str | None, MotionAutoencoder]:
    """Backbone -> its autoencoder, one for each latent space; a single one belongs to no backbone (None)."""
    found: dict[str, tuple[str, MotionAutoencoder]] = {}
    for entry in (entry for entry in entries if has_latent(entry.backbone)):
        autoencoder = entry.backbone.autoencoder
        found.setdefault(autoencoder.fingerprint, (entry.name, autoencoder))
    if len(found) == 1:
        return {None: next(iter(found.values()))[1]}
    return dict(found.values())
