"""Training of the evaluator ``tmr``: symmetric InfoNCE on cosines, near-paraphrases left out of the negatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from leadbench.core.config import TmrStage
from leadbench.core.random import stream
from leadbench.core.shards import gathered, own_rows
from leadbench.core.tensors import MotionSample, MotionSpec
from leadbench.data.frames import SamplePool, drawn_batch
from leadbench.data.humanml3d import DrawnSample, draw
from leadbench.nn.tmr import TmrNetworks
from leadbench.text.cache import CachedTextEncoder
from leadbench.training.loop import epoch_batch

_VALIDATION_DRAW = 500_000  # replication whose draw validates


def filtered_contrastive_loss(text: Tensor, motion: Tensor, similar: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE on cosines of unit embeddings [B, E]; pairs marked in ``similar`` [B, B] are no negatives.

    >>> e = torch.eye(3)
    >>> nothing = torch.zeros(3, 3, dtype=torch.bool)
    >>> round(float(filtered_contrastive_loss(e, e, nothing, 0.05)), 4)
    0.0
    """
    logits = text @ motion.T / temperature
    own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    logits = logits.masked_fill(similar & ~own, float("-inf"))
    target = torch.arange(len(logits), device=logits.device)
    return 0.5 * (cross_entropy(logits, target) + cross_entropy(logits.T, target))


class TmrTask:
    """Trains :class:`TmrNetworks` on random captions and crops; selects by the loss on validation."""

    name = "evaluator-tmr"

    def __init__(
        self,
        stage: TmrStage,
        spec: MotionSpec,
        encoder: CachedTextEncoder,
        train: Sequence[MotionSample],
        val: Sequence[MotionSample],
    ) -> None:
        self._stage, self._spec, self._encoder = stage, spec, encoder
        self._train, self._val = list(train), list(val)
        self._pool = SamplePool(self._train, spec.mean.device)
        encoder.warm([caption.caption for sample in [*train, *val] for caption in sample.captions])
        self.model: nn.Module = TmrNetworks(stage.architecture)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Contrastive loss of a batch of random crops with random captions."""
        loop = self._stage.loop
        rows = epoch_batch(loop.seed, self.name, step, loop.batch, len(self._train))
        return self._batch_loss(self.model, draw([self._train[i] for i in rows], loop.seed, step), self._pool), {}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Mean contrastive loss over pools of 32 of the validation split."""
        drawn = draw(self._val, self._stage.loop.seed, _VALIDATION_DRAW)
        order = stream(self._stage.loop.seed, "tmr-validate").permutation(len(drawn))
        pool = min(32, len(order))
        starts = range(0, len(order) - pool + 1, pool)
        losses = [self._batch_loss(model, [drawn[i] for i in order[s : s + pool]]) for s in starts]
        return {"score": sum(torch.stack(losses).cpu().tolist()) / len(losses)}

    def _batch_loss(self, model: nn.Module, drawn: Sequence[DrawnSample], pool: SamplePool | None = None) -> Tensor:
        assert isinstance(model, TmrNetworks)
        own = own_rows(len(drawn))
        # both of the whole batch, so that every process pads to the same length and drops out alike
        motion = drawn_batch(drawn, self._spec.mean.device, pool).of(own).normalize(self._spec)
        condition = self._encoder.encode([item.caption.caption for item in drawn])[own]
        return filtered_contrastive_loss(
            gathered(model.text(condition.tokens, condition.mask)),
            gathered(model.motion(motion.features, motion.mask)),
            _similar(gathered(condition.pooled()), self._stage.paraphrase),
            self._stage.temperature,
        )


def _similar(pooled: Tensor, threshold: float) -> Tensor:
    """Pairs [B, B] of captions whose embeddings [B, C] have a larger cosine than ``threshold``."""
    rows = normalize(pooled, dim=-1)
    return rows @ rows.T > threshold
