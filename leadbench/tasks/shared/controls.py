"""Controls: what a score means is seen beside them.

Latent maps stand in the projector's place; latent sources stand in the backbone's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from leadbench.core.contracts import MotionAutoencoder
from leadbench.core.device import place_of
from leadbench.core.random import NoiseSource, stream
from leadbench.core.tensors import Latent, MotionBatch, MotionSample
from leadbench.generation.pipeline import LatentMap
from leadbench.training.autoencoder import encode_samples


@dataclass(frozen=True, eq=False)
class LatentStatistics:
    """Of posterior samples of the train split: range, mean, covariance and mean norm of latents.

    Attributes:
        low, high: smallest and largest value of each dimension [N, M].
        mean: flattened mean [N * M]; factor: Cholesky-like factor [N * M, N * M] of the covariance.
        norm: mean Euclidean norm.
        shape: (N, M).
    """

    low: Tensor
    high: Tensor
    mean: Tensor
    factor: Tensor
    norm: float
    shape: tuple[int, int]


def latent_statistics(autoencoder: MotionAutoencoder, train: Sequence[MotionSample], seed: int) -> LatentStatistics:
    """Statistics of one posterior sample for each train motion, on the autoencoder's device."""

    def encode(features: Tensor, mask: Tensor) -> torch.distributions.Normal:
        return autoencoder.encode(MotionBatch(features, mask, autoencoder.motion))

    posterior = encode_samples(encode, autoencoder.motion, train)
    place = place_of(autoencoder)
    noise = NoiseSource(seed, tuple(sample.id for sample in train), device=place)
    latents = posterior.loc + posterior.scale * noise.normal("posterior", posterior.loc.shape[1:])
    flat = latents.cpu().flatten(1).double()
    covariance = np.cov(flat.numpy(), rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    factor = torch.from_numpy(vectors * np.sqrt(np.clip(values, 0, None))).float()
    return LatentStatistics(
        low=latents.amin(dim=0),
        high=latents.amax(dim=0),
        mean=flat.mean(dim=0).float().to(place),
        factor=factor.to(place),
        norm=float(flat.norm(dim=1).mean()),
        shape=(latents.shape[1], latents.shape[2]),
    )


def clamp_to_train(statistics: LatentStatistics) -> LatentMap:
    """Clamp each dimension to the range that train latents have."""
    return lambda latent: Latent(torch.clamp(latent.values, statistics.low, statistics.high), latent.mask)


def rescale_to_train(statistics: LatentStatistics) -> LatentMap:
    """Scale each latent to the mean norm of train latents."""

    def rescale(latent: Latent) -> Latent:
        factor = statistics.norm / latent.norm().clamp(min=1e-12)
        return Latent(latent.values * factor[:, None, None], latent.mask)

    return rescale


def gaussian_latents(statistics: LatentStatistics, noise: NoiseSource) -> Latent:
    """Samples of the Gaussian with the mean and full covariance of train latents."""
    standard = noise.normal("gaussian-control", (statistics.mean.shape[0],))
    values = statistics.mean + standard @ statistics.factor.T
    return Latent.full(values.reshape(len(noise), *statistics.shape))


def standard_normal_latents(statistics: LatentStatistics, noise: NoiseSource) -> Latent:
    """Samples of N(0, I)."""
    return Latent.full(noise.normal("normal-control", statistics.shape))


def derangement(count: int, seed: int, replication: int) -> list[int]:
    """A permutation without fixed points (a random cycle): whose latents a sample gets instead of its own."""
    order = stream(seed, "derangement", replication).permutation(count)
    out = np.empty(count, dtype=np.int64)
    out[order] = np.roll(order, 1)
    return [int(i) for i in out]
