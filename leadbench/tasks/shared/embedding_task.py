"""What tasks share that score sets of embeddings: captions embedded once, metrics of sets, the record of a row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from torch import Tensor

from leadbench.core.config import T2MConfig
from leadbench.core.contracts import Evaluator, MotionDataset
from leadbench.core.tensors import MotionSample
from leadbench.data.humanml3d import draw
from leadbench.results.details import AnyDetails
from leadbench.results.records import Record
from leadbench.results.rows import Row
from leadbench.tasks.shared.chunks import ChunkedWork
from leadbench.tasks.shared.metrics import OpenedMetrics, sets_of
from leadbench.tasks.shared.scoring import Reference, embed_split
from leadbench.tasks.shared.units import Task
from leadbench.text.cache import CachedTextEncoder


class EmbeddingTask(Task):
    """A task that compares motions with a draw of real ones, in the space of an evaluator.

    Attributes:
        dataset, evaluator, config: whose motions, in which space, by which protocol.
        metrics: further ones than the paper's.
        encoders: text encoders of backbones and metrics, whose embeddings other processes are given.
    """

    dataset: MotionDataset
    evaluator: Evaluator
    config: T2MConfig
    metrics: OpenedMetrics
    encoders: Mapping[str, CachedTextEncoder]

    @property
    @abstractmethod
    def _samples(self) -> Sequence[MotionSample]:
        """The split."""

    @property
    @abstractmethod
    def _chunks(self) -> ChunkedWork:
        """How its motions are cut into pieces of work."""

    @property
    def group(self) -> str:
        """The dataset's name."""
        return self.dataset.name

    def captions(self) -> list[str]:
        """Every caption that a replication draws, sorted."""
        config = self.config
        drawn = (draw(self._samples, config.seed, replication) for replication in range(config.replications))
        return sorted({item.caption.caption for items in drawn for item in items})

    def warm_up(self) -> None:
        """Embed what the replications draw, each caption once and always in the same batches, so that a resumed run
        has the same bits."""
        captions = self.captions() if self.encoders else []
        for encoder in self.encoders.values():
            encoder.together(["", *captions])

    def share(self) -> dict[str, Mapping[str, Tensor]]:
        """Embedded captions, by text encoder."""
        return {name: encoder.rows for name, encoder in self.encoders.items()}

    def adopt(self, shared: Mapping[str, Mapping[str, Tensor]], folder: Path) -> None:
        """Take embedded captions."""
        for name, rows in shared.items():
            self.encoders[name].preload(rows)

    def _of_sets(
        self, reference: Reference, embeddings: Tensor, replication: int, *, as_real: bool = False
    ) -> dict[str, float | None]:
        """Metrics of sets of embeddings [S, E]; ``as_real``: against another draw of the real motions."""
        if not self.metrics.sets:
            return {}
        against = replace(reference, motion=reference.other) if as_real else reference
        made = sets_of(against, embeddings, lambda: self._train_embeddings, self.config.seed, replication)
        return self.metrics.of_sets(made)

    @cached_property
    def _train_embeddings(self) -> Tensor:
        """[T, E] of one draw of the train split."""
        return embed_split(self.evaluator, self.dataset, self.config, self._chunks)

    def _record_of(
        self, row: Row, replication: int, metrics: Mapping[str, float | None], details: AnyDetails
    ) -> Record:
        return Record(
            task=self.name,
            dataset=self.dataset.name,
            protocol=self.config.protocol,
            evaluator=self.evaluator.identity,
            row=row,
            replication=replication,
            seed=self.config.seed,
            metrics=dict(metrics),
            details=details,
            chunk_size=self._chunks.size,
        )
