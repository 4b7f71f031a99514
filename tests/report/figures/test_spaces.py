"""Pictures of spaces: every label has a look of its own, and clear errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib import colors, image

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.report.figures.spaces import COLOURS, OTHER, SHAPES, Panel, draw_spaces


def pixels(picture: np.ndarray, colour: str) -> int:
    # points are a little transparent
    seen = 0.85 * np.array(colors.to_rgb(colour)) + 0.15
    return int((np.abs(picture[..., :3] - seen).max(axis=-1) < 0.02).sum())


def panel(labels: list[str]) -> Panel:
    return Panel("a space", np.random.default_rng(0).normal(size=(len(labels), 2)))


def test_points_are_drawn_in_the_colours_of_their_labels(tmp_path: Path) -> None:
    labels = [f"label {number}" for number in range(8) for _ in range(12)]
    one = image.imread(draw_spaces([panel(labels)], labels, tmp_path / "one.png", title="t", caption="c"))
    two = image.imread(draw_spaces([panel(labels)] * 2, labels, tmp_path / "two.png", title="t", caption="c"))
    letters = "#000000"  # of the legend, which is there once
    for colour in COLOURS:
        assert pixels(one, colour) > 100
        assert pixels(two, colour) > (1.2 if colour == letters else 1.5) * pixels(one, colour)


def test_labels_beyond_colours_and_shapes_are_grey(tmp_path: Path) -> None:
    grey = []
    for beyond in (0, 12):
        labels = [f"label {number:02}" for number in range(len(COLOURS) * len(SHAPES) + beyond) for _ in range(8)]
        path = draw_spaces([panel(labels)], labels, tmp_path / f"{beyond}.png", title="t", caption="c")
        grey.append(pixels(image.imread(path), OTHER))
    assert grey[1] > grey[0] + 400


def test_errors(tmp_path: Path) -> None:
    target = tmp_path / "none.png"
    with pytest.raises(DataError, match="no panel"):
        draw_spaces([], ["a"], target, title="t", caption="c")
    with pytest.raises(DataError, match=r"points \(1, 2\) for 2 labels"):
        draw_spaces([panel(["a"])], ["a", "b"], target, title="t", caption="c")
    with pytest.raises(NonFiniteError, match="'a space'"):
        draw_spaces([Panel("a space", np.full((1, 2), np.nan))], ["a"], target, title="t", caption="c")
    assert not target.exists()
