"""Stage 1: the motion VAE (paper, section 4.1.2): MSE + KL, and for our presets a loss on recovered joints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from leadbench.core.config import AutoencoderStage, LoopConfig, ReconstructionStage
from leadbench.core.device import indices, normal_like
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import MotionBatch, MotionSample, MotionSpec, full_mask, host_lengths
from leadbench.data.humanml3d import FRAME_STEP, collate
from leadbench.motion.features import features_to_joints
from leadbench.nn.autoencoder import MotionVAE
from leadbench.training.batches import LengthBatches


def kl_to_standard_normal(posterior: Normal) -> Tensor:
    """Mean over batch and dimensions of KL(posterior || N(0, 1)).

    >>> float(kl_to_standard_normal(Normal(torch.zeros(2, 3), torch.ones(2, 3))))
    0.0
    """
    variance = posterior.scale**2
    return 0.5 * (posterior.loc**2 + variance - variance.log() - 1).mean()


@dataclass(frozen=True)
class ReconstructionError:
    """Mean per-joint position errors in metres over real frames: global, and with the roots put together."""

    global_mpjpe: float
    root_aligned_mpjpe: float
    feature_mse: float


class ReconstructionLoss:
    """MSE of normalised features, and for our presets distances of recovered joints in metres, weighted.

    Joints count as they are, and with the roots put together. The root's place is a sum over all frames before, so the
    first is large and noisy: with a weight of 1 it drowns every other loss, and poses are learned at half the speed.
    """

    def __init__(self, stage: ReconstructionStage, spec: MotionSpec) -> None:
        self._stage, self._spec = stage, spec
        self._skeleton = get_skeleton(spec.skeleton)

    def __call__(self, decoded: Tensor, target: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted sum and its terms, of normalised features [B, F, D] without padding."""
        mse = (decoded - target).square().mean()
        joints, pose = self._distances(decoded, target)
        total = mse + self._stage.joint_weight * joints + self._stage.pose_weight * pose
        return total, {"mse": mse, "joints_m": joints, "pose_m": pose}

    def of_error(self, error: ReconstructionError) -> float:
        """The same weighted sum of errors on whole clips."""
        stage = self._stage
        metres = stage.joint_weight * error.global_mpjpe + stage.pose_weight * error.root_aligned_mpjpe
        return error.feature_mse + metres

    def _distances(self, decoded: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        if self._stage.joint_weight == 0 and self._stage.pose_weight == 0:
            return decoded.new_zeros(()), decoded.new_zeros(())
        mean, std = self._spec.mean, self._spec.std
        mine = features_to_joints(decoded * std + mean, self._skeleton)
        theirs = features_to_joints(target * std + mean, self._skeleton)
        poses = (mine - mine[..., :1, :]) - (theirs - theirs[..., :1, :])
        return _mean_length(mine - theirs), _mean_length(poses)


class AutoencoderTask:
    """Trains a :class:`MotionVAE` on batches without padding; validates on whole clips with posterior means."""

    name = "autoencoder"

    def __init__(
        self, stage: AutoencoderStage, spec: MotionSpec, train: Sequence[MotionSample], val: Sequence[MotionSample]
    ) -> None:
        self._stage, self._spec = stage, spec
        self._reconstruction = ReconstructionLoss(stage, spec)
        self.model: nn.Module = MotionVAE(stage.architecture)
        self._batches = normalized_batches(train, spec, stage.loop)
        self._val = list(val)

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """MSE of normalised features + KL + distances of recovered joints (metres)."""
        batch = self._batches.draw(step)
        features, own = batch.features, batch.own
        mask = full_mask(features.shape[0], features.shape[1], features.device)
        posterior = self.model.encode(features, mask)  # type: ignore[operator]
        noise = normal_like(posterior.loc.new_empty(()).expand(len(batch.rows), *posterior.loc.shape[1:]))[own]
        latent = posterior.loc + noise * posterior.scale
        decoded = self.model.decode(latent, mask)  # type: ignore[operator]
        total, figures = self._reconstruction(decoded, features)
        kl = kl_to_standard_normal(posterior)
        return total + self._stage.kl_weight * kl, detached({**figures, "kl": kl})

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        """Reconstruction error on the validation split."""
        assert isinstance(model, MotionVAE)
        error = reconstruction_error(model, self._spec, self._val)
        return {
            "score": error.global_mpjpe + error.root_aligned_mpjpe,
            "global_mpjpe": error.global_mpjpe,
            "root_aligned_mpjpe": error.root_aligned_mpjpe,
            "feature_mse": error.feature_mse,
        }


def detached(figures: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Figures to show, without gradient."""
    return {name: value.detach() for name, value in figures.items()}


def normalized_batches(train: Sequence[MotionSample], spec: MotionSpec, loop: LoopConfig) -> LengthBatches:
    """Batches of normalised crops on the device of the statistics."""
    there = spec.to("cpu")
    clips = [(sample.features - there.mean) / there.std for sample in train]
    return LengthBatches(clips, loop.batch, loop.seed, spec.mean.device)


def _mean_length(offsets: Tensor) -> Tensor:
    # sqrt's gradient is infinite at 0; the padding keeps it finite
    return (offsets.square().sum(-1) + 1e-8).sqrt().mean()


def whole_clips(samples: Sequence[MotionSample], batch: int = 32) -> list[tuple[list[int], MotionBatch]]:
    """Raw batches of whole clips cut to multiples of 4 frames, sorted by length so that little is padded."""
    order = sorted(range(len(samples)), key=lambda i: (samples[i].frames, samples[i].id))
    chunks = [order[start : start + batch] for start in range(0, len(order), batch)]
    return [
        (chunk, collate([samples[i].features[: samples[i].frames // FRAME_STEP * FRAME_STEP] for i in chunk]))
        for chunk in chunks
    ]


@torch.no_grad()
def reconstruction_error(model: MotionVAE, spec: MotionSpec, samples: Sequence[MotionSample]) -> ReconstructionError:
    """Errors of posterior means, averaged over all real frames of all clips."""
    skeleton = get_skeleton(spec.skeleton)
    place = spec.mean.device
    totals: list[Tensor] = []
    frames = 0
    for _, clips in whole_clips(samples):
        raw = clips.to(place)
        batch = raw.normalize(spec)
        decoded = model.decode(model.encode(batch.features, batch.mask).loc, batch.mask)
        mine = features_to_joints(MotionBatch(decoded, batch.mask, spec).denormalize().features, skeleton)
        theirs = features_to_joints(raw.features, skeleton)
        aligned = (mine - mine[..., :1, :]) - (theirs - theirs[..., :1, :])
        errors = (
            (mine - theirs).norm(dim=-1).mean(-1),
            aligned.norm(dim=-1).mean(-1),
            (decoded - batch.features).square().mean(-1),
        )
        totals.append(torch.stack([torch.where(raw.mask, error, 0.0).sum() for error in errors]))
        frames += sum(host_lengths(clips.mask))
    means = (torch.stack(totals).cpu().double().sum(dim=0) / frames).tolist()
    return ReconstructionError(*means)


@torch.no_grad()
def encode_samples(
    encode: Callable[[Tensor, Tensor], Normal], spec: MotionSpec, samples: Sequence[MotionSample]
) -> Normal:
    """Posteriors of whole clips, loc and scale [S, N, M], in the order of ``samples``, on the device of ``spec``."""
    locs, scales, order = [], [], []
    for chunk, raw in whole_clips(samples):
        batch = raw.to(spec.mean.device).normalize(spec)
        posterior = encode(batch.features, batch.mask)
        locs.append(posterior.loc)
        scales.append(posterior.scale)
        order += chunk
    back = indices([row for _, row in sorted((index, row) for row, index in enumerate(order))], spec.mean.device)
    return Normal(torch.cat(locs)[back], torch.cat(scales)[back], validate_args=False)


def standardize_latents(model: MotionVAE, spec: MotionSpec, train: Sequence[MotionSample]) -> None:
    """Set the model's latent shift and scale to the mean and deviation of posterior samples of the train split."""
    posterior = encode_samples(model.encode, spec, train)
    variance = posterior.loc.var(dim=0, unbiased=False) + posterior.scale.square().mean(dim=0)
    model.set_latent_statistics(posterior.loc.mean(dim=0), variance.sqrt())
