"""Diversity and MultiModality: mean distances of random pairs, drawn without replacement.

Each index set is drawn without replacement, as in text-to-motion ``utils/metrics.py``; first and second set
are drawn independently, so that a pair may consist of one row twice. With replacement, or for another
number of pairs, values do not compare with published ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leadbench.core.errors import DataError
from leadbench.metrics.arrays import ArrayLike, IndexLike, finite_float64, row_indices

DIVERSITY_PAIRS = 300
MULTIMODALITY_PAIRS = 10


@dataclass(frozen=True, eq=False)
class Pairs:
    """Index sets ``first`` and ``second`` [K] over ``rows`` rows; ``wanted`` is the published number of pairs."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    rows: int
    wanted: int

    @property
    def count(self) -> int:
        """K, the number of pairs drawn."""
        return len(self.first)

    @property
    def usable(self) -> bool:
        """Whether a mean distance says anything: at least two pairs, and one of two different rows."""
        return self.count > 1 and bool((self.first != self.second).any())

    @property
    def note(self) -> str | None:
        """What to tell the reader when fewer pairs than published were drawn, else None."""
        if not self.usable:
            of = "of one sample with itself" if not (self.first != self.second).any() else "too few"
            return f"not available: {self.count} pair{'s' if self.count > 1 else ''} of {self.rows} samples, {of}"
        if self.count == self.wanted:
            return None
        return f"{self.count} pairs instead of {self.wanted} ({self.rows} samples)"


def diversity_pair_count(rows: int, wanted: int = DIVERSITY_PAIRS) -> int:
    """Pairs to draw from ``rows`` samples: ``wanted``, on small sets a third of the rows, at least 1.

    >>> diversity_pair_count(4384), diversity_pair_count(352), diversity_pair_count(2)
    (300, 117, 1)
    """
    return max(1, min(wanted, rows // 3))


def draw_pairs(rows: int, count: int, generator: np.random.Generator, wanted: int | None = None) -> Pairs:
    """Draw two index sets of ``count`` out of ``rows``, each without replacement.

    Args:
        rows: samples to draw from (diversity), or repeats per prompt (multimodality).
        count: pairs, at most ``rows``.
        generator: source of randomness, keyed by the caller.
        wanted: the published number, if ``count`` was reduced.

    Raises:
        DataError: ``count`` is below 1 or above ``rows``.

    >>> pairs = draw_pairs(352, diversity_pair_count(352), np.random.default_rng(0), wanted=DIVERSITY_PAIRS)
    >>> pairs.note
    '117 pairs instead of 300 (352 samples)'
    """
    if not 1 <= count <= rows:
        raise DataError(f"{count} pairs cannot be drawn without replacement from {rows} rows (allowed: 1 to {rows})")
    first = generator.choice(rows, count, replace=False)
    second = generator.choice(rows, count, replace=False)
    return Pairs(first.astype(np.int64), second.astype(np.int64), rows, count if wanted is None else wanted)


def diversity(embeddings: ArrayLike, first: IndexLike, second: IndexLike) -> float:
    """Mean Euclidean distance between rows ``first`` [K] and ``second`` [K] of ``embeddings`` [N, E].

    Better when nearest to the value of real motions, not when largest.

    Raises:
        NonFiniteError: NaN or infinite embeddings.
        DataError: index sets of different length, or out of range.

    >>> diversity(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([0, 1]), np.array([1, 1]))
    2.5
    """
    values = finite_float64(embeddings, "N E", "embeddings")
    a, b = row_indices(first, len(values), "first"), row_indices(second, len(values), "second")
    if len(a) != len(b) or not len(a):
        raise DataError(f"{len(a)} first and {len(b)} second indices do not make pairs")
    return float((values[a] - values[b]).norm(dim=1).mean())


def multimodality(embeddings: ArrayLike, first: IndexLike, second: IndexLike) -> float:
    """Mean distance between repeats of one prompt, over prompts: ``embeddings`` [P, R, E], indices [K] into R.

    One index pair set serves all prompts, as officially. The embeddings must come from motions normalised by
    the evaluator's statistics, like everything else that is embedded.

    Raises:
        NonFiniteError: NaN or infinite embeddings.
        DataError: no prompts, index sets of different length, or out of range.

    >>> repeats = np.array([[[0.0], [1.0]], [[0.0], [3.0]]])
    >>> multimodality(repeats, np.array([0]), np.array([1]))
    2.0
    """
    values = finite_float64(embeddings, "P R E", "embeddings of repeats")
    a, b = row_indices(first, values.shape[1], "first"), row_indices(second, values.shape[1], "second")
    if len(a) != len(b) or not len(a) or not len(values):
        raise DataError(f"{len(values)} prompts with {len(a)} first and {len(b)} second indices do not make pairs")
    return float((values[:, a] - values[:, b]).norm(dim=2).mean())
