"""A task base for measurements of models: everything but the measurement itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from leadbench.core.contracts import Backbone
from leadbench.core.device import place_of
from leadbench.core.errors import ConfigError
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Latent, MotionBatch, MotionSample, mask_of
from leadbench.data.humanml3d import DrawnSample, draw
from leadbench.generation.pipeline import decode_latents, sample_latents
from leadbench.results.details import OtherDetails
from leadbench.results.records import Record, record_key
from leadbench.results.rows import Row
from leadbench.tasks.shared.opening import open_entries, request_identity
from leadbench.tasks.shared.realigners import Edit
from leadbench.tasks.shared.request import RunRequest
from leadbench.tasks.shared.units import Entry, Sampling, Task, Unit
from leadbench.zoo.assets import Opened


@dataclass(frozen=True, eq=False)
class Trial:
    """One row and replication to measure.

    Attributes:
        backbone: what is measured.
        sampling: its number of steps and guidance.
        edit: what stands in the projector's place; its ``map`` is None for the plain row.
        replication, seed: what random numbers are keyed by.
        drawn: captions and lengths of this replication.
    """

    backbone: Backbone
    sampling: Sampling
    edit: Edit
    replication: int
    seed: int
    drawn: Sequence[DrawnSample]

    def mask(self) -> torch.Tensor:
        """True on the frames of each motion, [B, F]."""
        return mask_of([item.length for item in self.drawn], place_of(self.backbone.autoencoder))

    @torch.no_grad()
    def latents(self) -> Latent:
        """Latents [B, N, M] of the drawn captions, realigned where the row is a projector's."""
        captions = [item.caption.caption for item in self.drawn]
        mask = self.mask()
        noise = NoiseSource(self.seed, tuple(item.id for item in self.drawn), self.replication, 0, mask.device)
        steps, guidance = self.sampling.steps, self.sampling.guidance
        latent = sample_latents(self.backbone, captions, mask, noise, steps=steps, guidance=guidance)
        return latent if self.edit.map is None else self.edit.map(latent, mask)

    def motions(self, latents: Latent) -> MotionBatch:
        """Motions [B, F, D] of latents, normalised by the autoencoder's statistics."""
        return decode_latents(self.backbone.autoencoder, latents, self.mask(), None)


class ModelTask(Task):
    """Measures each backbone, plain and with each projector, at each number of steps, once for each replication.

    A subclass sets ``name`` and implements :meth:`measure`; as the factory of a registration it is opened by
    ``leadbench run --task NAME``, with backbones, steps, projectors and replications of the usual options.

    Attributes:
        most: motions of the split that are used at most; None: all.
        evaluator_identity: of the evaluator that measures, for records; ``none`` where none does.

    Raises:
        ConfigError: further metrics are asked for, which such a task does not compute.
    """

    most: int | None = None
    evaluator_identity: str = "none"

    def __init__(self, opened: Opened, request: RunRequest) -> None:
        if request.metrics:
            raise ConfigError(
                f"--metric {request.metrics[0]}: task {self.name!r} has metrics of its own, and no others"
            )
        self.request = request
        self._found = open_entries(opened, request)
        self._dataset = opened.dataset.name
        samples = opened.dataset.load(request.config.split, skip_bad=request.config.skip_bad_motions)[0]
        self._samples: Sequence[MotionSample] = samples[: self.most]
        self._identity = {**request_identity(opened, request, self._found), "most": self.most}
        self.names = self._found.names

    @abstractmethod
    def measure(self, trial: Trial) -> Mapping[str, float]:
        """Values by the names of metrics; a function of the trial alone."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the caption of the table, stored in every record."""
        return (*self.request.notes, *self._found.notes)

    @property
    def group(self) -> str:
        """The dataset's name."""
        return self._dataset

    def identity(self) -> Mapping[str, Any]:
        """Protocol, samplings, data and weights."""
        return self._identity

    def units(self) -> Sequence[Unit]:
        """One for each row and replication."""
        return [
            self._unit(entry, sampling, edit, replication)
            for replication in range(self.request.config.replications)
            for entry in self._found.entries
            for sampling in entry.samplings
            for edit in entry.edits
        ]

    def _unit(self, entry: Entry, sampling: Sampling, edit: Edit, replication: int) -> Unit:
        key = record_key(entry.row(sampling, edit), replication)
        work = partial(self._record, entry, sampling, edit, replication)
        return Unit(f"replication {replication + 1}: {entry.name}", (key,), work)

    def _record(self, entry: Entry, sampling: Sampling, edit: Edit, replication: int) -> list[Record]:
        config = self.request.config
        drawn = draw(self._samples, config.seed, replication)
        trial = Trial(entry.backbone, sampling, edit, replication, config.seed, drawn)
        return [self._record_of(entry.row(sampling, edit), replication, self.measure(trial))]

    def _record_of(self, row: Row, replication: int, metrics: Mapping[str, float]) -> Record:
        count = len(self._samples)
        return Record(
            task=self.name,
            dataset=self._dataset,
            protocol=self.request.config.protocol,
            evaluator=self.evaluator_identity,
            row=row,
            replication=replication,
            seed=self.request.config.seed,
            metrics=dict(metrics),
            details=OtherDetails(task=self.name, samples=count, notes=self.notes, warnings=self._found.warnings),
            chunk_size=max(1, count),
        )
