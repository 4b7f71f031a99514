"""Estimates over replications and paired differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from leadbench.core.errors import DataError
from leadbench.metrics.statistics import Estimate, estimate, paired_difference


def test_mean_and_half_width_as_the_field_computes_them() -> None:
    values = np.random.default_rng(0).normal(size=20)
    found = estimate(values.tolist())
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.half_width == pytest.approx(1.96 * values.std(ddof=0) / np.sqrt(20), rel=1e-12)
    assert found.n == 20
    # sem has ddof 1; the published formula is narrower by sqrt((n - 1) / n)
    assert found.half_width == pytest.approx(1.96 * stats.sem(values) * np.sqrt(19 / 20), rel=1e-12)


def test_one_replication_has_no_spread() -> None:
    assert estimate([2.5]) == Estimate(2.5, 0.0, 1)


def test_pairs_cancel_what_replications_share() -> None:
    random = np.random.default_rng(1)
    shared = random.normal(scale=10, size=20)
    first, second = shared + random.normal(scale=0.1, size=20), shared + 1 + random.normal(scale=0.1, size=20)
    paired = paired_difference(first.tolist(), second.tolist())
    assert paired.mean == pytest.approx(second.mean() - first.mean(), abs=1e-9)
    assert paired.mean - paired.half_width > 0.8
    assert paired.half_width < estimate(first.tolist()).half_width / 20


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match="no replication"):
        estimate([])
    with pytest.raises(DataError, match="1 and 2 replications"):
        paired_difference([1.0], [1.0, 2.0])
