"""The evaluator: co-embedding of texts and motions (Guo et al. 2022), trained contrastively on the train split.

Guo et al. use a margin loss on matched and shuffled pairs; here every other pair of the batch is a negative
(InfoNCE on squared Euclidean distances), which needs far fewer steps and matches the distance that
R-precision ranks by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from leadbench.core.config import EvaluatorStage
from leadbench.core.device import indices
from leadbench.core.random import stream
from leadbench.core.shards import gathered, own_rows
from leadbench.core.tensors import MotionSample, MotionSpec
from leadbench.data.frames import SamplePool
from leadbench.data.humanml3d import FRAME_STEP
from leadbench.nn.evaluator import EvaluatorNetworks
from leadbench.text.word_vectors import WORD_VECTORS, vectorize
from leadbench.training.loop import epoch_batch

Uniform = Callable[[tuple[int, int]], np.ndarray]


def contrastive_loss(text: Tensor, motion: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE on squared distances of embeddings [B, E]; rows of equal ``labels`` [B] are no negatives.

    >>> e = 10 * torch.eye(3)
    >>> round(float(contrastive_loss(e, e, torch.arange(3), 1.0)), 6)
    0.0
    """
    logits = -torch.cdist(text, motion).square() / temperature
    same = (labels[:, None] == labels[None, :]) & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    logits = logits.masked_fill(same, float("-inf"))
    target = torch.arange(len(labels), device=labels.device)
    return 0.5 * (cross_entropy(logits, target) + cross_entropy(logits.T, target))


class EvaluatorTask:
    """Trains :class:`EvaluatorNetworks` on random captions and crops; selects by the loss on validation.

    It sees the first ``stage.architecture.features`` features of a frame.
    """

    def __init__(
        self,
        stage: EvaluatorStage,
        spec: MotionSpec,
        train: Sequence[MotionSample],
        val: Sequence[MotionSample],
        name: str = "evaluator",
    ) -> None:
        self.name = name
        self._stage, self._spec = stage, spec
        self._train, self._val = list(train), list(val)
        provider = WORD_VECTORS[stage.word_vectors]()
        self.words_identity = provider.identity
        captions = {caption: None for sample in [*train, *val] for caption in sample.captions}
        self._row = {caption: row for row, caption in enumerate(captions)}
        self._label = {text: n for n, text in enumerate(sorted({caption.caption for caption in captions}))}
        self._words = vectorize(list(captions), provider, max_tokens=stage.max_tokens).to(spec.mean.device)
        self._pools = {id(pool): SamplePool(pool, spec.mean.device) for pool in (self._train, self._val)}
        self.model: nn.Module = EvaluatorNetworks(stage.architecture)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Contrastive loss of a batch of random crops with random captions."""
        loop = self._stage.loop
        rows = epoch_batch(loop.seed, self.name, step, loop.batch, len(self._train))
        uniform = stream(loop.seed, "evaluator", step).random
        return self._batch_loss(self.model, self._train, rows, uniform), {}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Mean contrastive loss over pools of 32 of the validation split, two rounds of draws."""
        losses = []
        for number in range(2):
            rng = stream(self._stage.loop.seed, "evaluator-validate", number)
            order = rng.permutation(len(self._val))
            pool = min(32, len(order))
            for start in range(0, len(order) - pool + 1, pool):
                losses.append(self._batch_loss(model, self._val, order[start : start + pool].tolist(), rng.random))
        return {"score": sum(torch.stack(losses).cpu().tolist()) / len(losses)}

    def _batch_loss(
        self, model: nn.Module, split: list[MotionSample], chosen: Sequence[int], uniform: Uniform
    ) -> Tensor:
        assert isinstance(model, EvaluatorNetworks)
        begins, lengths, rows, labels = [], [], [], []
        for index, (which, crop, start) in zip(chosen, uniform((len(chosen), 3)), strict=True):
            sample = split[index]
            units = sample.frames // FRAME_STEP - (1 if crop > 2 / 3 else 0)
            begins.append(int(start * (sample.frames - units * FRAME_STEP + 1)))
            lengths.append(units * FRAME_STEP)
            caption = sample.captions[int(which * len(sample.captions))]
            rows.append(self._row[caption])
            labels.append(self._label[caption.caption])
        own = own_rows(len(chosen))
        # of the whole batch, so that every process pads to the same length and drops out alike
        motion = self._pools[id(split)].crops(chosen, begins, lengths)
        place = self._spec.mean.device
        at, words = indices(rows[own], place), self._words
        features = motion.of(own).normalize(self._spec).features[..., : self._stage.architecture.features]
        return contrastive_loss(
            gathered(model.text(words.vectors[at], words.pos[at], words.lengths[torch.tensor(rows[own])])),
            gathered(model.motion(features, torch.tensor(lengths[own]))),
            indices(labels, place),
            self._stage.temperature,
        )
