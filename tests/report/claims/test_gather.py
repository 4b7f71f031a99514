"""A plugin's projector in LEAD's place."""

from __future__ import annotations

from pathlib import Path

import pytest
from records import made_record, run_of

from leadbench.core.errors import UnknownNameError
from leadbench.report.claims.gather import in_leads_place, judge_results
from leadbench.results.rows import Row


def test_its_rows_are_those_that_claims_name_and_leads_are_gone() -> None:
    rows = [Row(backbone="mld", projector=name, steps=50) for name in (None, "lead", "mine")]
    run = run_of(map(made_record, rows), {"mld": "MLD", "lead": "LEAD", "mine": "Mine"})
    assert in_leads_place(run, "lead") is run
    placed = in_leads_place(run, "mine")
    assert [r.row.projector for r in placed.records] == [None, "lead"]
    assert placed.names["lead"] == "Mine"


def test_a_projector_that_no_record_is_of() -> None:
    results = Path(__file__).parents[3] / "results" / "synthetic"
    with pytest.raises(UnknownNameError, match=r"unknown projector 'laed' .*did you mean 'lead'"):
        judge_results(results, projector="laed")
