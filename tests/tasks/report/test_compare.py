"""Two runs against each other: what compares, and paired differences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from records import LEAD_MLD, MLD, REAL_ROW, made_record, write_run

from leadbench.core.errors import ResultsError
from leadbench.metrics.statistics import t_test
from leadbench.results.rows import Row
from leadbench.tasks.report.compare import write_comparison

FIRST = {MLD: [2.0, 2.1, 1.9], REAL_ROW: [0.1, 0.1, 0.1]}
SECOND = {MLD: [1.0, 1.3, 0.8], LEAD_MLD: [0.5, 0.5, 0.5]}


def run(folder: Path, values: Mapping[Row, list[float]], identity: object = "same", **changes: object) -> Path:
    records = [
        made_record(row, n, metrics={"fid": value}, **changes)
        for row, of in values.items()
        for n, value in enumerate(of)
    ]
    return write_run(folder, records, {"dataset": {"identity": identity}, "seed": folder.name})


def text_of(page: Path) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8")))


def test_differences_are_paired_over_the_replications_of_both(tmp_path: Path) -> None:
    first, second = run(tmp_path / "a", FIRST), run(tmp_path / "b", {**SECOND, MLD: SECOND[MLD][:2]})
    text = text_of(write_comparison(first, second, tmp_path / "page.html"))
    test = t_test([1.0 - 2.0, 1.3 - 2.1])
    assert f"{test.mean:+.4f}" in text
    assert "Only in the first: Real." in text
    assert "Only in the second: LEAD (MLD)." in text
    assert re.search(r"identity\.seed a b", text)


def test_guidance_is_open_where_a_row_has_one(tmp_path: Path) -> None:
    scaled = {MLD.model_copy(update={"guidance": scale}): [scale] * 3 for scale in (2.0,)}
    other = {MLD.model_copy(update={"guidance": scale}): [scale] * 3 for scale in (7.5,)}
    page = write_comparison(run(tmp_path / "a", scaled), run(tmp_path / "b", other), tmp_path / "page.html")
    assert "+5.5000" in text_of(page)


@pytest.mark.parametrize(
    "changes", [{"dataset": "other"}, {"protocol": "mld"}, {"evaluator": "f"}, {"identity": "other content"}]
)
def test_what_does_not_compare_is_refused_and_nothing_written(tmp_path: Path, changes: dict[str, str]) -> None:
    first, second = run(tmp_path / "a", FIRST), run(tmp_path / "b", SECOND, **changes)  # type: ignore[arg-type]
    with pytest.raises(ResultsError, match="do not compare"):
        write_comparison(first, second, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_no_row_in_both(tmp_path: Path) -> None:
    first, second = run(tmp_path / "a", {MLD: [1.0]}), run(tmp_path / "b", {LEAD_MLD: [1.0]})
    with pytest.raises(ResultsError, match="no row is in both"):
        write_comparison(first, second, tmp_path / "page.html")
