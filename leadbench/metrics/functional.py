"""The paper's metrics on one's own arrays: arrays or tensors in, floats out, nothing to be drawn beforehand."""

from __future__ import annotations

import numpy as np

from leadbench.core.errors import DataError
from leadbench.core.random import stream
from leadbench.metrics import diversity as pairs
from leadbench.metrics import retrieval
from leadbench.metrics.arrays import ArrayLike, IndexLike, finite_float64
from leadbench.metrics.frechet import FeatureStatistics, frechet_distance


def fid(real: ArrayLike, generated: ArrayLike) -> float:
    """Fréchet distance of two sets of embeddings [N, E] and [K, E] (Heusel et al. 2017).

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: other than two axes, fewer than 2 rows, or sets of different width.

    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(100, 4))
    >>> round(fid(rows, rows + [3, 0, 0, 0]), 6)
    9.0
    """
    of = FeatureStatistics.from_embeddings
    return frechet_distance(of(real, "real embeddings"), of(generated, "generated embeddings"))


def r_precision(
    text: ArrayLike,
    motion: ArrayLike,
    *,
    top_k: int = 3,
    pool: int = retrieval.POOL,
    seed: int = 0,
    order: IndexLike | None = None,
) -> tuple[float, ...]:
    """R-precision at 1 to ``top_k`` over pools of ``pool`` rows (Guo et al. 2022).

    Args:
        text: embeddings [N, E].
        motion: embeddings [N, E]; row i of both belongs together.
        seed: of the permutation that fills the pools; rows beyond the last full pool are left out.
        order: the permutation itself.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: arrays that do not fit each other, or fewer rows than one pool.

    >>> import numpy as np
    >>> rows = np.random.default_rng(0).normal(size=(64, 8))
    >>> r_precision(rows, rows)
    (1.0, 1.0, 1.0)
    """
    return _retrieval(text, motion, top_k, pool, seed, order).top


def mm_dist(
    text: ArrayLike, motion: ArrayLike, *, pool: int = retrieval.POOL, seed: int = 0, order: IndexLike | None = None
) -> float:
    """Multimodal distance: mean Euclidean distance of texts to their own motions, over the rows of full pools.

    Raises:
        NonFiniteError, DataError: see :func:`r_precision`.

    >>> import numpy as np
    >>> mm_dist(np.zeros((32, 2)), np.ones((32, 2)) * [3, 4])
    5.0
    """
    return _retrieval(text, motion, 1, pool, seed, order).matching_score


def diversity(embeddings: ArrayLike, *, count: int = pairs.DIVERSITY_PAIRS, seed: int = 0) -> float:
    """Mean distance of random pairs of rows of [N, E]; on small sets a third of the rows make pairs.

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: fewer than 2 rows.

    >>> import numpy as np
    >>> diversity(np.zeros((10, 2)))
    0.0
    """
    rows = len(finite_float64(embeddings, "N E", "embeddings"))
    if rows < 2:
        raise DataError(f"diversity needs at least 2 rows, got {rows}")
    drawn = pairs.draw_pairs(rows, pairs.diversity_pair_count(rows, count), stream(seed, "diversity"))
    return pairs.diversity(embeddings, drawn.first, drawn.second)


def multimodality(embeddings: ArrayLike, *, count: int = 10, seed: int = 0) -> float:
    """Mean distance of random pairs of repeats of one prompt, over prompts: embeddings [P, R, E].

    Raises:
        NonFiniteError: NaN or infinite values.
        DataError: fewer than 2 repeats.

    >>> import numpy as np
    >>> multimodality(np.zeros((4, 20, 2)))
    0.0
    """
    repeats = finite_float64(embeddings, "P R E", "embeddings of repeats").shape[1]
    if repeats < 2:
        raise DataError(f"multimodality needs at least 2 repeats of each prompt, got {repeats}")
    drawn = pairs.draw_pairs(repeats, min(count, repeats), stream(seed, "multimodality"))
    return pairs.multimodality(embeddings, drawn.first, drawn.second)


def _retrieval(
    text: ArrayLike, motion: ArrayLike, top_k: int, pool: int, seed: int, order: IndexLike | None
) -> retrieval.Retrieval:
    rows = len(finite_float64(text, "N E", "text embeddings"))
    permutation = np.asarray(stream(seed, "pools").permutation(rows)) if order is None else order
    found = retrieval.r_precision(text, motion, order=permutation, pool=pool, top_k=top_k)
    if found is None:
        raise DataError(f"{rows} rows do not fill a pool of {pool}; give more rows or a smaller pool")
    return found
