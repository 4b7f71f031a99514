from __future__ import annotations

import json

import pytest

from leadbench.core.errors import ConfigError
from leadbench.report.published import published, render_published


def test_every_table_is_there() -> None:
    assert [len(published().table(number)) for number in range(1, 7)] == [18, 15, 7, 5, 7, 7]


@pytest.mark.parametrize(
    ("table", "row", "steps", "metric", "mean", "half_width"),
    [
        (1, "MLD", None, "fid", 0.473, 0.013),
        (1, "LEAD (MLD)", None, "multimodality", 2.902, 0.015),
        (2, "LEAD (MLD)", None, "diversity", 11.099, 0.080),
        (3, "MTI_lead", None, "fid", 3.042, None),
        (5, "LEAD (MotionLCM)", 2, "r_precision_1", 0.518, 0.003),
        (6, "LEAD w/o KL", None, "r_precision_3", 0.766, None),
    ],
)
def test_numbers_of_the_paper(
    table: int, row: str, steps: int | None, metric: str, mean: float, half_width: float | None
) -> None:
    found = next(entry for entry in published().table(table) if (entry.row, entry.steps) == (row, steps))
    assert (found.metrics[metric].mean, found.metrics[metric].half_width) == (mean, half_width)


def test_contradictions_are_told() -> None:
    assert "0.137" in render_published(1)
    assert "0.109" in render_published(6)


def test_formats() -> None:
    assert "| LEAD (MotionLCM) | 0.296±0.007" in render_published(5).replace("  ", " ").replace("  ", " ")
    assert json.loads(render_published(3, "json"))["rows"][1]["row"].endswith("not projected")
    assert render_published(2, "csv").count("\n") == 15
    with pytest.raises(ConfigError, match="tables 1 to 6"):
        render_published(7)
