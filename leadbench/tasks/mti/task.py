"""Motion textual inversion (paper, Tables 3 and 4): words learnt from single motions, then used.

For each loss, one pseudo-word is learnt for each of a random subset of test motions. In every replication each word
makes one motion of the true length from a random template, with and without the projector; they are scored against the
motions' own captions. The row of the coarse initial words tells what learning adds. Projectors of the ablation learn,
and realign, with the loss ``lead`` (Table 4).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from leadbench.core.config import InversionConfig, InversionLoss, MTIConfig, T2MConfig
from leadbench.core.contracts import DenoisingBackbone, Evaluator, MotionDataset, Projector
from leadbench.core.device import place_of
from leadbench.core.errors import WeightsError
from leadbench.core.random import NoiseSource, stream
from leadbench.core.tensors import Latent, mask_of
from leadbench.data.digest import dataset_identity
from leadbench.generation.inversion import TEMPLATES, Exemplar, Inverter, coarse_word, embed_words, initial_vectors
from leadbench.generation.pipeline import decode_latents, realign
from leadbench.results.details import MTIDetails
from leadbench.results.records import Record, record_key
from leadbench.results.rows import REAL, Row
from leadbench.tasks.shared.chunks import chunked_work
from leadbench.tasks.shared.scoring import Reference, embed_checked, make_reference, score
from leadbench.tasks.shared.units import Progress, Task, Unit, silent
from leadbench.zoo.files import read_tensors, save_tensors
from leadbench.zoo.projectors import AttachedProjector

INITIAL = "initial"
"""In the place of a loss: the coarse words that learning starts from."""


@dataclass(frozen=True)
class Learning:
    """One way to learn words, and what realigns the motions generated from them.

    Attributes:
        loss: ``feat``, ``mld`` or ``lead``; ``initial``: the coarse words, nothing is learnt.
        through: the projector of the loss ``lead``; None for the others.
        projectors: each makes a row; None is the row without one.
    """

    loss: InversionLoss | Literal["initial"]
    through: AttachedProjector | None
    projectors: tuple[AttachedProjector | None, ...]

    @property
    def file(self) -> str:
        """Name of the file of its words, without ending."""
        variant = None if self.through is None else self.through.variant
        return "-".join(filter(None, ("words", self.loss, variant)))


@dataclass(frozen=True, eq=False)
class Words:
    """Pseudo-words [n, T] of all exemplars, learnt one way; ``learning_rate`` is None for the initial ones."""

    vectors: Tensor
    learning_rate: float | None


@dataclass
class MTITask(Task):
    """Motions of learnt words against the motions that they were learnt from.

    Args:
        dataset: learning rates are chosen on its validation split, words are learnt on ``config.split``.
        evaluator: space in which everything is measured.
        backbone: frozen.
        projectors: of the backbone's latent space: whole ones, of which the first is that of the loss ``lead``, and
            variants of the ablation; without a whole one there is neither the loss ``lead`` nor a projected row.
        config: losses, subset, replications.
        inputs: what the numbers depend on (:func:`leadbench.tasks.shared.identity.inputs_identity`).
        names: registered name -> name in tables.
        notes: sentences for the caption.
        measure: further metrics of the embeddings [n, E] of motions made for exemplars of those ids, by name.
        real: metrics of the Real row that do not depend on the replication.
        eligible: ids of the split that words are learnt from; None: all.
    """

    dataset: MotionDataset
    evaluator: Evaluator
    backbone: DenoisingBackbone
    projectors: Sequence[AttachedProjector]
    config: MTIConfig
    inputs: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    measure: Callable[[Tensor, Sequence[str]], Mapping[str, float]] | None = None
    real: Mapping[str, float] = field(default_factory=dict)
    eligible: Collection[str] | None = None
    _folder: Path | None = None
    _words: dict[Learning, Words] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = self.config.protocol

    @property
    def group(self) -> str:
        """The dataset's name."""
        return self.dataset.name

    def identity(self) -> dict[str, Any]:
        """Protocol, exemplars, data and weights."""
        return {
            "config": self.config.model_dump(mode="json"),
            "dataset": dataset_identity(self.dataset),
            **self.inputs,
            "evaluator": self.evaluator.identity,
            "backbone": self.backbone.name,
            "latent": self.backbone.autoencoder.fingerprint,
            "text_encoder": self.backbone.text_encoder.name,
            "projectors": [{"name": p.name, "variant": p.variant, "digest": p.digest} for p in self.projectors],
            "inversion": InversionConfig().model_dump(exclude={"loss", "learning_rate", "batch", "seed"}),
            "templates": list(TEMPLATES),
            **({} if self.eligible is None else {"eligible": sorted(self.eligible)}),
        }

    def units(self) -> list[Unit]:
        """One for each replication, of all rows."""
        rows = [REAL, *(self.row(way, projector) for way in self.learnings for projector in way.projectors)]
        return [
            Unit(
                f"replication {replication + 1}",
                tuple(record_key(row, replication) for row in rows),
                partial(self._replication, replication),
            )
            for replication in range(self.config.replications)
        ]

    def prepare(self, folder: Path, progress: Progress) -> None:
        """Learn the words that the run's folder does not hold yet."""
        self._folder = folder
        self.words(progress)

    def adopt(self, shared: None, folder: Path) -> None:
        """Words are in the run's folder."""
        self._folder = folder

    @cached_property
    def learnings(self) -> tuple[Learning, ...]:
        """The ways to learn words: initial ones, each loss, and the loss ``lead`` through each variant."""
        whole = [projector for projector in self.projectors if projector.variant is None]
        both = (None, *whole)
        losses = [loss for loss in self.config.losses if loss != "lead" or whole]
        ways = [Learning("initial", None, both)]
        ways += [Learning(loss, whole[0] if loss == "lead" else None, both) for loss in losses]
        if "lead" in losses:
            ways += [Learning("lead", p, (p,)) for p in self.projectors if p.variant is not None]
        return tuple(ways)

    def row(self, way: Learning, projector: AttachedProjector | None) -> Row:
        """Identity of the row of a way to learn words, with or without a projector."""
        return Row(
            backbone=self.backbone.name,
            projector=None if projector is None else projector.name,
            variant=None if projector is None else projector.variant,
            setting={"words": way.loss},
        )

    @cached_property
    def exemplars(self) -> list[Exemplar]:
        """The random subset of the split, in its order."""
        return self._subset(self.config.split, self.config.motions, self.eligible)

    def _subset(self, split: str, count: int, eligible: Collection[str] | None = None) -> list[Exemplar]:
        samples = self.dataset.load(split, skip_bad=self.config.skip_bad_motions)[0]
        if eligible is not None:
            samples = [sample for sample in samples if sample.id.partition("#")[0] in eligible]
        order = stream(self.config.seed, "mti-subset", split).permutation(len(samples))[:count]
        return [Exemplar((samples[i],), coarse_word(samples[i])) for i in sorted(order)]

    # ------------------------------------------------------------------ learning

    def words(self, progress: Progress = silent) -> dict[Learning, Words]:
        """Words of every way, learnt where the run's folder does not hold them yet."""
        for way in self.learnings:
            if way not in self._words:
                self._words[way] = self._learnt(way, progress)
        return self._words

    def _learnt(self, way: Learning, progress: Progress) -> Words:
        """Words of a way: read from the run's folder, or learnt and kept there."""
        if way.loss == INITIAL:
            return Words(initial_vectors(self.backbone.text_encoder, self.exemplars), None)
        assert self._folder is not None, "the runner prepares the run's folder"
        path = self._folder / f"{way.file}.safetensors"
        if path.is_file():
            with suppress(WeightsError, KeyError):  # a damaged file is learnt anew, to the same words
                stored, _ = read_tensors(path)
                return Words(stored["vectors"], float(stored["learning_rate"]))
        rate = self._learning_rate(way, progress)
        vectors = self._learn(way, rate, self.exemplars, progress)
        save_tensors(path, {"vectors": vectors.cpu(), "learning_rate": torch.tensor(rate, dtype=torch.float64)})
        return Words(vectors, rate)

    def _learn(self, way: Learning, rate: float, exemplars: Sequence[Exemplar], progress: Progress) -> Tensor:
        assert way.loss != INITIAL
        config = InversionConfig(loss=way.loss, learning_rate=rate, seed=self.config.seed)
        inverter = Inverter(self.backbone, config, None if way.through is None else way.through.projector)
        variant = None if way.through is None else way.through.variant
        label = f"{way.loss}, rate {rate:g}" if variant is None else f"{way.loss}, {variant}"
        return inverter.learn(exemplars, report=lambda done, total: progress(label, done, total))

    def _learning_rate(self, way: Learning, progress: Progress) -> float:
        """The candidate whose words make motions nearest to their exemplars, on validation; a variant takes that of the
        whole projector."""
        if len(self.config.learning_rates) == 1:
            return self.config.learning_rates[0]
        if way.through is not None and way.through.variant is not None:
            whole = next(w for w in self.learnings if w.loss == way.loss and w.through and w.through.variant is None)
            rate = self._words[whole].learning_rate
            assert rate is not None
            return rate
        exemplars = self._subset("val", self.config.selection_motions)
        reference = self._reference(exemplars, 0)
        distances = {}
        for rate in self.config.learning_rates:
            vectors = self._learn(way, rate, exemplars, progress)
            made = self._embed(self._sample(vectors, exemplars, reference, 0), reference, None)
            distances[rate] = exemplar_distance(made, reference.motion)
        return min(distances, key=lambda rate: distances[rate])

    # ------------------------------------------------------------------ using

    def _replication(self, replication: int) -> list[Record]:
        reference = self.reference(replication)
        real = score(reference.as_real, reference.motion, self._scoring)
        records = [self._record(REAL, replication, {**real, **self.real}, None)]
        for way, found in self.words().items():
            latent = self.sample(found.vectors, reference, replication)
            for projector in way.projectors:
                made = self._embed(latent, reference, None if projector is None else projector.projector)
                metrics = score(reference, made, self._scoring)
                metrics["exemplar_distance"] = exemplar_distance(made, reference.motion)
                if self.measure is not None:
                    metrics |= self.measure(made, [item.id for item in self.exemplars])
                records.append(self._record(self.row(way, projector), replication, metrics, found.learning_rate))
        return records

    def reference(self, replication: int) -> Reference:
        """The exemplars as a replication draws them."""
        return self._reference(self.exemplars, replication)

    def sample(self, vectors: Tensor, reference: Reference, replication: int) -> Latent:
        """One latent for each exemplar's word [n, T], from a random template, for the true length."""
        return self._sample(vectors, self.exemplars, reference, replication)

    def _reference(self, exemplars: Sequence[Exemplar], replication: int) -> Reference:
        samples = [item.samples[0] for item in exemplars]
        chunks = chunked_work(self.config.chunk, self.evaluator)
        return make_reference(self.evaluator, samples, self._scoring, replication, chunks)

    @torch.no_grad()
    def _sample(self, vectors: Tensor, exemplars: Sequence[Exemplar], reference: Reference, replication: int) -> Latent:
        """One latent for each word, from a random template, for the true length."""
        config, backbone = self.config, self.backbone
        ids = tuple(item.id for item in exemplars)
        picks = [int(stream(config.seed, "mti-template", replication, i).integers(len(TEMPLATES))) for i in ids]
        condition = embed_words(backbone.text_encoder, [TEMPLATES[pick] for pick in picks], vectors)
        mask = mask_of([item.length for item in reference.drawn], place_of(backbone.autoencoder))
        noise = NoiseSource(config.seed, ids, replication, device=mask.device)
        steps = backbone.default_steps
        return backbone.sample(condition, mask, noise, steps=steps, guidance=backbone.default_guidance(steps))

    @torch.no_grad()
    def _embed(self, latent: Latent, reference: Reference, projector: Projector | None) -> Tensor:
        autoencoder = self.backbone.autoencoder
        mask = mask_of([item.length for item in reference.drawn], place_of(autoencoder))
        edit = None if projector is None else realign(projector, autoencoder)
        return embed_checked(self.evaluator, decode_latents(autoencoder, latent, mask, edit)).cpu()

    @cached_property
    def _scoring(self) -> T2MConfig:
        config = self.config
        return T2MConfig(
            protocol="mld",  # on so few motions every one counts
            seed=config.seed,
            pool=config.pool,
            diversity_pairs=config.diversity_pairs,
            chunk=config.chunk,
        )

    def _record(
        self, row: Row, replication: int, metrics: dict[str, float | None], learning_rate: float | None
    ) -> Record:
        metrics.pop("multimodality", None)
        steps = self.backbone.default_steps
        return Record(
            task=self.name,
            dataset=self.dataset.name,
            protocol=self.config.protocol,
            evaluator=self.evaluator.identity,
            row=row,
            replication=replication,
            seed=self.config.seed,
            metrics=metrics,
            details=MTIDetails(
                task=self.config.protocol,
                samples=len(self.exemplars),
                notes=(
                    f"pseudo-words of {len(self.exemplars)} motions for {self.backbone.name} on "
                    f"{self.backbone.text_encoder.name}",
                    f"pools of {self.config.pool}",
                    *self.notes,
                ),
                backbone=self.backbone.name,
                steps=steps,
                guidance=self.backbone.default_guidance(steps),
                learning_rate=learning_rate,
            ),
            chunk_size=len(self.exemplars),
        )


def exemplar_distance(made: Tensor, exemplars: Tensor) -> float:
    """Mean Euclidean distance of motion embeddings, both [n, E], to their exemplars'.

    >>> exemplar_distance(torch.zeros(2, 2), torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    2.5
    """
    return float((made - exemplars).norm(dim=1).mean())
