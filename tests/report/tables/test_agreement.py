"""Whether evaluators order models alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from records import made_record, run_of
from scipy.stats import kendalltau

from leadbench.core.errors import ResultsError
from leadbench.report.tables.agreement import agreement
from leadbench.results.records import Run
from leadbench.results.rows import Row

FID = {1: 0.3, 2: 0.2, 4: 0.4, 8: 0.1}


def scored(evaluator: str, values: Mapping[int, float], **changes: Any) -> Run:
    """Two replications of each number of steps."""
    return run_of(
        made_record(
            Row(backbone="mld", steps=steps),
            replication,
            evaluator=evaluator,
            metrics={"fid": value + 0.01 * replication, "r_precision_1": 1 - value},
            **changes,
        )
        for steps, value in values.items()
        for replication in range(2)
    )


def lines(first: Run, second: Run) -> dict[str, dict[str, Any]]:
    found = json.loads(agreement([first, second], "json"))
    rows = found["rows"] if isinstance(found, dict) else found
    return {row["metric"]: row for row in rows}


def test_orders_that_agree_and_that_do_not() -> None:
    assert lines(scored("a", FID), scored("b", {k: 2 * v for k, v in FID.items()}))["FID"]["tau"] == pytest.approx(1)
    reversed_fid = {steps: 1 - value for steps, value in FID.items()}
    found = lines(scored("a", FID), scored("b", reversed_fid))
    assert found["FID"]["tau"] == pytest.approx(-1)
    assert found["R@1"]["tau"] == pytest.approx(-1)
    assert found["FID"]["rows"] == 4
    assert "MM-Dist" not in found  # nobody measured it


def test_only_rows_that_both_scored_count() -> None:
    other = {1: 0.1, 2: 0.3, 4: 0.2, 16: 0.0}
    found = lines(scored("a", FID), scored("b", other))["FID"]
    assert found["rows"] == 3
    assert found["tau"] == pytest.approx(kendalltau([0.3, 0.2, 0.4], [0.1, 0.3, 0.2]).statistic)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (scored("a", FID), "2 runs of 1 evaluators"),
        (scored("b", FID, dataset="other"), "runs of 2 datasets do not compare: made, other"),
        (scored("b", FID, protocol="mld"), "runs of 2 protocols do not compare"),
        (scored("b", {1: 0.1, 16: 0.2}), "1 rows are in both; needed to compare orders: 3"),
        (run_of([]), "no records"),
    ],
)
def test_runs_that_do_not_compare(second: Run, said: str) -> None:
    with pytest.raises(ResultsError, match=said):
        agreement([scored("a", FID), second])
