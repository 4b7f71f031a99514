"""Maps in the projector's place, against what SciPy and loops say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fakes import WIDTH, FakeAutoencoder
from scipy.spatial.distance import cdist, mahalanobis

from leadbench.core.errors import UnknownNameError
from leadbench.core.tensors import Latent, MotionSample, MotionSpec, TextSample, mask_of
from leadbench.tasks.shared.controls import CONTROLS, LatentStatistics, control_map, latent_statistics

SPEC = MotionSpec("humanml3d", 20.0, torch.zeros(263), torch.ones(263))
MASK = mask_of([40, 24, 40, 36, 40, 60])


@pytest.fixture(scope="module")
def autoencoder() -> FakeAutoencoder:
    return FakeAutoencoder(SPEC)


@pytest.fixture(scope="module")
def statistics(autoencoder: FakeAutoencoder) -> LatentStatistics:
    generator = torch.Generator().manual_seed(0)
    offsets = 1 + torch.randn(60, 1, 263, generator=generator) * torch.arange(263).add(1).sqrt()
    noise = torch.randn(60, 40, 263, generator=generator)
    samples = [MotionSample(f"{n}", own, (TextSample("walks", ()),)) for n, own in enumerate(offsets + noise)]
    return latent_statistics(autoencoder, samples, 0)


@pytest.fixture
def wild() -> Latent:
    return Latent.full(100 * torch.randn(6, 1, WIDTH, generator=torch.Generator().manual_seed(1)))


def test_all_keep_the_shape_and_lose_the_wildness(
    statistics: LatentStatistics, autoencoder: FakeAutoencoder, wild: Latent
) -> None:
    largest = float(statistics.latents.norm(dim=1).max())
    for name in CONTROLS:
        made = control_map(name, statistics, autoencoder)(wild, MASK)
        assert made.values.shape == wild.values.shape
        if name != "round-trip":  # the fake autoencoder decodes anything
            assert float(made.norm().max()) <= 1.5 * largest, name


def test_clamp_and_rescale(statistics: LatentStatistics, autoencoder: FakeAutoencoder, wild: Latent) -> None:
    clamped = control_map("clamp", statistics, autoencoder)(wild, MASK).values
    latents = statistics.latents.reshape(-1, 1, WIDTH)
    assert (clamped >= latents.amin(dim=0)).all()
    assert (clamped <= latents.amax(dim=0)).all()
    norms = control_map("rescale", statistics, autoencoder)(wild, MASK).norm()
    torch.testing.assert_close(norms, latents.flatten(1).norm(dim=1).mean().expand(6))


def test_whitening_gives_the_mean_mahalanobis_length(
    statistics: LatentStatistics, autoencoder: FakeAutoencoder, wild: Latent
) -> None:
    latents = statistics.latents.double().numpy()
    mean, inverse = latents.mean(axis=0), np.linalg.inv(np.cov(latents, rowvar=False))
    expected = np.mean([mahalanobis(latent, mean, inverse) for latent in latents])
    made = control_map("whiten", statistics, autoencoder)(wild, MASK).values.flatten(1).double().numpy()
    np.testing.assert_allclose([mahalanobis(latent, mean, inverse) for latent in made], expected, rtol=1e-4)
    before, after = wild.values.flatten(1).numpy() - mean, made - mean
    cosine = (before * after).sum(axis=1) / np.linalg.norm(before, axis=1) / np.linalg.norm(after, axis=1)
    np.testing.assert_allclose(cosine, 1, rtol=1e-5)


def test_posterior_mean_is_the_weighted_mean_of_near_train_latents(
    statistics: LatentStatistics, autoencoder: FakeAutoencoder
) -> None:
    latents = statistics.latents.double().numpy()
    apart = cdist(latents, latents)
    np.fill_diagonal(apart, np.inf)
    spacing = np.median(apart.min(axis=1))
    assert statistics.spacing == pytest.approx(spacing, rel=1e-5)
    points = latents[:6] + 0.3 * spacing
    expected = []
    for point in points:
        weights = np.exp(-(((point - latents) ** 2).sum(axis=1)) / (2 * spacing**2))
        expected.append((weights[:, None] * latents).sum(axis=0) / weights.sum())
    given = Latent.full(torch.from_numpy(points).float().reshape(6, 1, WIDTH))
    made = control_map("posterior-mean", statistics, autoencoder)(given, MASK).values.flatten(1)
    np.testing.assert_allclose(made.numpy(), expected, rtol=1e-3, atol=1e-3)


def test_round_trip_decodes_at_each_motions_length(autoencoder: FakeAutoencoder, statistics: LatentStatistics) -> None:
    zeros = Latent.full(torch.zeros(6, 1, WIDTH))
    made = control_map("round-trip", statistics, autoencoder)(zeros, MASK).values
    lengths = torch.tensor([40, 24, 40, 36, 40, 60.0])
    # the fake decoder adds a ramp of 0.01 a frame, the fake encoder takes the mean over the frames
    torch.testing.assert_close(made[:, 0, 0], 0.01 * (lengths - 1) / 2)


def test_a_control_that_is_none(statistics: LatentStatistics, autoencoder: FakeAutoencoder) -> None:
    with pytest.raises(UnknownNameError, match=r"rescal.*rescale"):
        control_map("rescal", statistics, autoencoder)
