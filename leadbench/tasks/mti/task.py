"""The benchmark of motion textual inversion (paper, Tables 3 and 4): words learnt from single motions, then used.

For each loss, one pseudo-word is learnt for each of a random subset of test motions. In every replication each word
makes one motion of the true length from a random template, with and without the projector; they are scored against the
motions' own captions. The row of the coarse initial words tells what learning adds. Projectors of the ablation learn,
and realign, with the loss ``lead`` (Table 4).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from leadbench.core.config import InversionConfig, InversionLoss, MTIConfig, T2MConfig
from leadbench.core.contracts import DenoisingBackbone, Evaluator, MotionDataset, Projector
from leadbench.core.presets import VARIANT_NAMES
from leadbench.core.random import NoiseSource, stream
from leadbench.core.tensors import Latent, lengths_to_mask
from leadbench.data.humanml3d import collate
from leadbench.generate.inversion import TEMPLATES, Exemplar, Inverter, coarse_word, embed_words, initial_vectors
from leadbench.generate.pipeline import decode_latents, realign
from leadbench.results.store import Record, RunStore
from leadbench.tasks.shared.chunks import ChunkedWork
from leadbench.tasks.shared.scoring import Reference, embed_checked, make_reference, score
from leadbench.zoo.files import save_tensors

INITIAL = "Initial word"
PROJECTED = " + project"
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Words:
    """Pseudo-words of all exemplars, learnt one way.

    Attributes:
        vectors: [n, T].
        learning_rate: None for the initial words.
        projectors: suffix of the row -> what realigns the generated latents (None: nothing).
    """

    vectors: Tensor
    learning_rate: float | None
    projectors: Mapping[str, Projector | None]


@dataclass
class MTIBenchmark:
    """One run of the benchmark.

    Args:
        dataset: learning rates are chosen on its validation split, words are learnt on ``config.split``.
        evaluator: space in which everything is measured.
        backbone: frozen.
        projectors: ``full`` and variants of the ablation, of the backbone's latent space; without ``full`` there is
            neither the loss ``lead`` nor a projected row.
        config: losses, subset, replications.
        store: where records and learnt words go.
        weights: hashes of the weights in use, for the description.
        notes: sentences for the caption.
        measure: further metrics of the embeddings [n, E] of motions made for exemplars of those ids, by name.
        real: metrics of the Real row that do not depend on the replication.
        eligible: ids of the split that words are learnt from; None: all.
    """

    dataset: MotionDataset
    evaluator: Evaluator
    backbone: DenoisingBackbone
    projectors: Mapping[str, Projector]
    config: MTIConfig
    store: RunStore
    weights: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    measure: Callable[[Tensor, Sequence[str]], Mapping[str, float]] | None = None
    real: Mapping[str, float] = field(default_factory=dict)
    eligible: Collection[str] | None = None

    @property
    def description(self) -> dict[str, Any]:
        """What makes two runs the same."""
        return {
            "benchmark": "mti",
            "config": self.config.model_dump(mode="json"),
            "dataset": {"name": self.dataset.name, "identity": self.dataset.identity},
            "evaluator": self.evaluator.identity,
            "backbone": self.backbone.name,
            "latent": self.backbone.autoencoder.fingerprint,
            "text_encoder": self.backbone.text_encoder.name,
            "projectors": sorted(self.projectors),
            "inversion": InversionConfig().model_dump(exclude={"loss", "learning_rate", "batch", "seed"}),
            "templates": list(TEMPLATES),
            "weights": dict(self.weights),
            **({} if self.eligible is None else {"eligible": sorted(self.eligible)}),
        }

    def run(self, report: Report) -> list[Record]:
        """Learn the words that are not there, then do every replication that is not recorded; return all records."""
        words = self.words(report)
        for replication in range(self.config.replications):
            self._replication(replication, words)
            report("replication", replication + 1, self.config.replications)
        return self.store.records()

    @property
    def losses(self) -> tuple[InversionLoss, ...]:
        """Losses of this run; ``lead`` needs a projector."""
        return tuple(loss for loss in self.config.losses if loss != "lead" or "full" in self.projectors)

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

    def words(self, report: Report) -> dict[str, Words]:
        """Row name -> words: initial ones, each loss, and the loss ``lead`` through each other projector.

        Those that the run's folder holds are read from it.
        """
        full = self.projectors.get("full")
        both: dict[str, Projector | None] = {"": None} if full is None else {"": None, PROJECTED: full}
        words = {INITIAL: Words(initial_vectors(self.backbone.text_encoder, self.exemplars), None, both)}
        for loss in self.losses:
            words[f"MTI {loss}"] = Words(*self._words(loss, "full", None, report), both)
        if "lead" in self.losses:
            rate = words["MTI lead"].learning_rate
            for variant in (name for name in self.projectors if name != "full"):
                vectors, _ = self._words("lead", variant, rate, report)
                words[f"MTI lead, {VARIANT_NAMES[variant]}"] = Words(
                    vectors, rate, {PROJECTED: self.projectors[variant]}
                )
        return words

    def _words(self, loss: InversionLoss, variant: str, rate: float | None, report: Report) -> tuple[Tensor, float]:
        """Vectors of a loss and their learning rate, learnt once and kept with the run."""
        name = f"words-{loss}" if variant == "full" else f"words-{loss}-{variant}"
        path = self.store.folder / f"{name}.safetensors"
        if path.is_file():
            stored = load_file(path)
            return stored["vectors"], float(stored["learning_rate"])
        rate = self._learning_rate(loss, report) if rate is None else rate
        vectors = self._learn(loss, variant, rate, self.exemplars, report)
        save_tensors(path, {"vectors": vectors, "learning_rate": torch.tensor(rate, dtype=torch.float64)})
        return vectors, rate

    def _learn(
        self, loss: InversionLoss, variant: str, rate: float, exemplars: Sequence[Exemplar], report: Report
    ) -> Tensor:
        config = InversionConfig(loss=loss, learning_rate=rate, seed=self.config.seed)
        inverter = Inverter(self.backbone, config, self.projectors.get(variant))
        label = f"{loss}, rate {rate:g}" if variant == "full" else f"{loss}, {variant}"
        return inverter.learn(exemplars, report=lambda done, total: report(label, done, total))

    def _learning_rate(self, loss: InversionLoss, report: Report) -> float:
        """The candidate whose words make motions nearest to their exemplars, on validation."""
        if len(self.config.learning_rates) == 1:
            return self.config.learning_rates[0]
        exemplars = self._subset("val", self.config.selection_motions)
        reference = self._reference(exemplars, 0)
        distances = {}
        for rate in self.config.learning_rates:
            vectors = self._learn(loss, "full", rate, exemplars, report)
            made = self._embed(self._sample(vectors, exemplars, reference, 0), reference, None)
            distances[rate] = exemplar_distance(made, reference.motion)
        return min(distances, key=lambda rate: distances[rate])

    # ------------------------------------------------------------------ using

    def _replication(self, replication: int, words: Mapping[str, Words]) -> None:
        rows = ["Real", *(name + suffix for name, found in words.items() for suffix in found.projectors)]
        if all(self.store.done(f"{row}|{replication}") for row in rows):
            return
        reference = self.reference(replication)
        real = score(reference.as_real, reference.motion, self._scoring)
        records = [self._record("Real", replication, {**real, **self.real}, {})]
        for name, found in words.items():
            latent = self.sample(found.vectors, reference, replication)
            for suffix, projector in found.projectors.items():
                made = self._embed(latent, reference, projector)
                metrics = score(reference, made, self._scoring)
                metrics["exemplar_distance"] = exemplar_distance(made, reference.motion)
                if self.measure is not None:
                    metrics |= self.measure(made, [item.id for item in self.exemplars])
                details = {"projected": projector is not None, "learning_rate": found.learning_rate}
                records.append(self._record(name + suffix, replication, metrics, details))
        for record in records:
            self.store.append(record)

    def reference(self, replication: int) -> Reference:
        """The exemplars as a replication draws them."""
        return self._reference(self.exemplars, replication)

    def sample(self, vectors: Tensor, reference: Reference, replication: int) -> Latent:
        """One latent for each exemplar's word [n, T], from a random template, for the true length."""
        return self._sample(vectors, self.exemplars, reference, replication)

    def _reference(self, exemplars: Sequence[Exemplar], replication: int) -> Reference:
        samples = [item.samples[0] for item in exemplars]
        return make_reference(self.evaluator, samples, self._scoring, replication, ChunkedWork(self.config.chunk))

    @torch.no_grad()
    def _sample(self, vectors: Tensor, exemplars: Sequence[Exemplar], reference: Reference, replication: int) -> Latent:
        """One latent for each word, from a random template, for the true length."""
        config, backbone = self.config, self.backbone
        ids = tuple(item.id for item in exemplars)
        picks = [int(stream(config.seed, "mti-template", replication, i).integers(len(TEMPLATES))) for i in ids]
        condition = embed_words(backbone.text_encoder, [TEMPLATES[pick] for pick in picks], vectors)
        mask = lengths_to_mask(torch.tensor([item.length for item in reference.drawn]))
        noise = NoiseSource(config.seed, ids, replication)
        steps = backbone.default_steps
        return backbone.sample(condition, mask, noise, steps=steps, guidance=backbone.default_guidance(steps))

    @torch.no_grad()
    def _embed(self, latent: Latent, reference: Reference, projector: Projector | None) -> Tensor:
        mask = collate([item.features for item in reference.drawn]).mask
        edit = None if projector is None else realign(projector, self.backbone.autoencoder)
        return embed_checked(self.evaluator, decode_latents(self.backbone.autoencoder, latent, mask, edit))

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

    def _record(self, row: str, replication: int, metrics: dict[str, float | None], details: dict[str, Any]) -> Record:
        metrics.pop("multimodality", None)
        return Record(
            dataset=self.dataset.name,
            protocol=self.config.protocol,
            evaluator=self.evaluator.identity,
            row=row,
            replication=replication,
            seed=self.config.seed,
            metrics=metrics,
            details={
                "samples": len(self.exemplars),
                "backbone": self.backbone.name,
                "notes": [
                    f"pseudo-words of {len(self.exemplars)} motions for {self.backbone.name} on "
                    f"{self.backbone.text_encoder.name}",
                    f"pools of {self.config.pool}",
                    *self.notes,
                ],
                **details,
            },
            chunk_size=self.config.chunk,
            key=f"{row}|{replication}",
        )


def exemplar_distance(made: Tensor, exemplars: Tensor) -> float:
    """Mean Euclidean distance of motion embeddings, both [n, E], to their exemplars'.

    >>> exemplar_distance(torch.zeros(2, 2), torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    2.5
    """
    return float((made - exemplars).norm(dim=1).mean())
