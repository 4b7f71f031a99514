"""Plots of points: every motion once, colours for some labels, and a text for those who cannot see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leadbench.core.errors import ResultsError
from leadbench.report.pages.charts import scatter
from leadbench.results.points import LatentPoints, read_points, write_points


def test_points_keep_their_captions_and_rare_labels_are_grey() -> None:
    points = [((float(n), -float(n)), f"action {n % 11}", f"caption <{n}>") for n in range(40)]
    chart = scatter("Latents", points)
    values = chart.spec["data"]["values"]
    assert [(value["x"], value["caption"]) for value in values] == [(p[0][0], p[2]) for p in points]
    named = chart.spec["encoding"]["color"]["scale"]["domain"]
    assert len(named) == 8
    assert {value["label"] for value in values} == {*named, "others"}
    assert "4 of action 0" in chart.text
    assert "3 of action 10" in chart.text


def test_points_are_read_as_it_was_written(tmp_path: Path) -> None:
    found = LatentPoints(labels=("a", "b"), captions=("x", "y"), spaces={"latents": ((0.5, 1.0), (2.0, 3.0))})
    assert read_points(tmp_path) is None
    path = write_points(found, tmp_path)
    assert read_points(tmp_path) == found
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "labels": ["a"]}))
    with pytest.raises(ResultsError, match="labels, captions and spaces of"):
        read_points(tmp_path)
