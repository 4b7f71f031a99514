"""Ratings: the crossed test against a mixed model, alpha against another implementation, power against simulation."""

from __future__ import annotations

import krippendorff
import numpy as np
import pandas
import pytest
import statsmodels.formula.api as formulas

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.metrics.ratings import Spread, crossed_power, crossed_spread, crossed_test, krippendorff_alpha


def crossed(rng: np.random.Generator, people: int, pairs: int, spread: Spread, mean: float = 0.0) -> np.ndarray:
    by_person = rng.normal(0, spread.participants, (people, 1))
    by_pair = rng.normal(0, spread.pairs, (1, pairs))
    return mean + by_person + by_pair + rng.normal(0, spread.rest, (people, pairs))


def mixed_model(values: np.ndarray) -> tuple[float, float, tuple[float, float, float]]:
    """Mean, its standard error, and deviations, by restricted maximum likelihood with crossed random effects."""
    people, pairs = np.indices(values.shape)
    frame = pandas.DataFrame({"d": values.ravel(), "person": people.ravel(), "pair": pairs.ravel(), "all": 1})
    parts = {"person": "0 + C(person)", "pair": "0 + C(pair)"}
    fitted = formulas.mixedlm("d ~ 1", frame, groups="all", vc_formula=parts, re_formula="0").fit(reml=True)
    by_name = dict(zip(fitted.model.exog_vc.names, np.sqrt(fitted.vcomp), strict=True))
    deviations = (by_name["person"], by_name["pair"], float(np.sqrt(fitted.scale)))
    return float(fitted.params["Intercept"]), float(fitted.bse["Intercept"]), deviations


def test_components_and_error_are_those_of_a_mixed_model() -> None:
    values = crossed(np.random.default_rng(3), 12, 8, Spread(0.8, 0.9, 1.0), 0.5)
    mean, error, deviations = mixed_model(values)
    found, spread = crossed_test(values), crossed_spread(values)
    assert (spread.participants, spread.pairs, spread.rest) == pytest.approx(deviations, rel=2e-3)
    assert found.mean == pytest.approx(mean, abs=1e-9)
    assert found.n == 12
    from scipy import stats

    freedom = next(f for f in np.linspace(1, 40, 390_001) if stats.t.ppf(0.975, f) * error <= found.high - found.mean)
    assert 1 < freedom < 18  # fewer than both effects have together: 11 and 7
    assert found.p_value == pytest.approx(2 * stats.t.sf(mean / error, freedom), rel=2e-2)


@pytest.mark.parametrize("spread", [Spread(0.5, 0.6, 1.0), Spread(0, 0, 1.0), Spread(1.0, 0, 0.3), Spread(0, 1.0, 0.3)])
def test_of_no_difference_at_most_one_in_twenty_is_found(spread: Spread) -> None:
    """Fewer where a component is nothing: its estimate can only be too large."""
    rng = np.random.default_rng(0)
    found = [crossed_test(crossed(rng, 15, 8, spread)).p_value < 0.05 for _ in range(3_000)]
    assert 0.015 < np.mean(found) < 0.065


def test_a_test_over_participants_alone_finds_what_is_not_there() -> None:
    """Why pairs are random too: motions that differ from one another look like a difference of methods."""
    rng = np.random.default_rng(0)
    found = [crossed(rng, 30, 8, Spread(0.3, 0.9, 1.0)).mean(axis=1) for _ in range(1_000)]
    naive = [abs(row.mean()) / (row.std(ddof=1) / np.sqrt(30)) > 2.045 for row in found]
    assert np.mean(naive) > 0.3


def test_power_is_that_of_simulated_studies() -> None:
    spread, rng = Spread(0.45, 0.7, 1.1), np.random.default_rng(1)
    for people, pairs, difference in ((40, 10, 0.85), (12, 10, 0.6), (20, 4, 1.0)):
        found = [crossed_test(crossed(rng, people, pairs, spread, difference)).p_value < 0.05 for _ in range(2_000)]
        assert crossed_power(difference, spread, people, pairs) == pytest.approx(np.mean(found), abs=0.04)
    assert crossed_power(0.0, spread, 40, 10) == pytest.approx(0.05, abs=1e-6)
    assert crossed_power(50.0, spread, 40, 10) == pytest.approx(1.0)


def test_power_grows_with_the_difference_and_is_a_number_everywhere() -> None:
    for people in (2, 5, 40, 200):
        for pairs in (2, 10, 60):
            found = [crossed_power(size, Spread(0.5, 0.7, 1.1), people, pairs) for size in np.linspace(0, 20, 400)]
            assert np.isfinite(found).all()
            assert (np.diff(found) > -1e-9).all()


@pytest.mark.parametrize("level", ["ordinal", "interval"])
def test_alpha_is_that_of_another_implementation(level: str) -> None:
    rng = np.random.default_rng(2)
    quality = rng.integers(1, 6, (1, 25))
    ratings = np.clip(quality + rng.integers(-1, 2, (9, 25)), 1, 5).astype(float)
    ratings[rng.random(ratings.shape) < 0.2] = np.nan
    reference = krippendorff.alpha(reliability_data=ratings, level_of_measurement=level)
    assert krippendorff_alpha(ratings, level) == pytest.approx(reference, abs=1e-9)  # type: ignore[arg-type]
    assert 0.3 < reference < 0.9


def test_alpha_of_agreement_and_of_chance() -> None:
    rng = np.random.default_rng(4)
    assert krippendorff_alpha(np.tile(np.arange(1.0, 6.0), (4, 1))) == 1
    assert abs(krippendorff_alpha(rng.integers(1, 6, (40, 200)).astype(float))) < 0.02
    assert np.isnan(krippendorff_alpha(np.full((3, 4), 2.0)))


def test_what_cannot_be_tested_is_refused() -> None:
    with pytest.raises(DataError, match="1 participants and 5 pairs"):
        crossed_test(np.zeros((1, 5)))
    with pytest.raises(NonFiniteError, match="NaN"):
        crossed_test(np.array([[1.0, np.nan], [0.0, 1.0]]))
    with pytest.raises(DataError, match="rated twice"):
        krippendorff_alpha(np.array([[1.0, 2.0]]))


def test_ratings_that_never_vary_leave_no_doubt() -> None:
    found = crossed_test(np.ones((5, 4)))
    assert (found.mean, found.low, found.high) == (1, 1, 1)
    assert found.p_value == 0
    assert crossed_test(np.zeros((5, 4))).p_value == 1
