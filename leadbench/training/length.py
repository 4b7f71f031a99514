"""Training of the length predictor: the class of a clip's length from each of its captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from leadbench.core.config import LengthStage
from leadbench.core.device import indices
from leadbench.core.shards import own_rows
from leadbench.core.tensors import MotionSample, MotionSpec
from leadbench.data.humanml3d import FRAME_STEP
from leadbench.nn.length import LengthNetwork, median_units
from leadbench.text.cache import CachedTextEncoder
from leadbench.training.loop import epoch_batch


class LengthTask:
    """Trains :class:`LengthNetwork` by cross-entropy; selects by it on validation."""

    def __init__(
        self,
        stage: LengthStage,
        spec: MotionSpec,
        encoder: CachedTextEncoder,
        train: Sequence[MotionSample],
        val: Sequence[MotionSample],
    ) -> None:
        self.name = f"length-{encoder.name}"
        self._stage, self._fps = stage, spec.fps
        encoder.warm([caption.caption for sample in [*train, *val] for caption in sample.captions])
        self._train = self._examples(encoder, train)
        self._val = self._examples(encoder, val)
        self.model: nn.Module = LengthNetwork(stage.architecture)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Cross-entropy of a batch of captions."""
        loop = self._stage.loop
        texts, units = self._train
        drawn = epoch_batch(loop.seed, self.name, step, loop.batch, len(units))
        rows = indices(drawn[own_rows(len(drawn))], texts.device)
        return cross_entropy(self.model(texts[rows]), units[rows]), {}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Cross-entropy of the validation split; and mean error in seconds, beside that of the train split's median."""
        texts, units = self._val
        logits = model(texts)
        seconds = FRAME_STEP / self._fps
        predicted = (median_units(logits) - 1 - units).abs().float().mean() * seconds
        typical = (self._train[1].float().median() - units).abs().mean() * seconds
        found = torch.stack([cross_entropy(logits, units), predicted, typical]).cpu().tolist()
        return {"score": found[0], "error_seconds": found[1], "error_of_median_seconds": found[2]}

    def _examples(self, encoder: CachedTextEncoder, samples: Sequence[MotionSample]) -> tuple[Tensor, Tensor]:
        """Pooled embeddings [S, C] of all captions, and the classes [S] of their clips."""
        captions = [caption.caption for sample in samples for caption in sample.captions]
        most = self._stage.architecture.units
        units = [min(sample.frames // FRAME_STEP, most) - 1 for sample in samples for _ in sample.captions]
        pooled = encoder.encode(captions).pooled()
        return pooled, indices(units, pooled.device)
