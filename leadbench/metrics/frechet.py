"""Fréchet distance between two sets of embeddings (FID), in float64 and without complex left-overs.

The official code takes ``trace(sqrtm(A B))``, which turns complex for singular covariances and then depends
on the scipy version. The trace equals the sum of the singular values of ``sqrt(A) sqrt(B)``, and both roots
exist for every covariance, singular or not.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from leadbench.core.errors import DataError
from leadbench.metrics.arrays import ArrayLike, finite_float64


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Running first and second moments of embeddings: ``mean`` [E], ``scatter`` [E, E], ``n`` rows, float64.

    ``scatter`` is the sum of outer products of deviations from the mean, so that parts of any size merge
    exactly, a single row included.

    >>> rows = torch.arange(12.0).reshape(6, 2) ** 2
    >>> parts = FeatureStatistics.from_embeddings(rows[:1]).merge(FeatureStatistics.from_embeddings(rows[1:]))
    >>> torch.allclose(parts.covariance, torch.cov(rows.T.double()))
    True
    """

    mean: Tensor
    scatter: Tensor
    n: int

    @classmethod
    def from_embeddings(cls, embeddings: ArrayLike, what: str = "embeddings") -> FeatureStatistics:
        """Moments of ``embeddings`` [N, E], N >= 1; ``what`` names them in errors.

        Raises:
            NonFiniteError: NaN or infinite values.
            DataError: no rows, or not two axes.
        """
        values = finite_float64(embeddings, "N E", what)
        if not len(values):
            raise DataError(f"{what}: no rows to take statistics of")
        mean = values.mean(dim=0)
        deviations = values - mean
        return cls(mean, deviations.T @ deviations, len(values))

    @property
    def covariance(self) -> Tensor:
        """Sample covariance (divisor n - 1) [E, E].

        Raises:
            DataError: fewer than 2 rows.
        """
        if self.n < 2:
            raise DataError(f"covariance needs at least 2 rows, got {self.n}")
        return self.scatter / (self.n - 1)

    def merge(self, other: FeatureStatistics) -> FeatureStatistics:
        """Moments of both sets together (Chan et al. 1979)."""
        if self.mean.shape != other.mean.shape:
            raise DataError(f"statistics of widths {len(self.mean)} and {len(other.mean)} do not merge")
        n = self.n + other.n
        shift = other.mean - self.mean
        scatter = self.scatter + other.scatter + torch.outer(shift, shift) * (self.n * other.n / n)
        return FeatureStatistics(self.mean + shift * (other.n / n), scatter, n)


def _square_root(covariance: Tensor) -> Tensor:
    """Symmetric root of a covariance; eigenvalues that rounding made negative count as 0."""
    values, vectors = torch.linalg.eigh(covariance)
    root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    return root


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Fréchet distance of two Gaussians: |mean a - mean b|² + trace(A + B - 2 sqrt(A B)).

    Source: Heusel et al. 2017; text-to-motion ``utils/metrics.py``. Symmetric and never negative. It falls
    with the number of rows even for equal distributions, so values over subsets of different size, or with
    fewer rows than the embedding width, do not compare.

    Raises:
        DataError: widths differ, or a set has fewer than 2 rows.

    >>> rows = torch.eye(3)
    >>> a = FeatureStatistics.from_embeddings(rows)
    >>> b = FeatureStatistics.from_embeddings(rows + torch.tensor([2.0, 0.0, 0.0]))
    >>> round(frechet_distance(a, b), 9)
    4.0
    """
    if a.mean.shape != b.mean.shape:
        raise DataError(f"statistics of widths {len(a.mean)} and {len(b.mean)} do not compare")
    cov_a, cov_b = a.covariance, b.covariance
    overlap = torch.linalg.svdvals(_square_root(cov_a) @ _square_root(cov_b)).sum()
    distance = (a.mean - b.mean).square().sum() + cov_a.trace() + cov_b.trace() - 2 * overlap
    return max(0.0, float(distance))
