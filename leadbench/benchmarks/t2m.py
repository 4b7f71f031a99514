"""The text-to-motion benchmark (paper, Tables 1, 2 and 5).

Work is cut into units: a replication of one setting (backbone, steps, guidance). A unit samples latents once and
scores every variant of them (plain, realigned, controls in the projector's place), so all variants share captions,
lengths and noise. A unit's records are written together when it is done; a run that starts again skips what is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch
from torch import Tensor

from leadbench.benchmarks.controls import (
    LatentStatistics,
    derangement,
    gaussian_latents,
    latent_statistics,
    standard_normal_latents,
)
from leadbench.benchmarks.memory import Chunk, ChunkedWork
from leadbench.benchmarks.real_motions import measure_real
from leadbench.benchmarks.scoring import (
    Reference,
    embed_checked,
    embed_drawn,
    make_reference,
    score,
    score_multimodality,
    score_without_captions,
)
from leadbench.benchmarks.selftest import SelfTest, run_self_test
from leadbench.benchmarks.units import Entry, Report, Setting, Unit
from leadbench.config import SelfTestSettings, T2MConfig
from leadbench.contracts import Backbone, Evaluator, GeneratedMotions, MotionAutoencoder, MotionDataset, MotionMetric
from leadbench.data.humanml3d import DrawnSample, collate, draw
from leadbench.metrics.bundled import latent_norm, skating_ratio
from leadbench.motion.features import features_to_joints
from leadbench.pipeline import LatentMap, decode_latents, sample_latents
from leadbench.random import NoiseSource, stream
from leadbench.results import Record, RunStore
from leadbench.skeleton import get_skeleton
from leadbench.tensors import Latent, MotionSample, lengths_to_mask


@dataclass(frozen=True, eq=False)
class Decoded:
    """Decoded latents as they are scored: embeddings [S, E], diagnostics, and the extra metrics."""

    embeddings: Tensor
    details: dict[str, float]
    metrics: dict[str, float | None]


@dataclass
class T2MBenchmark:
    """One run of the benchmark.

    Args:
        dataset: whose ``config.split`` is generated for.
        evaluator: space in which everything is measured.
        entries: backbones; each autoencoder among them has its reconstruction and control rows.
        config: protocol.
        store: where records go.
        controls: also score the control rows.
        samples: the split, if it is loaded already.
        stamps: warnings that go into every record.
        notes: sentences for the caption, in every record too.
        metrics: further metrics of motions by name, averaged over the test motions.
    """

    dataset: MotionDataset
    evaluator: Evaluator
    entries: Sequence[Entry]
    config: T2MConfig
    store: RunStore
    controls: bool = False
    samples: Sequence[MotionSample] = ()
    stamps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    metrics: Mapping[str, MotionMetric] = field(default_factory=dict)
    _references: dict[int, Reference] = field(default_factory=dict)
    _statistics: dict[str, LatentStatistics] = field(default_factory=dict)

    def run(self, report: Report | None = None) -> list[Record]:
        """Do every unit that is not recorded yet; return all records of the run."""
        units = list(self.units())
        for number, unit in enumerate(units):
            if not self.recorded(unit):
                for record in unit.work():
                    self.store.append(record)
            if report is not None:
                report(unit.label, number + 1, len(units))
        return self.store.records()

    def self_test(self, tolerances: SelfTestSettings) -> SelfTest | None:
        """Measure the real motions of the first replication; None where nobody knows what they must score."""
        reference = self._reference(0)
        real = score(reference.as_real, reference.motion, self.config)
        return run_self_test(self.dataset, self.evaluator, self._samples, real, tolerances)

    def recorded(self, unit: Unit) -> bool:
        """Whether nothing of a unit is left to do."""
        return all(self.store.done(key) for key in unit.keys)

    def units(self) -> Iterator[Unit]:
        """All units, replications outermost so that an interrupted run holds whole replications."""
        for replication in range(self.config.replications):
            yield self._unit("Real", replication, [self._key("Real", replication)], self._real)
            if self.controls:
                keys = [self._key(row, replication) for row in self._real_controls]
                yield self._unit("controls", replication, keys, self._real_control_rows)
            for label, autoencoder in self.autoencoders.items():
                rows = ["Reconstruction", *(self._latent_controls if self.controls else ())]
                keys = [self._key(row + label, replication) for row in rows]
                work = partial(self._autoencoder_rows, label=label, autoencoder=autoencoder)
                yield self._unit("Reconstruction" + label, replication, keys, work)
            for entry in self.entries:
                for setting in entry.settings:
                    keys = [self._key(row, replication, setting) for row in entry.variants]
                    label = f"{setting.display} {setting.steps} steps"
                    yield self._unit(label, replication, keys, partial(self._generated, entry=entry, setting=setting))

    _real_controls = ("Real, shuffled captions", "Train sample")
    _latent_controls = ("Other test latents", "Gaussian latents", "N(0, I) latents")

    @cached_property
    def autoencoders(self) -> dict[str, MotionAutoencoder]:
        """Suffix of row names -> autoencoder, one for each latent space; a single one has no suffix."""
        found: dict[str, tuple[str, MotionAutoencoder]] = {}
        for entry in self.entries:
            autoencoder = entry.backbone.autoencoder
            found.setdefault(autoencoder.fingerprint, (entry.settings[0].display, autoencoder))
        if len(found) == 1:
            return {"": next(iter(found.values()))[1]}
        return {f" ({display})": autoencoder for display, autoencoder in found.values()}

    # ------------------------------------------------------------------ rows

    def _real(self, replication: int) -> list[Record]:
        """Real motions, whose FID is that against another draw of them."""
        reference = self._reference(replication)
        metrics = score(reference.as_real, reference.motion, self.config)
        extra = measure_real(reference.drawn, self.dataset.motion, self.metrics, self._chunks)
        return [self._record("Real", replication, metrics | extra)]

    def _real_control_rows(self, replication: int) -> list[Record]:
        """Controls that need no models: captions of others, and motions of the train split."""
        reference = self._reference(replication)
        order = torch.tensor(derangement(len(reference.drawn), self.config.seed, replication))
        shuffled = score(reference, reference.motion, self.config, reference.text[order])
        return [
            self._record("Real, shuffled captions", replication, shuffled),
            self._record("Train sample", replication, self._train_sample(reference, replication)),
        ]

    def _autoencoder_rows(self, replication: int, label: str, autoencoder: MotionAutoencoder) -> list[Record]:
        """Reconstruction, and with controls the latents that need no backbone."""
        reference = self._reference(replication)
        latents = self._posterior(reference, replication, autoencoder)
        rows = {"Reconstruction": latents}
        if self.controls:
            rows |= self._control_latents(reference, latents, replication, self._latent_statistics(autoencoder))
        records = []
        for row, latent in rows.items():
            decoded = self._decode_and_embed(reference, latent, autoencoder, None)
            metrics = score(reference, decoded.embeddings, self.config) | decoded.metrics
            records.append(self._record(row + label, replication, metrics, details=decoded.details))
        return records

    def _control_latents(
        self, reference: Reference, latents: Tensor, replication: int, statistics: LatentStatistics
    ) -> dict[str, Tensor]:
        noise = self._noise(reference, replication)
        order = torch.tensor(derangement(len(reference.drawn), self.config.seed, replication))
        return {
            "Other test latents": latents[order],
            "Gaussian latents": gaussian_latents(statistics, noise).values,
            "N(0, I) latents": standard_normal_latents(statistics, noise).values,
        }

    def _train_sample(self, reference: Reference, replication: int) -> dict[str, float | None]:
        """As many train motions as there are test motions, or all if there are fewer; their captions are others."""
        count = min(len(reference.drawn), len(self._train))
        rows = stream(self.config.seed, "train-sample", replication).permutation(len(self._train))[:count]
        drawn = draw([self._train[i] for i in rows], self.config.seed, replication)
        embeddings = embed_drawn(self.evaluator, drawn, self._chunks)
        return score_without_captions(reference, embeddings, self.config, replication)

    def _generated(self, replication: int, entry: Entry, setting: Setting) -> list[Record]:
        """All variants of one setting: latents are sampled once."""
        began = time.perf_counter()
        reference = self._reference(replication)
        latents = self._sample(entry.backbone, reference, setting, replication, repeat=0)
        limit = self.config.multimodality_replications
        with_multimodality = limit is None or replication < limit
        repeats = self._repeats(entry, setting, reference, replication) if with_multimodality else None
        sampling = time.perf_counter() - began
        records = []
        for row, (projector, edit) in entry.variants.items():
            began = time.perf_counter()
            decoded = self._decode_and_embed(reference, latents, entry.backbone.autoencoder, edit)
            metrics = score(reference, decoded.embeddings, self.config) | decoded.metrics
            if repeats is not None:
                embedded = [
                    self._decode_and_embed(repeats[0], latent, entry.backbone.autoencoder, edit, {}).embeddings
                    for latent in repeats[1]
                ]
                metrics["multimodality"] = score_multimodality(torch.stack(embedded, dim=1), self.config, replication)
            seconds = {"sampling": sampling, "scoring": time.perf_counter() - began}
            records.append(
                self._record(
                    row,
                    replication,
                    metrics,
                    setting=setting,
                    projector=projector,
                    details=decoded.details,
                    seconds=seconds,
                )
            )
        return records

    # ------------------------------------------------------------------ parts

    def _sample(
        self, backbone: Backbone, reference: Reference, setting: Setting, replication: int, repeat: int
    ) -> Tensor:
        spec = backbone.autoencoder.latent
        out = torch.empty(len(reference.drawn), spec.tokens, spec.width)

        def work(chunk: Chunk) -> None:
            drawn = [reference.drawn[i] for i in chunk.rows]
            noise = NoiseSource(self.config.seed, tuple(item.id for item in drawn), replication, repeat)
            captions = [item.caption.caption for item in drawn]
            steps, guidance = setting.steps, setting.guidance
            latent = sample_latents(backbone, captions, _mask(drawn), noise, steps=steps, guidance=guidance)
            out[list(chunk.rows)] = latent.values

        self._chunks.run(reference.drawn, work)
        return out

    def _repeats(
        self, entry: Entry, setting: Setting, reference: Reference, replication: int
    ) -> tuple[Reference, list[Tensor]]:
        """Latents of the MultiModality captions, one tensor for each repeat."""
        count = min(self.config.multimodality_captions, len(reference.drawn))
        rows = stream(self.config.seed, "multimodality-captions", replication).permutation(len(reference.drawn))[:count]
        subset = _subset(reference, [int(i) for i in rows])
        latents = [
            self._sample(entry.backbone, subset, setting, replication, repeat=k + 1)
            for k in range(self.config.multimodality_repeats)
        ]
        return subset, latents

    def _decode_and_embed(
        self,
        reference: Reference,
        latents: Tensor,
        autoencoder: MotionAutoencoder,
        edit: LatentMap | None,
        metrics: Mapping[str, MotionMetric] | None = None,
    ) -> Decoded:
        """Decode latents [S, N, M], embed the motions and measure ``metrics`` of them; None: diagnostics and extras."""
        count, spec = len(reference.drawn), autoencoder.motion
        embeddings = torch.full((count, self.evaluator.dim), float("nan"))
        if metrics is None:
            metrics = {"latent_norm": latent_norm, "skating_ratio": skating_ratio, **self.metrics}
        values = {name: torch.empty(count) for name in metrics}

        def work(chunk: Chunk) -> None:
            rows = list(chunk.rows)
            mask = _mask([reference.drawn[i] for i in rows])
            plain = Latent.full(latents[rows])
            latent = plain if edit is None else edit(plain)
            motion = decode_latents(autoencoder, latent, mask, None)
            embeddings[rows] = embed_checked(self.evaluator, motion)
            if not metrics:
                return
            joints = features_to_joints(motion.denormalize().features, get_skeleton(spec.skeleton))
            generated = GeneratedMotions(joints, mask, spec.skeleton, spec.fps, latent)
            for name, metric in metrics.items():
                values[name][rows] = metric(generated)

        self._chunks.run(reference.drawn, work)
        means = {name: float(value.mean()) for name, value in values.items()}
        extra: dict[str, float | None] = {name: means.pop(name) for name in self.metrics if name in means}
        return Decoded(embeddings, means, extra)

    def _posterior(self, reference: Reference, replication: int, autoencoder: MotionAutoencoder) -> Tensor:
        """Posterior samples [S, N, M] of the reference crops (MLD's evaluation encodes samples, not means)."""
        spec = autoencoder.latent
        out = torch.empty(len(reference.drawn), spec.tokens, spec.width)
        noise = self._noise(reference, replication).normal("posterior", (spec.tokens, spec.width))

        def work(chunk: Chunk) -> None:
            rows = list(chunk.rows)
            batch = collate([reference.drawn[i].features for i in rows]).normalize(autoencoder.motion)
            posterior = autoencoder.encode(batch)
            out[rows] = posterior.loc + posterior.scale * noise[rows]

        self._chunks.run(reference.drawn, work)
        return out

    def _noise(self, reference: Reference, replication: int) -> NoiseSource:
        return NoiseSource(self.config.seed, tuple(item.id for item in reference.drawn), replication)

    def _reference(self, replication: int) -> Reference:
        if replication not in self._references:
            made = make_reference(self.evaluator, self._samples, self.config, replication, self._chunks)
            self._references = {replication: made}  # one at a time: units come replication by replication
        return self._references[replication]

    @cached_property
    def _chunks(self) -> ChunkedWork:
        return ChunkedWork(self.config.chunk)

    @cached_property
    def _samples(self) -> Sequence[MotionSample]:
        return self.samples or self.dataset.load(self.config.split, skip_bad=self.config.skip_bad_motions)[0]

    @cached_property
    def _train(self) -> list[MotionSample]:
        return self.dataset.load("train", skip_bad=self.config.skip_bad_motions)[0]

    def _latent_statistics(self, autoencoder: MotionAutoencoder) -> LatentStatistics:
        """Of the train split's latents; needed by controls."""
        known = self._statistics.get(autoencoder.fingerprint)
        if known is None:
            known = latent_statistics(autoencoder, self._train, self.config.seed)
            self._statistics[autoencoder.fingerprint] = known
        return known

    def _notes(self, replication: int) -> list[str]:
        """What the reader of a table must know about reduced settings."""
        note = self._reference(replication).pairs.note
        modality = (
            f"MultiModality: {min(self.config.multimodality_captions, len(self._samples))} captions x "
            f"{self.config.multimodality_repeats} repeats x {self.config.multimodality_pairs} pairs"
        )
        measured = self.config.multimodality_replications != 0
        return [
            *self.notes,
            f"pools of {self.config.pool}",
            *([modality] if measured else []),
            *([f"Diversity: {note}"] if note else []),
        ]

    def _unit(self, label: str, replication: int, keys: Sequence[str], work: Callable[[int], list[Record]]) -> Unit:
        return Unit(f"replication {replication + 1}: {label}", replication, tuple(keys), lambda: work(replication))

    def _key(self, row: str, replication: int, setting: Setting | None = None) -> str:
        return f"{row}|{setting.key if setting else ''}|{replication}"

    def _record(
        self,
        row: str,
        replication: int,
        metrics: dict[str, float | None],
        *,
        setting: Setting | None = None,
        projector: str | None = None,
        details: Mapping[str, object] | None = None,
        seconds: Mapping[str, float] | None = None,
    ) -> Record:
        return Record(
            dataset=self.dataset.name,
            protocol=self.config.protocol,
            evaluator=self.evaluator.identity,
            row=row,
            backbone=setting.backbone if setting else None,
            display=setting.display if setting else None,
            projector=projector,
            steps=setting.steps if setting else None,
            guidance=setting.guidance if setting else None,
            replication=replication,
            seed=self.config.seed,
            metrics=metrics,
            details={
                "samples": len(self._samples),
                "notes": self._notes(replication),
                **({"stamps": list(self.stamps)} if self.stamps else {}),
                **(details or {}),
            },
            chunk_size=self._chunks.size,
            seconds=dict(seconds or {}),
            key=self._key(row, replication, setting),
        )


def _mask(drawn: Sequence[DrawnSample]) -> Tensor:
    return lengths_to_mask(torch.tensor([item.length for item in drawn]))


def _subset(reference: Reference, rows: list[int]) -> Reference:
    """The same reference with some of its rows; pools and pairs are not used."""
    return Reference(
        tuple(reference.drawn[i] for i in rows),
        reference.text[rows],
        reference.motion[rows],
        torch.arange(len(rows)),
        torch.arange(len(rows)),
        reference.pairs,
        reference.statistics,
        reference.second,
    )
