"""R@1 by the size of the pool as a picture: from a stored run, or a word about what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib import colors, image

from leadbench.core.errors import DataError
from leadbench.metrics.statistics import estimate
from leadbench.report.figures.pools import Curve, draw_pools
from leadbench.report.figures.spaces import COLOURS


def curve(name: str, *values: float) -> Curve:
    return Curve(name, (32, 64, 594)[: len(values)], tuple(estimate([value, value + 0.02]) for value in values))


def test_every_row_is_drawn_in_its_colour(tmp_path: Path) -> None:
    curves = [curve(f"row {number}", 0.9 - 0.1 * number, 0.7 - 0.1 * number, 0.3) for number in range(4)]
    picture = image.imread(draw_pools(curves, tmp_path / "new" / "pools.png", title="bnr"))
    for colour in COLOURS[:4]:
        near = abs(picture[..., :3] - colors.to_rgb(colour)).max(axis=-1) < 0.02
        assert near.sum() > 100
    unused = abs(picture[..., :3] - colors.to_rgb(COLOURS[5])).max(axis=-1) < 0.02
    assert unused.sum() == 0


@pytest.mark.parametrize("curves", [[], [curve("empty")]])
def test_nothing_to_draw_says_how_to_measure_it(curves: list[Curve], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="leadbench run --metric pools"):
        draw_pools(curves, tmp_path / "pools.png", title="bnr")
    assert not (tmp_path / "pools.png").exists()
