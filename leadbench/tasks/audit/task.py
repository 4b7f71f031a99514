"""``leadbench evaluator audit``: real motions, corrupted, against real ones, as generated motions would be measured.

A row is a corruption at a strength; strength 0 is the motions through joints and back, which features do not survive
unchanged. All rows of a replication share captions and crops, and what is drawn for a corruption is the same at every
strength: a motion that is mirrored at a share of a half is mirrored at three quarters too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from leadbench.core.config import T2MConfig
from leadbench.core.contracts import Evaluator, MotionDataset
from leadbench.core.device import indices, place_of
from leadbench.core.errors import ConfigError, unknown_name
from leadbench.core.random import stream
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import MotionBatch, MotionSample, lengths_to_mask
from leadbench.data.humanml3d import DrawnSample, feature_mode
from leadbench.motion.features import features_to_joints, joints_to_features
from leadbench.motion.uniform import Mode
from leadbench.results.details import OtherDetails
from leadbench.results.records import MetricColumn, Record, record_key
from leadbench.results.rows import REAL, Row
from leadbench.tasks.audit.corruptions import CORRUPTIONS
from leadbench.tasks.shared.chunks import Chunk, ChunkedWork, chunked_work
from leadbench.tasks.shared.embedding_task import EmbeddingTask
from leadbench.tasks.shared.identity import inputs_identity
from leadbench.tasks.shared.metrics import OpenedMetrics, open_metrics
from leadbench.tasks.shared.opening import open_evaluator
from leadbench.tasks.shared.scoring import Reference, embed, make_reference, reduced_settings, score
from leadbench.tasks.shared.units import Unit
from leadbench.text.cache import CachedTextEncoder
from leadbench.zoo.assets import Opened

NOTHING = Row(source="given", setting={"corruption": "none", "strength": 0.0})
"""Real motions through joints and back to features."""


def row_of(corruption: str, strength: float) -> Row:
    """The row of a corruption at a strength."""
    return Row(source="given", setting={"corruption": corruption, "strength": strength})


@dataclass
class AuditTask(EmbeddingTask):
    """Scores of corrupted real motions.

    Args:
        dataset, evaluator, samples: whose motions are corrupted, and what is audited.
        config: protocol, replications, seed, split.
        corruptions: names of :data:`CORRUPTIONS`.
        metrics: further ones of sets.
        inputs: what the numbers depend on (:func:`leadbench.tasks.shared.identity.inputs_identity`).
        notes: for every record.
        encoders: text encoders of metrics, whose embeddings other processes are given.
    """

    dataset: MotionDataset
    evaluator: Evaluator
    samples: Sequence[MotionSample]
    config: T2MConfig
    corruptions: Sequence[str]
    metrics: OpenedMetrics = field(default_factory=OpenedMetrics)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    encoders: Mapping[str, CachedTextEncoder] = field(default_factory=dict)
    name: str = "audit"
    _references: dict[int, Reference] = field(default_factory=dict)
    _repaired: dict[str, set[str]] = field(default_factory=dict)  # record -> motions

    def __post_init__(self) -> None:
        self._mode: Mode = feature_mode(self.dataset)
        self.columns: Mapping[str, MetricColumn] = self.metrics.columns

    @property
    def _samples(self) -> Sequence[MotionSample]:
        return self.samples

    @cached_property
    def _chunks(self) -> ChunkedWork:
        return chunked_work(self.config.chunk, self.evaluator, self.samples)

    def identity(self) -> dict[str, Any]:
        """Protocol, data, evaluator, corruptions with their strengths."""
        return {
            "config": self.config.model_dump(mode="json"),
            **self.inputs,
            "evaluator": self.evaluator.identity,
            "corruptions": {name: list(CORRUPTIONS[name].strengths) for name in self.corruptions},
            "metrics": list(self.metrics.names),
            "feature_mode": self._mode,
        }

    def units(self) -> list[Unit]:
        """One for each corruption of a replication; the first of them has the rows Real and nothing too."""
        return [
            self._unit(replication, name)
            for replication in range(self.config.replications)
            for name in ("none", *self.corruptions)
        ]

    def _unit(self, replication: int, name: str) -> Unit:
        rows = [REAL, NOTHING]
        if name != "none":
            rows = [row_of(name, strength) for strength in CORRUPTIONS[name].strengths]
        keys = tuple(record_key(row, replication) for row in rows)
        return Unit(f"replication {replication + 1}: {name}", keys, partial(self._measured, replication, rows))

    def _measured(self, replication: int, rows: Sequence[Row]) -> list[Record]:
        reference = self._reference(replication)
        return [self._record(row, replication, self._scores(reference, row, replication)) for row in rows]

    def _scores(self, reference: Reference, row: Row, replication: int) -> dict[str, float | None]:
        """A row's motions as the Real row is measured: against another draw of the real motions."""
        made = reference.motion if row == REAL else self._corrupted(reference.drawn, row, replication)
        found = score(reference.as_real, made, self.config)
        return found | self._of_sets(reference, made, replication, as_real=True)

    def _corrupted(self, drawn: Sequence[DrawnSample], row: Row, replication: int) -> Tensor:
        """Embeddings [S, E] of the crops under the row's corruption."""
        place = place_of(self.evaluator)
        out = torch.full((len(drawn), self.evaluator.dim), float("nan"), device=place)

        def work(chunk: Chunk) -> None:
            features = self._features([drawn[i] for i in chunk.rows], row, replication)
            out.index_copy_(0, indices(chunk.rows, place), embed(self.evaluator, features).to(out.dtype))

        self._chunks.run(drawn, work)
        return out.cpu()

    def _features(self, drawn: Sequence[DrawnSample], row: Row, replication: int) -> MotionBatch:
        """Raw features of corrupted crops, as long as they were: a frame is added before features lose one."""
        skeleton = get_skeleton(self.dataset.motion.skeleton)
        name, strength = str(row.setting["corruption"]), float(row.setting["strength"])
        joints = []
        for item in drawn:
            own = features_to_joints(item.features, skeleton)
            if name in CORRUPTIONS:
                draws = stream(self.config.seed, f"audit-{name}", replication, item.id)
                own = CORRUPTIONS[name].apply(own, skeleton, strength, draws)
            joints.append(torch.cat([own, 2 * own[-1:] - own[-2:-1]]))
        lengths = torch.tensor([len(one) for one in joints])
        padded = torch.nn.utils.rnn.pad_sequence(joints, batch_first=True)
        made = joints_to_features(padded, skeleton, lengths=lengths, mode=self._mode).features
        mask = lengths_to_mask(lengths - 1)
        # official features of a bone that is exactly reversed, or has no length, are not finite
        bad = (~torch.isfinite(made).all(dim=-1) & mask).any(dim=-1)
        if bool(bad.any()):
            repaired = joints_to_features(padded[bad], skeleton, lengths=lengths[bad], mode="corrected").features
            made = made.index_copy(0, bad.nonzero()[:, 0], pad(repaired, (0, 0, 0, made.shape[1] - repaired.shape[1])))
            named = {item.id for item, one in zip(drawn, bad.tolist(), strict=True) if one}
            self._repaired.setdefault(record_key(row, replication), set()).update(named)
        return MotionBatch(made, mask)

    def _reference(self, replication: int) -> Reference:
        if replication not in self._references:
            made = make_reference(self.evaluator, self.samples, self.config, replication, self._chunks)
            self._references = {replication: made}  # one at a time: units come replication by replication
        return self._references[replication]

    def _record(self, row: Row, replication: int, metrics: dict[str, float | None]) -> Record:
        notes = (*reduced_settings(self._reference(replication), self.config), *self.notes)
        repaired = len(self._repaired.get(record_key(row, replication), ()))
        if repaired:
            notes = (
                *notes,
                f"{repaired} corrupted motions have features in corrected mode: official ones are not finite",
            )
        details = OtherDetails(task=self.name, samples=len(self.samples), notes=notes)
        return self._record_of(row, replication, metrics, details)


@dataclass(frozen=True)
class AuditRequest:
    """What a user asks for.

    Attributes:
        evaluator: registered name.
        corruptions: names; empty: all of them.
        metrics: further ones of sets, by registered name.
        notes: for every record.
        config: protocol.
    """

    evaluator: str = "guo"
    corruptions: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    config: T2MConfig = field(default_factory=T2MConfig)


def open_audit(opened: Opened, request: AuditRequest) -> AuditTask:
    """The task; nothing is written.

    Raises:
        UnknownNameError: no such evaluator, metric or corruption.
        ConfigError: a metric is of single motions.
    """
    for name in request.corruptions:
        if name not in CORRUPTIONS:
            raise unknown_name("corruption", name, CORRUPTIONS, where="--corruption")
    evaluator = open_evaluator(opened, request.evaluator)
    metrics = open_metrics(opened, request.metrics)
    if metrics.single:
        single = next(iter(metrics.single))
        raise ConfigError(f"--metric {single}: is of single motions; an audit takes metrics of sets")
    samples, report = opened.dataset.load(request.config.split, skip_bad=request.config.skip_bad_motions)
    parts = [("evaluator", request.evaluator), *(("metric", name) for name in metrics.names)]
    splits = ("train",) if metrics.sets else ()
    return AuditTask(
        dataset=opened.dataset,
        evaluator=evaluator,
        samples=samples,
        config=request.config,
        corruptions=request.corruptions or tuple(CORRUPTIONS),
        metrics=metrics,
        inputs=inputs_identity(opened, splits=splits, parts=parts),
        notes=(*request.notes, *report.notes),
        encoders=opened.models.text_encoders,
    )
