"""Retrieval in a whole gallery: numbers of TMR's public code, and an independent ranking."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from leadbench.core.errors import DataError
from leadbench.metrics.gallery import KS, alike_captions, dissimilar_rows, gallery_ranks, pooled_recall
from leadbench.metrics.retrieval import r_precision

Array = NDArray[np.float64]

# all_contrastive_metrics of src/model/metrics.py of github.com/Mathux/TMR at 6d74688730, on the arrays of `recorded`,
# similarity: the negative distance; R@1, 2, 3, 5, 10 in per cent, and the median rank
ALL = {
    "t2m": (48.333333, 66.666667, 76.666667, 85.0, 93.333333, 2.0),
    "m2t": (63.333333, 80.0, 83.333333, 90.0, 95.0, 1.0),
}
ALIKE = {
    "t2m": (50.0, 68.333333, 78.333333, 86.666667, 93.333333, 1.5),
    "m2t": (65.0, 81.666667, 86.666667, 91.666667, 96.666667, 1.0),
}


def recorded() -> tuple[Array, Array, Array]:
    """Texts and motions with ties, and captions of which twenty are like twenty others."""
    generator = np.random.default_rng(0)
    text = generator.normal(size=(60, 6))
    motion = text + 0.7 * generator.normal(size=(60, 6))
    motion[7], text[11] = motion[3], text[5]
    captions = generator.normal(size=(60, 5))
    captions[:20] = captions[20:40] + 0.1 * generator.normal(size=(20, 5))
    return text, motion, captions


@pytest.mark.parametrize("way", ["t2m", "m2t"])
def test_the_numbers_of_tmrs_code(way: str) -> None:
    text, motion, captions = recorded()
    for wanted, alike in ((ALL, None), (ALIKE, alike_captions(captions))):
        found = gallery_ranks(text, motion, alike=alike, direction=way)
        assert [100 * found.recall(k) for k in KS] == pytest.approx(wanted[way][:5], rel=1e-6)
        assert found.median == wanted[way][5]


def test_ranks_one_by_one() -> None:
    text, motion, _ = recorded()
    for way, queries, answers in (("t2m", text, motion), ("m2t", motion, text)):
        found = gallery_ranks(text, motion, direction=way).ranks
        for i, query in enumerate(queries):
            distances = [math.dist(query, answer) for answer in answers]
            nearer = sum(d < distances[i] for d in distances)
            ties = sum(d == distances[i] for d in distances)
            assert float(found[i]) == nearer + (ties - 1) / 2


def test_motions_that_are_all_alike_rank_in_the_middle() -> None:
    found = gallery_ranks(np.random.default_rng(0).normal(size=(50, 4)), np.zeros((50, 4)))
    assert set(found.ranks.tolist()) == {24.5}
    assert (found.recall(10), found.median) == (0.0, 25.5)


def test_captions_alike() -> None:
    _, _, captions = recorded()
    alike = alike_captions(captions)
    assert bool((alike == alike.T).all())
    unit = captions / np.linalg.norm(captions, axis=1, keepdims=True)
    for i in range(60):
        for j in range(60):
            assert bool(alike[i, j]) == (i == j or unit[i] @ unit[j] > 0.9)
    assert alike_captions(captions, 1.0).sum() == 60


def test_dissimilar_captions_are_less_alike_than_any() -> None:
    _, _, captions = recorded()
    chosen = dissimilar_rows(captions, 10)
    assert len(set(chosen.tolist())) == 10
    unit = torch.nn.functional.normalize(torch.from_numpy(captions), dim=1)

    def likest(rows: torch.Tensor) -> float:
        cosines = unit[rows] @ unit[rows].T - 2 * torch.eye(len(rows))
        return float(cosines.max())

    drawn = [torch.randperm(60, generator=torch.Generator().manual_seed(i))[:10] for i in range(50)]
    assert likest(chosen) < min(map(likest, drawn))
    assert dissimilar_rows(captions, 100).sort().values.tolist() == list(range(60))


def test_pools_of_32_are_r_precision() -> None:
    generator = np.random.default_rng(3)
    text = generator.normal(size=(70, 4))
    motion = text + generator.normal(size=(70, 4))
    order = torch.from_numpy(generator.permutation(70))
    wanted = r_precision(text, motion, order=order)
    assert wanted is not None
    assert [pooled_recall(text, motion, order, 32, k) for k in (1, 2, 3)] == pytest.approx(wanted.top)
    whole = gallery_ranks(text, motion).recall(1)
    assert pooled_recall(text, motion, order, 70) == pytest.approx(whole)
    assert pooled_recall(text, motion, order, 71) is None


def test_larger_pools_are_harder_and_alike_captions_easier() -> None:
    text, motion, captions = recorded()
    order = torch.arange(60)
    found = [pooled_recall(text, motion, order, size) or 0.0 for size in (5, 15, 30, 60)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]
    alike = pooled_recall(text, motion, order, 60, 1, alike_captions(captions))
    assert alike is not None
    assert alike > found[-1]


def test_what_does_not_fit_is_told() -> None:
    text, motion, _ = recorded()
    with pytest.raises(DataError, match="direction 'both'"):
        gallery_ranks(text, motion, direction="both")
    with pytest.raises(DataError, match="differ"):
        gallery_ranks(text, motion[:5])
    with pytest.raises(DataError, match="True on the diagonal"):
        gallery_ranks(text, motion, alike=torch.zeros(60, 60, dtype=torch.bool))
