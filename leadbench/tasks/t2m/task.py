"""Text-to-motion (paper, Tables 1, 2 and 5).

Work is cut into units: a replication of one setting (backbone, steps, guidance). A unit samples latents once and
scores every edit of them (plain, realigned, controls in the projector's place), so all rows share captions, lengths and
noise. A unit's records are written together when it is done; a run that starts again skips what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from leadbench.core.config import SelfTestSettings, T2MConfig
from leadbench.core.contracts import Backbone, Evaluator, MotionAutoencoder, MotionDataset, MotionMetric
from leadbench.core.device import indices, place_of
from leadbench.core.direct import has_latent
from leadbench.core.random import NoiseSource, stream
from leadbench.core.tensors import MotionSample
from leadbench.data.frames import SamplePool, drawn_batch
from leadbench.data.humanml3d import draw
from leadbench.metrics.bundled import latent_norm, skating_ratio
from leadbench.results.details import T2MDetails
from leadbench.results.records import MetricColumn, Record, record_key
from leadbench.results.rows import REAL, SHUFFLED, Row
from leadbench.tasks.shared.chunks import Chunk, ChunkedWork, chunked_work, pool_for
from leadbench.tasks.shared.controls import (
    LatentStatistics,
    derangement,
    gaussian_latents,
    latent_statistics,
    standard_normal_latents,
)
from leadbench.tasks.shared.embedding_task import EmbeddingTask
from leadbench.tasks.shared.measuring import Decoded, Instruments, MeasuringJob, Prompt, given, sampled
from leadbench.tasks.shared.metrics import OpenedMetrics
from leadbench.tasks.shared.real_motions import measure_real
from leadbench.tasks.shared.realigners import Edit
from leadbench.tasks.shared.scoring import (
    Reference,
    embed_drawn,
    make_reference,
    reduced_settings,
    score,
    score_multimodality,
    score_without_captions,
)
from leadbench.tasks.shared.selftest import SelfTest, run_self_test
from leadbench.tasks.shared.stopwatch import Stopwatch
from leadbench.tasks.shared.units import Entry, Sampling, Unit, autoencoders_of
from leadbench.text.cache import CachedTextEncoder

LATENT_NORM = "latent_norm"
DIAGNOSTICS: Mapping[str, MotionMetric] = {LATENT_NORM: latent_norm, "skating_ratio": skating_ratio}
"""Measured of all generated motions, and kept in the details of their records."""


TRAIN = Row(source="train")
RECONSTRUCTION = Row(source="reconstruction")
LATENT_CONTROLS = tuple(
    Row(source="latents", control=name) for name in ("other-latents", "gaussian-latents", "standard-normal-latents")
)


@dataclass
class T2MTask(EmbeddingTask):
    """Generated motions against real ones.

    Args:
        dataset: whose ``config.split`` is generated for.
        evaluator: space in which everything is measured.
        entries: backbones; each autoencoder among them has its reconstruction and control rows.
        config: protocol.
        description: what makes two runs the same.
        names: registered name -> name in tables.
        columns: how the numbers of further metrics stand in tables.
        encoders: text encoders of the backbones, whose embeddings other processes are given.
        controls: also score the control rows.
        samples: the split, if it is loaded already.
        warnings: that go into every record.
        notes: sentences for the caption, in every record too.
        metrics: further ones: of motions, averaged over the test motions, and of sets.
        self_test: how far real motions may score from what is known of them; None: they are not tested.
    """

    dataset: MotionDataset
    evaluator: Evaluator
    entries: Sequence[Entry]
    config: T2MConfig
    description: Mapping[str, Any]
    names: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, MetricColumn] = field(default_factory=dict)
    encoders: Mapping[str, CachedTextEncoder] = field(default_factory=dict)
    controls: bool = False
    samples: Sequence[MotionSample] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    metrics: OpenedMetrics = field(default_factory=OpenedMetrics)
    self_test: SelfTestSettings | None = None
    name: str = "t2m"
    _references: dict[int, Reference] = field(default_factory=dict)
    _statistics: dict[str, LatentStatistics] = field(default_factory=dict)
    _watch: Stopwatch = field(default_factory=Stopwatch)

    def identity(self) -> Mapping[str, Any]:
        """Protocol, samplings, data and weights."""
        return self.description

    def check(self) -> None:
        """The self-test.

        Raises:
            SelfTestError: real motions do not score as they should.
        """
        tested = None if self.self_test is None else self.test_real_motions(self.self_test)
        if tested is not None:
            tested.require()

    def test_real_motions(self, tolerances: SelfTestSettings) -> SelfTest | None:
        """Measure the real motions of the first replication; None where nothing is known of what they must score."""
        reference = self._reference(0)
        real = score(reference.as_real, reference.motion, self.config)
        return run_self_test(self.dataset, self.evaluator, self._samples, real, tolerances)

    def units(self) -> list[Unit]:
        """All units, replications outermost so that an interrupted run holds whole replications."""
        return [unit for replication in range(self.config.replications) for unit in self._units(replication)]

    def _units(self, replication: int) -> Iterator[Unit]:
        yield self._unit("real", replication, [REAL], self._real)
        if self.controls:
            yield self._unit("controls", replication, [SHUFFLED, TRAIN], self._real_control_rows)
        for owner, autoencoder in self.autoencoders.items():
            rows = [_of(row, owner) for row in (RECONSTRUCTION, *(LATENT_CONTROLS if self.controls else ()))]
            work = partial(self._autoencoder_rows, owner=owner, autoencoder=autoencoder)
            yield self._unit(" ".join(filter(None, ("reconstruction", owner))), replication, rows, work)
        for entry in self.entries:
            for sampling in entry.samplings:
                rows = [entry.row(sampling, edit) for edit in entry.edits]
                label = f"{self.names.get(entry.name, entry.name)} {sampling.steps} steps"
                work = partial(self._generated, entry=entry, sampling=sampling)
                yield self._unit(label, replication, rows, work)

    @cached_property
    def autoencoders(self) -> dict[str | None, MotionAutoencoder]:
        """Backbone -> its autoencoder, one for each latent space; a single one belongs to no backbone (None)."""
        return autoencoders_of(self.entries)

    # ------------------------------------------------------------------ rows

    def _real(self, replication: int) -> list[Record]:
        """Real motions, whose FID is that against another draw of them."""
        reference = self._reference(replication)
        metrics = score(reference.as_real, reference.motion, self.config)
        extra = measure_real(reference.drawn, self.dataset.motion, self.metrics.single, self._chunks)
        extra |= self._of_sets(reference, reference.motion, replication, as_real=True)
        return [self._record(REAL, replication, metrics | extra)]

    def _real_control_rows(self, replication: int) -> list[Record]:
        """Controls that need no models: captions of others, and motions of the train split."""
        reference = self._reference(replication)
        order = torch.tensor(derangement(len(reference.drawn), self.config.seed, replication))
        mixed = replace(reference, text=reference.text[order], drawn=tuple(reference.drawn[i] for i in order))
        shuffled = score(reference, reference.motion, self.config, mixed.text)
        shuffled |= self._of_sets(mixed, reference.motion, replication)
        return [
            self._record(SHUFFLED, replication, shuffled),
            self._record(TRAIN, replication, self._train_sample(reference, replication)),
        ]

    def _autoencoder_rows(self, replication: int, owner: str | None, autoencoder: MotionAutoencoder) -> list[Record]:
        """Reconstruction, and with controls the latents that need no backbone."""
        reference = self._reference(replication)
        latents = self._posterior(reference, replication, autoencoder)
        rows = {RECONSTRUCTION: latents}
        if self.controls:
            rows |= self._control_latents(reference, latents, replication, self._latent_statistics(autoencoder))
        prompts, tools = self._prompts(reference), self._instruments(autoencoder)
        jobs = {
            row: MeasuringJob(prompts, given(latent), {row: None}, tools, self._single_metrics)
            for row, latent in ((_of(row, owner), latent) for row, latent in rows.items())
        }
        self._chunks.run_all([(job.prompts, job.work) for job in jobs.values()])
        return [self._scored(row, replication, job.decoded(row)) for row, job in jobs.items()]

    def _control_latents(
        self, reference: Reference, latents: Tensor, replication: int, statistics: LatentStatistics
    ) -> dict[Row, Tensor]:
        noise = self._noise(reference, replication, latents.device)
        order = indices(derangement(len(reference.drawn), self.config.seed, replication), latents.device)
        made = (
            latents[order],
            gaussian_latents(statistics, noise).values,
            standard_normal_latents(statistics, noise).values,
        )
        return dict(zip(LATENT_CONTROLS, made, strict=True))

    def _train_sample(self, reference: Reference, replication: int) -> dict[str, float | None]:
        """As many train motions as there are test motions, or all if there are fewer; their captions are others."""
        count = min(len(reference.drawn), len(self._train))
        rows = stream(self.config.seed, "train-sample", replication).permutation(len(self._train))[:count]
        drawn = draw([self._train[i] for i in rows], self.config.seed, replication)
        embeddings = embed_drawn(self.evaluator, drawn, replace(self._chunks, pool=self._train_pool))
        return score_without_captions(reference, embeddings, self.config, replication)

    def _generated(self, replication: int, entry: Entry, sampling: Sampling) -> list[Record]:
        """All edits of one sampling, of the same latents, and their repetitions for MultiModality."""
        reference = self._reference(replication)
        tools = self._instruments(entry.backbone.autoencoder)
        source = sampled(entry.backbone, sampling, self.config.seed, replication, self._watch)
        rows = {entry.row(sampling, edit): edit for edit in entry.edits}
        edits = {row: edit.map for row, edit in rows.items()}
        main = MeasuringJob(self._prompts(reference), source, edits, tools, self._single_metrics_of(entry.backbone))
        repeats = MeasuringJob(self._repeated(reference, replication), source, edits, tools)
        self._chunks.run_all([(job.prompts, job.work) for job in (main, repeats)])
        records = []
        for row, edit in rows.items():
            modality = repeats.decoded(row).embeddings if repeats.prompts else None
            details = _alignment(entry, edit)
            records.append(self._scored(row, replication, main.decoded(row), details, modality))
        return records

    # ------------------------------------------------------------------ parts

    def _prompts(self, reference: Reference) -> list[Prompt]:
        return [Prompt(item) for item in reference.drawn]

    def _repeated(self, reference: Reference, replication: int) -> list[Prompt]:
        """The MultiModality captions, each as often as it is repeated; none where it is not measured."""
        limit = self.config.multimodality_replications
        if limit is not None and replication >= limit:
            return []
        count = min(self.config.multimodality_captions, len(reference.drawn))
        rows = stream(self.config.seed, "multimodality-captions", replication).permutation(len(reference.drawn))[:count]
        repeats = range(1, self.config.multimodality_repeats + 1)
        return [Prompt(reference.drawn[i], repeat) for i in rows for repeat in repeats]

    def _instruments(self, autoencoder: MotionAutoencoder) -> Instruments:
        return Instruments(autoencoder, self.evaluator, self._watch)

    @property
    def _single_metrics(self) -> dict[str, MotionMetric]:
        """Diagnostics, and what the user asked for."""
        return {**DIAGNOSTICS, **self.metrics.single}

    def _single_metrics_of(self, backbone: Backbone) -> dict[str, MotionMetric]:
        """Without those of latents where there are none."""
        kept = self._single_metrics
        return kept if has_latent(backbone) else {name: kept[name] for name in kept if name != LATENT_NORM}

    def _scored(
        self,
        row: Row,
        replication: int,
        decoded: Decoded,
        alignment: Mapping[str, str | None] | None = None,
        modality: Tensor | None = None,
    ) -> Record:
        """The record of decoded motions; ``modality`` are embeddings [captions * repeats, E]."""
        with self._watch.stage("score", row):
            metrics = score(self._reference(replication), decoded.embeddings, self.config)
            metrics |= {name: decoded.means[name] for name in self.metrics.single}
            metrics |= self._of_sets(self._reference(replication), decoded.embeddings, replication)
            if modality is not None:
                pools = modality.unflatten(0, (-1, self.config.multimodality_repeats))
                metrics["multimodality"] = score_multimodality(pools, self.config, replication)
        diagnostics = {name: value for name, value in decoded.means.items() if name not in self.metrics.single}
        return self._record(row, replication, metrics, {**(alignment or {}), **diagnostics})

    def _posterior(self, reference: Reference, replication: int, autoencoder: MotionAutoencoder) -> Tensor:
        """Posterior samples [S, N, M] of the reference crops (MLD's evaluation encodes samples, not means)."""
        spec = autoencoder.latent
        place = place_of(autoencoder)
        out = torch.empty(len(reference.drawn), spec.tokens, spec.width, device=place)
        noise = self._noise(reference, replication, place).normal("posterior", (spec.tokens, spec.width))

        def work(chunk: Chunk) -> None:
            rows = indices(chunk.rows, place)
            batch = drawn_batch([reference.drawn[i] for i in chunk.rows], place, self._chunks.pool)
            posterior = autoencoder.encode(batch.normalize(autoencoder.motion))
            out.index_copy_(0, rows, posterior.loc + posterior.scale * noise[rows])

        self._chunks.run(reference.drawn, work)
        return out

    def _noise(self, reference: Reference, replication: int, device: torch.device) -> NoiseSource:
        return NoiseSource(self.config.seed, tuple(item.id for item in reference.drawn), replication, device=device)

    def _reference(self, replication: int) -> Reference:
        if replication not in self._references:
            with self._watch.stage("reference"):
                made = make_reference(self.evaluator, self._samples, self.config, replication, self._chunks)
            self._references = {replication: made}  # one at a time: units come replication by replication
        return self._references[replication]

    @cached_property
    def _chunks(self) -> ChunkedWork:
        backbones = [entry.backbone for entry in self.entries]
        parts = [*backbones, *self.autoencoders.values()]
        return chunked_work(self.config.chunk, self.evaluator, self._samples, parts)

    @cached_property
    def _samples(self) -> Sequence[MotionSample]:
        return self.samples or self.dataset.load(self.config.split, skip_bad=self.config.skip_bad_motions)[0]

    @cached_property
    def _train(self) -> list[MotionSample]:
        return self.dataset.load("train", skip_bad=self.config.skip_bad_motions)[0]

    @cached_property
    def _train_pool(self) -> SamplePool | None:
        return pool_for(self._train, self.evaluator)

    def _latent_statistics(self, autoencoder: MotionAutoencoder) -> LatentStatistics:
        """Of the train split's latents; needed by controls."""
        known = self._statistics.get(autoencoder.fingerprint)
        if known is None:
            known = latent_statistics(autoencoder, self._train, self.config.seed)
            self._statistics[autoencoder.fingerprint] = known
        return known

    def _notes(self, replication: int) -> list[str]:
        """What the reader of a table must know about reduced settings."""
        modality = (
            f"MultiModality: {min(self.config.multimodality_captions, len(self._samples))} captions x "
            f"{self.config.multimodality_repeats} repeats x {self.config.multimodality_pairs} pairs"
        )
        measured = self.config.multimodality_replications != 0
        return [
            *self.notes,
            *reduced_settings(self._reference(replication), self.config),
            *([modality] if measured else []),
        ]

    def _unit(self, label: str, replication: int, rows: Sequence[Row], work: Callable[[int], list[Record]]) -> Unit:
        def timed() -> list[Record]:
            self._watch = Stopwatch()
            records = work(replication)
            shared = self._watch.taken(None)  # what all rows of the unit needed stands in the first record
            return [
                record.model_copy(update={"seconds": {**(shared if i == 0 else {}), **self._watch.taken(record.row)}})
                for i, record in enumerate(records)
            ]

        keys = tuple(record_key(row, replication) for row in rows)
        return Unit(f"replication {replication + 1}: {label}", keys, timed)

    def _record(
        self,
        row: Row,
        replication: int,
        metrics: dict[str, float | None],
        details: Mapping[str, Any] | None = None,
    ) -> Record:
        held = T2MDetails(
            samples=len(self._samples),
            split=self.config.split,
            notes=tuple(self._notes(replication)),
            warnings=self.warnings,
            **(details or {}),
        )
        return self._record_of(row, replication, metrics, held)


def _of(row: Row, owner: str | None) -> Row:
    """A row of the autoencoder of one backbone among several latent spaces."""
    return row if owner is None else row.model_copy(update={"backbone": owner})


def _alignment(entry: Entry, edit: Edit) -> dict[str, str | None]:
    """Which text space a projector was aligned to, and which one drives the backbone, where that is another."""
    if edit.aligned is None:
        return {}
    driven = entry.backbone.text_encoder.name
    return {"aligned": edit.aligned, "driven": None if driven == edit.aligned else driven}
