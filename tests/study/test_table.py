"""What a study's tables say, against numbers computed from the ratings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from records import LEAD_MLD, MLD, REAL_ROW, made_record, run_of

from leadbench.core.errors import ResultsError
from leadbench.results.records import Record, Run
from leadbench.study.power import measured_spread
from leadbench.study.table import compare, render

PEOPLE, PAIRS = 6, 4


def ratings(seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(1, 6, (2, 2, PEOPLE, PAIRS))  # side, part, person, pair


def study(rated: NDArray[np.int64]) -> Run:
    return run_of(_records(rated))


def _records(rated: NDArray[np.int64]) -> list[Record]:
    return [
        made_record(
            row,
            person,
            task="study",
            metrics={part: float(rated[side, at, person].mean()) for at, part in enumerate(("realism", "relevance"))},
            details={
                "ratings": {
                    part: {f"pair-{pair}": int(rated[side, at, person, pair]) for pair in range(PAIRS)}
                    for at, part in enumerate(("realism", "relevance"))
                },
                "pairs": "4 pairs, drawn of 9",
                "participants": {"age": {"under-25": 2, "not said": 4}},
                "left_out": {"did not finish": 3},
                "minutes": 7.5,
            },
        )
        for person in range(PEOPLE)
        for side, row in enumerate((MLD, LEAD_MLD))
    ]


def test_comparisons_are_of_the_second_row_less_the_first() -> None:
    rated = ratings(0)
    rows, found = compare(study(rated))
    assert rows == (MLD, LEAD_MLD)
    for at, item in enumerate(found):
        difference = rated[1, at] - rated[0, at]
        assert item.test.mean == pytest.approx(difference.mean())
        assert item.preferred == pytest.approx(
            ((difference > 0).mean(), (difference == 0).mean(), (difference < 0).mean())
        )
        assert sum(item.preferred) == pytest.approx(1)


def test_participants_agree_wholly_where_all_rate_alike() -> None:
    rated = np.broadcast_to(ratings(1)[:, :, :1], (2, 2, PEOPLE, PAIRS))
    assert [item.alpha for item in compare(study(rated))[1]] == pytest.approx([1, 1])


def test_the_page_has_means_people_and_who_was_left_out() -> None:
    rated = ratings(2)
    text = render(study(rated))
    assert f"{rated[0, 0].mean():.3f}±" in text
    assert "LEAD (MLD) less MLD" in text
    assert "under-25 |        2 | 33 %" in text
    assert "left out: 3 did not finish" in text
    assert "median time 7.5 minutes" in text


def test_three_rows_are_no_study() -> None:
    records = [*_records(ratings(3)), made_record(REAL_ROW, task="study", details={"ratings": {}, "pairs": ""})]
    with pytest.raises(ResultsError, match="3 rows; a study compares two"):
        compare(run_of(records))


def test_people_who_rated_other_pairs_do_not_compare() -> None:
    records = _records(ratings(4))
    other = records[2].details.model_copy(update={"ratings": {"realism": {"pair-9": 1}, "relevance": {"pair-9": 1}}})
    records[2] = records[2].model_copy(update={"details": other})
    with pytest.raises(ResultsError, match="rated different pairs"):
        compare(run_of(records))


def test_a_pilot_is_a_study(tmp_path: Path) -> None:
    from records import write_run

    write_run(tmp_path / "run", [made_record(MLD), made_record(MLD, 1)])
    with pytest.raises(ResultsError, match=r"--pilot .*a run of t2m; needed: one of leadbench study results"):
        measured_spread(tmp_path / "run")
    write_run(tmp_path / "pilot", _records(ratings(5)))
    spread = measured_spread(tmp_path / "pilot")
    assert set(spread) == {"realism", "relevance"}
    difference = (ratings(5)[1] - ratings(5)[0])[0]
    total = spread["realism"].participants ** 2 + spread["realism"].pairs ** 2 + spread["realism"].rest ** 2
    assert total == pytest.approx(difference.var(ddof=1), rel=0.35)
