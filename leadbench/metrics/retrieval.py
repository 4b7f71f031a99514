"""R-precision and multimodal distance (MM-Dist, "matching score") over pools of 32.

Pitfalls that the official implementations fall into and these functions do not: distances by
|a|² + |b|² - 2ab in float32 turn into NaN for near-identical rows, and NaN replaced by 0 is a perfect match;
a model whose motions are all alike must score at chance, not perfectly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from leadbench.core.errors import DataError
from leadbench.metrics.arrays import ArrayLike, IndexLike, finite_float64, row_indices

POOL = 32
"""Texts and motions of a pool: one own motion, 31 distractors."""


@dataclass(frozen=True, eq=False)
class Retrieval:
    """R-precision and MM-Dist of one permutation, with what each sample contributed (for paired statistics).

    ``top[k - 1]`` is R-precision at k; ``matching_score`` the mean distance of a text to its own motion.
    ``rows`` [n] are the input rows that filled complete pools, in pool order; ``hits`` [n, top_k] is True
    where the own motion of that row is among the nearest 1, ..., top_k; ``distances`` [n] the own distances.
    """

    top: tuple[float, ...]
    matching_score: float
    rows: Tensor
    hits: Tensor
    distances: Tensor
    pool: int


def _pool_distances(text: ArrayLike, motion: ArrayLike, order: IndexLike, pool: int) -> tuple[Tensor, Tensor] | None:
    """Rows in pool order [n] and distances [n // pool, pool, pool] (text by motion), None without a full pool."""
    texts, motions = finite_float64(text, "N E", "text embeddings"), finite_float64(motion, "N E", "motion embeddings")
    if texts.shape != motions.shape:
        raise DataError(f"text embeddings {tuple(texts.shape)} and motion embeddings {tuple(motions.shape)} differ")
    if pool < 1:
        raise DataError(f"pool size {pool} must be at least 1")
    index = row_indices(order, len(texts), "order")
    if len(index) != len(texts) or len(index.unique()) != len(texts):
        raise DataError(f"order: {len(index)} indices are not a permutation of {len(texts)} rows")
    pools = len(index) // pool
    if pools == 0:
        return None
    rows = index[: pools * pool]
    shape = (pools, pool, texts.shape[1])
    # Differences rather than the |a|^2 + |b|^2 - 2ab shortcut: equal rows are at distance 0 exactly.
    distances = torch.cdist(
        texts[rows].reshape(shape), motions[rows].reshape(shape), compute_mode="donot_use_mm_for_euclid_dist"
    )
    return rows, distances


def r_precision(
    text: ArrayLike, motion: ArrayLike, *, order: IndexLike, pool: int = POOL, top_k: int = 3
) -> Retrieval | None:
    """R-precision at 1 .. ``top_k`` and MM-Dist; None when there are fewer rows than one pool.

    A text is a hit at k when its own motion is among the k nearest (Euclidean) motions of its pool. Motions
    at equal distances rank by their place in the pool, so identical motions score at chance.
    Source: text-to-motion ``utils/metrics.py`` and ``final_evaluations.py``.

    Args:
        text: [N, E] text embeddings; row i belongs to motion row i.
        motion: [N, E] motion embeddings.
        order: permutation [N] that shuffles both before they are cut into pools; rows left over after the
            last complete pool are dropped. Pools of file neighbours are not comparable with published numbers.
        pool: texts and motions in a pool; published numbers use 32.
        top_k: how many nearest motions to look at, at most ``pool``.

    Raises:
        NonFiniteError: NaN or infinite embeddings.
        DataError: shapes differ, ``order`` is not a permutation, or ``top_k`` does not fit the pool.

    >>> rows = torch.eye(4)
    >>> result = r_precision(rows, rows.roll(1, dims=0), order=torch.arange(4), pool=4)
    >>> result.top, round(result.matching_score, 4)
    ((0.0, 0.25, 0.5), 1.4142)
    """
    if not 1 <= top_k <= pool:
        raise DataError(f"top_k {top_k} must lie between 1 and the pool size {pool}")
    pooled = _pool_distances(text, motion, order, pool)
    if pooled is None:
        return None
    rows, distances = pooled
    ranking = distances.argsort(dim=2, stable=True)
    own = torch.arange(pool)[None, :, None]
    rank = (ranking == own).int().argmax(dim=2).flatten()
    hits = rank[:, None] < torch.arange(1, top_k + 1)
    own_distances = distances.diagonal(dim1=1, dim2=2).flatten()
    return Retrieval(
        top=tuple(hits.double().mean(dim=0).tolist()),
        matching_score=float(own_distances.mean()),
        rows=rows,
        hits=hits,
        distances=own_distances,
        pool=pool,
    )


def matching_score(text: ArrayLike, motion: ArrayLike, *, order: IndexLike, pool: int = POOL) -> float | None:
    """MM-Dist alone: the mean distance of texts to their own motions over the complete pools of ``order``.

    Same arguments, errors and None as :func:`r_precision`, which returns the value too.

    >>> matching_score(torch.zeros(2, 2), torch.tensor([[3.0, 4.0], [0.0, 1.0]]), order=torch.arange(2), pool=2)
    3.0
    """
    pooled = _pool_distances(text, motion, order, pool)
    return None if pooled is None else float(pooled[1].diagonal(dim1=1, dim2=2).mean())
