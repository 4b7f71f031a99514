"""Training of any backbone that brings its own objective, on pre-encoded latents or on motions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from leadbench.core.config import DiffusionStage, LoopConfig
from leadbench.core.contracts import TrainableBackbone, TrainableMotionBackbone
from leadbench.core.errors import ConfigError
from leadbench.core.random import NoiseSource, stream
from leadbench.core.shards import own_rows
from leadbench.core.tensors import Condition, MotionBatch, MotionSample, full_mask
from leadbench.text.cache import CachedTextEncoder
from leadbench.training.autoencoder import normalized_batches
from leadbench.training.batches import LengthBatch
from leadbench.training.latents import LatentSet, blanked
from leadbench.training.loop import epoch_batch

_VALIDATION = -1  # the replication that validation draws are keyed by


def training_draws(loop: LoopConfig, step: int, rows: Sequence[int], device: torch.device) -> NoiseSource:
    """Random numbers of a training step, one stream for each row: keyed by seed, step, place in the batch and sample,
    whichever process computes the row."""
    ids = tuple(f"{place}:{row}" for place, row in enumerate(rows))
    return NoiseSource(loop.seed, ids, step, device=device)


def scalars(terms: Mapping[str, Tensor], where: str) -> tuple[Tensor, dict[str, Tensor]]:
    """``loss`` and the other terms of a plugin's objective.

    Raises:
        ConfigError: it is no mapping with a scalar ``loss``.
    """
    if not isinstance(terms, Mapping) or "loss" not in terms or terms["loss"].ndim:
        raise ConfigError(f"{where}: its training_loss must return a mapping of scalars with 'loss' in it")
    return terms["loss"], {name: term.detach() for name, term in terms.items() if name != "loss"}


class _OwnObjective:
    """What trainings by a plugin's objective share: the network changes places with its moving average."""

    def __init__(self, name: str, part: TrainableBackbone | TrainableMotionBackbone, stage: DiffusionStage) -> None:
        self.name = f"backbone-{name}"
        self._part, self._stage = part, stage
        self.model: nn.Module = part.network.requires_grad_(True)
        if hasattr(part, "set_average"):
            self.set_target = part.set_average

    def _dropped(self, condition: Condition, null: Condition, draws: NoiseSource) -> Condition:
        return blanked(condition, null, draws.uniform("caption-dropout") < self._stage.caption_dropout)


class BackboneTask(_OwnObjective):
    """Trains ``network`` by ``training_loss`` on latents, with captions dropped as for bundled denoisers."""

    _part: TrainableBackbone

    def __init__(self, name: str, part: TrainableBackbone, stage: DiffusionStage, train: LatentSet, val: LatentSet):
        super().__init__(name, part, stage)
        self._train, self._val = train, val

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The backbone's loss of one batch."""
        loop = self._stage.loop
        rows = epoch_batch(loop.seed, self.name, step, loop.batch, len(self._train))
        own = own_rows(len(rows))
        draws = training_draws(loop, step, rows, self._train.loc.device).of(own)
        captions = self._train.text[self._train.caption_rows(rows, loop.seed, self.name, step)[own]]
        condition = self._dropped(captions, self._train.null, draws)
        clean = self._train.posterior(rows[own], draws)
        return scalars(self._part.training_loss(clean, condition, draws), self.name)

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """The same loss on the validation split, with the same draws every time and no caption dropped."""
        rows = list(range(len(self._val)))
        draws = training_draws(self._stage.loop, _VALIDATION, rows, self._val.loc.device)
        condition = self._val.text[self._val.caption_rows(rows, 0, "validate", 0)]
        trained, self._part.network = self._part.network, model
        try:
            return _scores(self._part.training_loss(self._val.posterior(rows, draws), condition, draws), self.name)
        finally:
            self._part.network = trained


class MotionBackboneTask(_OwnObjective):
    """The same for a backbone without a latent space, on crops of motions; a batch holds about as many
    frames as ``loop.batch`` motions of mean length."""

    _part: TrainableMotionBackbone

    def __init__(
        self,
        name: str,
        part: TrainableMotionBackbone,
        stage: DiffusionStage,
        splits: tuple[Sequence[MotionSample], Sequence[MotionSample]],
        encoder: CachedTextEncoder,
    ) -> None:
        super().__init__(name, part, stage)
        self._encoder, (self._train, self._val) = encoder, splits
        self._frames = stage.loop.batch * round(sum(sample.frames for sample in self._train) / len(self._train))
        loop = stage.loop.model_copy(update={"batch": self._frames})
        self._batches = normalized_batches(self._train, part.motion, loop)
        self._held_out = normalized_batches(self._val, part.motion, loop)
        encoder.warm(sorted({c.caption for sample in (*self._train, *self._val) for c in sample.captions}))

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The backbone's loss of one batch."""
        batch = self._batches.draw(step)
        draws = training_draws(self._stage.loop, step, batch.rows, batch.features.device).of(batch.own)
        condition = self._condition(self._train, batch, step)
        condition = self._dropped(condition, self._encoder.null(1), draws)
        return scalars(self._part.training_loss(self._motion(batch.features), condition, draws), self.name)

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """The mean loss of as many batches of the validation split as hold each motion about once."""
        count = max(1, round(sum(sample.frames for sample in self._val) / self._frames))
        trained, self._part.network = self._part.network, model
        try:
            found = []
            for number in range(count):
                batch = self._held_out.draw(number)
                draws = training_draws(self._stage.loop, _VALIDATION - number, batch.rows, batch.features.device)
                condition = self._condition(self._val, batch, number)
                terms = self._part.training_loss(self._motion(batch.features), condition, draws)
                found.append(_scores(terms, self.name))
        finally:
            self._part.network = trained
        return {key: sum(scores[key] for scores in found) / count for key in found[0]}

    def _motion(self, features: Tensor) -> MotionBatch:
        mask = full_mask(features.shape[0], features.shape[1], features.device)
        return MotionBatch(features, mask, self._part.motion)

    def _condition(self, samples: Sequence[MotionSample], batch: LengthBatch, step: int) -> Condition:
        """One random caption of each row that is computed here."""
        picks = stream(self._stage.loop.seed, f"caption:{self.name}", step).random(len(batch.rows))
        chosen = [samples[row].captions for row in batch.rows]
        named = [captions[int(p * len(captions))].caption for captions, p in zip(chosen, picks, strict=True)]
        return self._encoder.encode(named)[batch.own]


def _scores(terms: Mapping[str, Tensor], where: str) -> dict[str, float]:
    loss, others = scalars(terms, where)
    return {"score": float(loss), **{name: float(term) for name, term in others.items()}}
