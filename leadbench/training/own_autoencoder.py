"""Training of any motion autoencoder that brings its own loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from leadbench.core.config import AutoencoderStage
from leadbench.core.contracts import MotionAutoencoder, TrainableAutoencoder
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Latent, MotionBatch, MotionSample, full_mask
from leadbench.motion.features import features_to_joints
from leadbench.training.autoencoder import ReconstructionError, normalized_batches, whole_clips
from leadbench.training.backbone import scalars, training_draws
from leadbench.training.batches import LengthBatch

_VALIDATION = -1


class OwnAutoencoderTask:
    """Trains ``network`` by ``training_loss`` on batches without padding; validates by the same loss on whole clips."""

    def __init__(
        self,
        name: str,
        part: TrainableAutoencoder,
        stage: AutoencoderStage,
        train: Sequence[MotionSample],
        val: Sequence[MotionSample],
    ) -> None:
        self.name = f"autoencoder-{name}"
        self._part, self._stage = part, stage
        self.model: nn.Module = part.network.requires_grad_(True)
        self._batches = normalized_batches(train, part.motion, stage.loop)
        self._held_out = normalized_batches(val, part.motion, stage.loop)
        self._count = max(1, round(sum(sample.frames for sample in val) / stage.loop.batch))

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The autoencoder's loss of one batch."""
        return scalars(self._terms(self._batches.draw(step), step), self.name)

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """The mean loss of as many batches of the validation split as hold each motion about once."""
        trained, self._part.network = self._part.network, model
        try:
            found = [
                scalars(self._terms(self._held_out.draw(number), _VALIDATION - number), self.name)
                for number in range(self._count)
            ]
        finally:
            self._part.network = trained
        means = {name: float(sum(others[name] for _, others in found)) / len(found) for name in found[0][1]}
        return {"score": float(sum(loss for loss, _ in found)) / len(found), **means}

    def _terms(self, batch: LengthBatch, step: int) -> Mapping[str, Tensor]:
        features = batch.features
        mask = full_mask(features.shape[0], features.shape[1], features.device)
        motion = MotionBatch(features, mask, self._part.motion)
        draws = training_draws(self._stage.loop, step, batch.rows, features.device)
        return self._part.training_loss(motion, draws.of(batch.own))


@torch.no_grad()
def reconstruction_of(autoencoder: MotionAutoencoder, samples: Sequence[MotionSample]) -> ReconstructionError:
    """Errors of an autoencoder's posterior means on whole clips, whoever wrote it."""
    skeleton, spec = get_skeleton(autoencoder.motion.skeleton), autoencoder.motion
    total = torch.zeros(3, dtype=torch.float64)
    frames = 0
    for _, raw in whole_clips(samples):
        batch = raw.to(spec.mean.device).normalize(spec)
        back = autoencoder.decode(Latent.full(autoencoder.encode(batch).loc), batch.mask)
        mine, theirs = (features_to_joints(m.denormalize().features, skeleton) for m in (back, batch))
        poses = (mine - mine[..., :1, :]) - (theirs - theirs[..., :1, :])
        mask = batch.mask
        sums = [
            (mine - theirs).norm(dim=-1).mean(dim=-1)[mask].sum(),
            poses.norm(dim=-1).mean(dim=-1)[mask].sum(),
            (back.features - batch.features).square().mean(dim=-1)[mask].sum(),
        ]
        total += torch.stack(sums).double().cpu()
        frames += int(mask.sum())
    return ReconstructionError(*(total / frames).tolist())
