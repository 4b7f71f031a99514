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
from leadbench.core.random import stream
from leadbench.core.tensors import MotionSample, MotionSpec
from leadbench.data.humanml3d import FRAME_STEP, collate
from leadbench.nn.evaluator import EvaluatorNetworks
from leadbench.text.word_vectors import WORD_VECTORS, WordBatch, vectorize
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
    """Trains :class:`EvaluatorNetworks` on random captions and crops; selects by the loss on validation."""

    name = "evaluator"

    def __init__(
        self, stage: EvaluatorStage, spec: MotionSpec, train: Sequence[MotionSample], val: Sequence[MotionSample]
    ) -> None:
        self._stage, self._spec = stage, spec
        self._train, self._val = list(train), list(val)
        provider = WORD_VECTORS[stage.word_vectors]()
        self.words_identity = provider.identity
        captions = {caption: None for sample in [*train, *val] for caption in sample.captions}
        self._row = {caption: row for row, caption in enumerate(captions)}
        self._label = {text: n for n, text in enumerate(sorted({caption.caption for caption in captions}))}
        self._words = vectorize(list(captions), provider, max_tokens=stage.max_tokens)
        self.model: nn.Module = EvaluatorNetworks(stage.architecture)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        """Contrastive loss of a batch of random crops with random captions."""
        loop = self._stage.loop
        rows = epoch_batch(loop.seed, self.name, step, loop.batch, len(self._train))
        loss = self._batch_loss(self.model, [self._train[i] for i in rows], stream(loop.seed, "evaluator", step).random)
        return loss, {}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Mean contrastive loss over pools of 32 of the validation split, two rounds of draws."""
        losses = []
        for number in range(2):
            rng = stream(self._stage.loop.seed, "evaluator-validate", number)
            order = rng.permutation(len(self._val))
            pool = min(32, len(order))
            for start in range(0, len(order) - pool + 1, pool):
                samples = [self._val[i] for i in order[start : start + pool]]
                losses.append(float(self._batch_loss(model, samples, rng.random)))
        return {"score": sum(losses) / len(losses)}

    def _batch_loss(self, model: nn.Module, samples: Sequence[MotionSample], uniform: Uniform) -> Tensor:
        assert isinstance(model, EvaluatorNetworks)
        picks = uniform((len(samples), 3))
        clips, rows, labels = [], [], []
        for sample, (which, crop, start) in zip(samples, picks, strict=True):
            units = sample.frames // FRAME_STEP - (1 if crop > 2 / 3 else 0)
            begin = int(start * (sample.frames - units * FRAME_STEP + 1))
            clips.append((sample.features[begin : begin + units * FRAME_STEP] - self._spec.mean) / self._spec.std)
            caption = sample.captions[int(which * len(sample.captions))]
            rows.append(self._row[caption])
            labels.append(self._label[caption.caption])
        motion = collate(clips)
        words = WordBatch(self._words.vectors[rows], self._words.pos[rows], self._words.lengths[rows])
        return contrastive_loss(
            model.text(words.vectors, words.pos, words.lengths),
            model.motion(motion.features, motion.lengths),
            torch.tensor(labels),
            self._stage.temperature,
        )
