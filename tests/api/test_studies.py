"""A study from Python: what cannot be made says why, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from studies import answered, make_study

import leadbench


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"pairs": 1}, "--pairs 1: at least 2 are needed"),
        ({"candidates": 1}, "--candidates 1: at least 2 are needed"),
        ({"checks": 6}, "--checks 6: from 0 to 5"),
    ],
)
def test_content_that_makes_no_study(content: dict[str, int], message: str) -> None:
    with pytest.raises(leadbench.LeadbenchError, match=message):
        leadbench.StudyRequest(**content)  # type: ignore[arg-type]


def test_a_row_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(leadbench.LeadbenchError, match=r"motionclop.*motionclip"):
        leadbench.create_study(tmp_path / "study", "motionclop", "mld")
    assert not (tmp_path / "study").exists()


def test_a_folder_without_a_study(tmp_path: Path) -> None:
    with pytest.raises(leadbench.LeadbenchError, match="no study in it"):
        leadbench.load_study(tmp_path)


def test_answers_are_counted_as_the_command_counts_them(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study")
    with pytest.raises(leadbench.LeadbenchError, match="no answers yet"):
        leadbench.study_results(study, out=tmp_path / "runs")
    answered(study, 3)
    results = leadbench.study_results(tmp_path / "study", out=tmp_path / "runs")
    assert [line["replication"] for line in results.dicts()] == [0, 1, 2, 0, 1, 2]
    assert all(1 <= line["realism"] <= 5 for line in results.dicts())
