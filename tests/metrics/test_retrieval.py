"""R-precision and MM-Dist: pools, ties, collapsed models, NaN."""

from __future__ import annotations

import pytest
import reference_metrics
import torch

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.metrics.retrieval import Retrieval, matching_score, r_precision


def score(text: torch.Tensor, motion: torch.Tensor, order: torch.Tensor | None = None) -> Retrieval:
    result = r_precision(text, motion, order=torch.arange(len(text)) if order is None else order)
    assert result is not None
    return result


@pytest.mark.parametrize("pool", [32, 10])
def test_agrees_with_the_slow_reference(pool: int) -> None:
    text = torch.randn(107, 8)
    motion = text + torch.randn(107, 8)
    order = torch.randperm(107)
    result = r_precision(text, motion, order=order, pool=pool, top_k=4)
    assert result is not None
    top, own = reference_metrics.r_precision(text.double().numpy(), motion.double().numpy(), order.tolist(), pool, 4)
    assert result.top == pytest.approx(top, abs=1e-12)
    assert result.matching_score == pytest.approx(own, rel=1e-12)
    assert matching_score(text, motion, order=order, pool=pool) == pytest.approx(own, rel=1e-12)


def test_per_sample_values_belong_to_rows() -> None:
    text, motion, order = torch.randn(70, 4), torch.randn(70, 4), torch.randperm(70)
    result = score(text, motion, order)
    assert torch.equal(result.rows, order[:64])
    assert result.hits.shape == (64, 3)
    assert result.hits.double().mean(dim=0).tolist() == pytest.approx(result.top)
    own = (text - motion).double().norm(dim=1)[result.rows]
    torch.testing.assert_close(result.distances, own, rtol=1e-6, atol=0)


def test_last_incomplete_pool_is_dropped() -> None:
    text, motion = torch.randn(63, 4), torch.randn(63, 4)
    ruined = motion.clone()
    ruined[32:] = 1e3
    assert score(text, motion).top == score(text, ruined).top
    assert score(text, motion).matching_score == score(text, ruined).matching_score


def test_below_one_pool_there_is_no_value() -> None:
    rows = torch.randn(31, 4)
    assert r_precision(rows, rows, order=torch.arange(31)) is None
    assert matching_score(rows, rows, order=torch.arange(31)) is None


def test_identical_embeddings_are_perfect() -> None:
    """|a|^2 + |b|^2 - 2ab in float32 makes some of these distances NaN."""
    rows = torch.randn(64, 512) * 30
    result = score(rows, rows)
    assert result.top == (1.0, 1.0, 1.0)
    assert result.matching_score == 0.0


def test_a_model_whose_motions_are_all_alike_scores_at_chance() -> None:
    text, motion = torch.randn(320, 16), torch.randn(1, 16).expand(320, 16)
    assert score(text, motion, torch.randperm(320)).top == pytest.approx((1 / 32, 2 / 32, 3 / 32), abs=1e-12)


def test_unrelated_embeddings_score_at_chance() -> None:
    text, motion = torch.randn(6400, 16), torch.randn(6400, 16)
    assert score(text, motion).top[2] == pytest.approx(3 / 32, abs=0.015)


@pytest.mark.parametrize("which", ["text", "motion"])
def test_nan_is_refused_and_never_a_match(which: str) -> None:
    rows = {"text": torch.randn(40, 4), "motion": torch.randn(40, 4)}
    rows[which][39, 2] = float("nan")  # even in the pool that would be dropped
    with pytest.raises(NonFiniteError, match=f"{which} embeddings: 1 of 40 rows"):
        score(rows["text"], rows["motion"])


def test_bad_input_is_refused() -> None:
    rows = torch.randn(32, 4)
    with pytest.raises(DataError, match="not a permutation"):
        score(rows, rows, torch.zeros(32, dtype=torch.long))
    with pytest.raises(DataError, match="not a permutation"):
        score(rows, rows, torch.arange(31))
    with pytest.raises(DataError, match="do not all lie in 0 to 31"):
        score(rows, rows, torch.arange(1, 33))
    with pytest.raises(DataError, match="must be integers"):
        score(rows, rows, torch.arange(32.0))
    with pytest.raises(DataError, match="differ"):
        score(rows, torch.randn(33, 4))
    with pytest.raises(DataError, match="top_k 5"):
        r_precision(rows, rows, order=torch.arange(32), pool=4, top_k=5)
    with pytest.raises(DataError, match="pool size 0"):
        matching_score(rows, rows, order=torch.arange(32), pool=0)
