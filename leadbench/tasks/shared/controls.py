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
from leadbench.core.errors import unknown_name
from leadbench.core.random import NoiseSource, stream
from leadbench.core.tensors import Latent, MotionBatch, MotionSample
from leadbench.generation.pipeline import LatentMap
from leadbench.training.autoencoder import encode_samples

CONTROLS = ("clamp", "rescale", "whiten", "round-trip", "posterior-mean")
"""What is tried in the projector's place: the simplest maps that bring latents nearer to those of real motions."""

_NEIGHBOURS = 4096  # train latents that tell how near to each other they are
_LEAST_VARIANCE = 1e-6  # of the largest: directions with less are left out of whitening


@dataclass(frozen=True, eq=False)
class LatentStatistics:
    """Of posterior samples of the train split: range, mean, covariance and mean norm of latents.

    Attributes:
        low, high: smallest and largest value of each dimension [N, M].
        mean: flattened mean [N * M]; factor: Cholesky-like factor [N * M, N * M] of the covariance.
        norm: mean Euclidean norm.
        shape: (N, M).
        whitening: [N * M, K]: deviations from the mean, times it, have covariance 1.
        whitened_norm: mean Euclidean norm of whitened deviations.
        latents: the latents themselves, flattened, [T, N * M].
        spacing: median distance of a latent to its nearest other one.
    """

    low: Tensor
    high: Tensor
    mean: Tensor
    factor: Tensor
    norm: float
    shape: tuple[int, int]
    whitening: Tensor
    whitened_norm: float
    latents: Tensor
    spacing: float


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
    kept = values > _LEAST_VARIANCE * values.max()
    whitening = torch.from_numpy(vectors[:, kept] / np.sqrt(values[kept]))
    near = flat[:_NEIGHBOURS]
    return LatentStatistics(
        low=latents.amin(dim=0),
        high=latents.amax(dim=0),
        mean=flat.mean(dim=0).float().to(place),
        factor=factor.to(place),
        norm=float(flat.norm(dim=1).mean()),
        shape=(latents.shape[1], latents.shape[2]),
        whitening=whitening.float().to(place),
        whitened_norm=float(((flat - flat.mean(dim=0)) @ whitening).norm(dim=1).mean()),
        latents=latents.flatten(1),
        spacing=float(torch.cdist(near, near).fill_diagonal_(torch.inf).amin(dim=1).quantile(0.5)),
    )


def control_map(name: str, statistics: LatentStatistics, autoencoder: MotionAutoencoder) -> LatentMap:
    """The map of a control of :data:`CONTROLS`.

    Raises:
        UnknownNameError: there is none.
    """
    maps = {
        "clamp": lambda: clamp_to_train(statistics),
        "rescale": lambda: rescale_to_train(statistics),
        "whiten": lambda: rescale_whitened(statistics),
        "round-trip": lambda: round_trip(autoencoder),
        "posterior-mean": lambda: posterior_mean(statistics),
    }
    if name not in maps:
        raise unknown_name("control", name, CONTROLS)
    return maps[name]()


def clamp_to_train(statistics: LatentStatistics) -> LatentMap:
    """Clamp each dimension to the range that train latents have."""
    return lambda latent, mask: Latent(torch.clamp(latent.values, statistics.low, statistics.high), latent.mask)


def rescale_to_train(statistics: LatentStatistics) -> LatentMap:
    """Scale each latent to the mean norm of train latents."""

    def rescale(latent: Latent, mask: Tensor) -> Latent:
        factor = statistics.norm / latent.norm().clamp(min=1e-12)
        return Latent(latent.values * factor[:, None, None], latent.mask)

    return rescale


def rescale_whitened(statistics: LatentStatistics) -> LatentMap:
    """Scale each latent's deviation from the train mean so that its Mahalanobis length is the mean one of train
    latents."""

    def rescale(latent: Latent, mask: Tensor) -> Latent:
        deviation = latent.values.flatten(1) - statistics.mean
        length = (deviation @ statistics.whitening).norm(dim=1, keepdim=True)
        moved = statistics.mean + deviation * (statistics.whitened_norm / length.clamp(min=1e-12))
        return Latent(moved.unflatten(1, statistics.shape), latent.mask)

    return rescale


def round_trip(autoencoder: MotionAutoencoder) -> LatentMap:
    """Decode each latent and encode the motion again: the autoencoder itself as a projector."""

    def decoded_and_encoded(latent: Latent, mask: Tensor) -> Latent:
        return Latent(autoencoder.encode(autoencoder.decode(latent, mask)).loc, latent.mask)

    return decoded_and_encoded


def posterior_mean(statistics: LatentStatistics) -> LatentMap:
    """The mean of a clean latent, where each train latent is as likely before, and Gaussian noise of the train latents'
    own spacing was added: a weighted mean of the train latents that are near.

    It is the best denoiser that knows the train latents and nothing else.
    """

    def denoise(latent: Latent, mask: Tensor) -> Latent:
        distance = torch.cdist(latent.values.flatten(1), statistics.latents)
        weights = torch.softmax(-distance.square() / (2 * statistics.spacing**2), dim=1)
        return Latent((weights @ statistics.latents).unflatten(1, statistics.shape), latent.mask)

    return denoise


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
