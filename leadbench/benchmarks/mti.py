"""The benchmark of motion textual inversion (paper, Table 3): pseudo-words learnt from single motions, then used.

For each loss, one pseudo-word is learnt for each of a random subset of test motions. In every replication each word
makes one motion of the true length from a random template, with and without the projector; they are scored against the
motions' own captions. The row of the coarse initial words tells what learning adds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from leadbench.benchmarks.memory import ChunkedWork
from leadbench.benchmarks.scoring import Reference, embed_checked, make_reference, score
from leadbench.config import InversionConfig, MTIConfig, T2MConfig
from leadbench.contracts import DenoisingBackbone, Evaluator, MotionDataset, Projector
from leadbench.data.humanml3d import collate
from leadbench.errors import ConfigError
from leadbench.inversion import TEMPLATES, Exemplar, Inverter, coarse_word, embed_words, initial_vectors
from leadbench.pipeline import decode_latents, realign
from leadbench.random import NoiseSource, stream
from leadbench.results import Record, RunStore
from leadbench.tensors import MotionSample, lengths_to_mask

INITIAL = "Initial word"
PROJECTED = " + project"
Report = Callable[[str, int, int], None]


@dataclass
class MTIBenchmark:
    """One run of the benchmark.

    Args:
        dataset: learning rates are chosen on its validation split, words are learnt on ``config.split``.
        evaluator: space in which everything is measured.
        backbone: frozen.
        projector: of the backbone's latent space; None: neither the loss ``lead`` nor projected rows.
        config: losses, subset, replications.
        store: where records and learnt words go.
    """

    dataset: MotionDataset
    evaluator: Evaluator
    backbone: DenoisingBackbone
    projector: Projector | None
    config: MTIConfig
    store: RunStore

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
        }

    def run(self, report: Report) -> list[Record]:
        """Learn the words that are not there, then do every replication that is not recorded; return all records."""
        words = {INITIAL: initial_vectors(self.backbone.text_encoder, self.exemplars)}
        rates: dict[str, float] = {}
        for loss in self.losses:
            words[f"MTI {loss}"], rates[loss] = self._words(loss, report)
        for replication in range(self.config.replications):
            self._replication(replication, words, rates)
            report("replication", replication + 1, self.config.replications)
        return self.store.records()

    @property
    def losses(self) -> tuple[str, ...]:
        """Losses of this run; ``lead`` needs a projector."""
        return tuple(loss for loss in self.config.losses if loss != "lead" or self.projector is not None)

    @cached_property
    def exemplars(self) -> list[Exemplar]:
        """The random subset of the split, in its order."""
        return self._subset(self.config.split, self.config.motions)

    def _subset(self, split: str, count: int) -> list[Exemplar]:
        samples = self.dataset.load(split, skip_bad=self.config.skip_bad_motions)[0]
        order = stream(self.config.seed, "mti-subset", split).permutation(len(samples))[:count]
        return [Exemplar(samples[i], coarse_word(samples[i])) for i in sorted(order)]

    # ------------------------------------------------------------------ learning

    def _words(self, loss: str, report: Report) -> tuple[Tensor, float]:
        """Vectors of a loss and their learning rate, learnt once and kept with the run."""
        path = self.store.folder / f"words-{loss}.safetensors"
        if path.is_file():
            stored = load_file(path)
            return stored["vectors"], float(stored["learning_rate"])
        rate = self._learning_rate(loss, report)
        vectors = self._learn(loss, rate, self.exemplars, report)
        save_file({"vectors": vectors, "learning_rate": torch.tensor(rate)}, path)
        return vectors, rate

    def _learn(self, loss: str, rate: float, exemplars: Sequence[Exemplar], report: Report) -> Tensor:
        config = InversionConfig(loss=loss, learning_rate=rate, seed=self.config.seed)
        inverter = Inverter(self.backbone, config, self.projector)
        return inverter.learn(exemplars, report=lambda done, total: report(f"{loss}, rate {rate:g}", done, total))

    def _learning_rate(self, loss: str, report: Report) -> float:
        """The candidate whose words make motions nearest to their exemplars, on validation."""
        exemplars = self._subset("val", self.config.selection_motions)
        reference = self._reference([item.sample for item in exemplars], 0)
        distances = {}
        for rate in self.config.learning_rates:
            vectors = self._learn(loss, rate, exemplars, report)
            made = self._embed(self._sample(vectors, exemplars, reference, 0), reference, projected=False)
            distances[rate] = float((made - reference.motion).norm(dim=1).mean())
        return min(distances, key=lambda rate: distances[rate])

    # ------------------------------------------------------------------ using

    def _replication(self, replication: int, words: dict[str, Tensor], rates: dict[str, float]) -> None:
        suffixes = ("", PROJECTED) if self.projector is not None else ("",)
        rows = ["Real", *(name + suffix for name in words for suffix in suffixes)]
        if all(self.store.done(f"{row}|{replication}") for row in rows):
            return
        reference = self._reference([item.sample for item in self.exemplars], replication)
        real = score(reference.as_real, reference.motion, self._scoring)
        records = [self._record("Real", replication, real, {})]
        for name, vectors in words.items():
            latent = self._sample(vectors, self.exemplars, reference, replication)
            for suffix in suffixes:
                made = self._embed(latent, reference, projected=bool(suffix))
                metrics = score(reference, made, self._scoring)
                metrics["exemplar_distance"] = float((made - reference.motion).norm(dim=1).mean())
                rate = rates.get(name.removeprefix("MTI "))
                details = {"projected": bool(suffix), **({"learning_rate": rate} if rate else {})}
                records.append(self._record(name + suffix, replication, metrics, details))
        for record in records:
            self.store.append(record)

    def _reference(self, samples: Sequence[MotionSample], replication: int) -> Reference:
        return make_reference(self.evaluator, samples, self._scoring, replication, ChunkedWork(self.config.chunk))

    @torch.no_grad()
    def _sample(self, vectors: Tensor, exemplars: Sequence[Exemplar], reference: Reference, replication: int) -> Any:
        """One latent for each word, from a random template, for the true length."""
        config, backbone = self.config, self.backbone
        ids = tuple(item.sample.id for item in exemplars)
        picks = [int(stream(config.seed, "mti-template", replication, i).integers(len(TEMPLATES))) for i in ids]
        condition = embed_words(backbone.text_encoder, [TEMPLATES[pick] for pick in picks], vectors)
        mask = lengths_to_mask(torch.tensor([item.length for item in reference.drawn]))
        noise = NoiseSource(config.seed, ids, replication)
        steps = backbone.default_steps
        return backbone.sample(condition, mask, noise, steps=steps, guidance=backbone.default_guidance(steps))

    @torch.no_grad()
    def _embed(self, latent: Any, reference: Reference, *, projected: bool) -> Tensor:
        mask = collate([item.features for item in reference.drawn]).mask
        edit = None
        if projected:
            assert self.projector is not None
            edit = realign(self.projector, self.backbone.autoencoder)
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
                "notes": [
                    f"pseudo-words of {len(self.exemplars)} motions for {self.backbone.name} on "
                    f"{self.backbone.text_encoder.name}",
                    f"pools of {self.config.pool}",
                ],
                **details,
            },
            chunk_size=self.config.chunk,
            key=f"{row}|{replication}",
        )


def run_name(description: dict[str, Any]) -> str:
    """Folder name of a run."""
    return "mti-" + hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:10]


def require_denoising(name: str, backbone: object) -> DenoisingBackbone:
    """The backbone, if it denoises.

    Raises:
        ConfigError: it does not.
    """
    if not isinstance(backbone, DenoisingBackbone):
        raise ConfigError(f"backbone {name!r}: cannot be inverted: it keeps no DenoisingBackbone (add_noise, predict)")
    return backbone
