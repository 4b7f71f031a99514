"""Plots of a report, as Vega-Lite specifications: data and marks; the page gives them its colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

Spec = dict[str, Any]
_BELOW = 95  # pixels of axis and legend
_LINES = 310
_SQUARE = 380
_COLOURED = 8  # labels that have a colour of their own
_OTHERS = "others"
_GREY = "#94a3b8"


@dataclass(frozen=True)
class Chart:
    """A plot on a page.

    Attributes:
        title: above it.
        text: what it shows, for those who cannot see it.
        spec: of Vega-Lite.
        height: in pixels, about: a page keeps that much room, so that nothing moves when it is drawn.
    """

    title: str
    text: str
    spec: Spec
    height: int


@dataclass(frozen=True)
class Point:
    """A mean with its 95 % interval at a place of the axis, of one series."""

    series: str
    at: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """A paired difference with its 95 % interval; ``decided``: whether the interval excludes zero."""

    name: str
    mean: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """Whether zero lies outside."""
        return self.low > 0 or self.high < 0


def lines(title: str, axis: str, points: Sequence[Point], *, logarithmic: bool = False) -> Chart:
    """Means over an axis, a line for each series, with their intervals."""
    scale = {"type": "log", "base": 2} if logarithmic else {"zero": False}
    values = sorted({point.at for point in points})
    x = {
        "field": "at",
        "type": "quantitative",
        "title": axis,
        "scale": scale,
        "axis": {"values": values, "format": "~g"},
    }
    y = {"field": "mean", "type": "quantitative", "title": None, "scale": {"zero": False}}
    color = {
        "field": "series",
        "type": "nominal",
        "title": None,
        "legend": {"orient": "bottom", "columns": 2, "labelLimit": 400},
    }
    tooltip = [
        {"field": "series", "title": "row"},
        {"field": "at", "title": axis},
        {"field": "mean", "format": ".4f"},
        {"field": "low", "format": ".4f"},
        {"field": "high", "format": ".4f"},
    ]
    spec = {
        "data": {"values": [asdict(point) for point in points]},
        "encoding": {"x": x, "color": color},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {"mark": {"type": "line"}, "encoding": {"y": y}},
            {
                "mark": {"type": "point", "filled": True, "size": 55},
                "encoding": {
                    "y": y,
                    "shape": {"field": "series", "type": "nominal", "title": None},
                    "tooltip": tooltip,
                },
            },
        ],
    }
    return Chart(title, _read(title, [f"{p.series} at {axis} {p.at:g}: {p.mean:.3f}" for p in points]), spec, _LINES)


def forest(title: str, axis: str, differences: Sequence[Difference]) -> Chart:
    """Differences with their intervals below each other, and a line at zero."""
    values = [{**asdict(item), "decided": "yes" if item.decided else "no"} for item in differences]
    y = {
        "field": "name", "type": "nominal", "sort": None, "title": None,
        "axis": {"labelLimit": 260, "grid": True, "ticks": False},
    }  # fmt: skip
    x = {"field": "mean", "type": "quantitative", "title": axis}
    color = {
        "field": "decided", "type": "nominal", "title": "interval without zero",
        "scale": {"domain": ["yes", "no"]}, "legend": {"orient": "bottom"},
    }  # fmt: skip
    tooltip = [{"field": "name", "title": "row"}, *({"field": f, "format": "+.4f"} for f in ("mean", "low", "high"))]
    spec = {
        "data": {"values": values},
        "height": {"step": 24},
        "layer": [
            {"mark": {"type": "rule", "strokeDash": [4, 4]}, "encoding": {"x": {"datum": 0}}},
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {"y": y, "x": {**x, "field": "low"}, "x2": {"field": "high"}, "color": color},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60},
                "encoding": {"y": y, "x": x, "color": color, "tooltip": tooltip},
            },
        ],
    }
    said = [f"{d.name}: {d.mean:+.3f}, from {d.low:+.3f} to {d.high:+.3f}" for d in differences]
    return Chart(title, _read(title, said), spec, 24 * len(differences) + _BELOW)


def scatter(title: str, points: Sequence[tuple[tuple[float, float], str, str]]) -> Chart:
    """Points with a label and a caption each, which a pointer shows; the most frequent labels have a colour."""
    counts = Counter(label for _, label, _ in points)
    named = sorted(counts, key=lambda label: (-counts[label], label))[:_COLOURED]
    values = [
        {"x": x, "y": y, "label": label if label in named else _OTHERS, "of": label, "caption": caption}
        for (x, y), label, caption in points
    ]
    label = {"field": "label", "type": "nominal", "title": None, "scale": {"domain": named}, "sort": named}
    other = f"datum.label === '{_OTHERS}'"
    axis = {"type": "quantitative", "title": None, "axis": None, "scale": {"zero": False}}
    spec = {
        "data": {"values": values},
        "height": _SQUARE,
        "mark": {"type": "point", "filled": True, "size": 42, "opacity": 0.85},
        "encoding": {
            "x": {"field": "x", **axis},
            "y": {"field": "y", **axis},
            "color": {
                "condition": {"test": other, "value": _GREY},
                **label,
                "legend": {"orient": "bottom", "columns": 4},
            },
            "shape": {"condition": {"test": other, "value": "circle"}, **label},
            "tooltip": [{"field": "caption"}, {"field": "of", "title": "action"}],
        },
    }
    said = [f"{count} of {name}" for name, count in counts.most_common()]
    return Chart(title, _read(title, said), spec, _SQUARE + _BELOW)


def bars(title: str, axis: str, parts: Sequence[tuple[str, str, float]], kind: str) -> Chart:
    """Stacked bars: (bar, part, length) in the order given; ``kind`` says what a part is."""
    values = [{"bar": bar, "part": part, "length": length} for bar, part, length in parts]
    order = list(dict.fromkeys(part for _, part, _ in parts))
    spec = {
        "data": {"values": values},
        "height": {"step": 26},
        "mark": {"type": "bar"},
        "encoding": {
            "y": {"field": "bar", "type": "nominal", "sort": None, "title": None, "axis": {"labelLimit": 260}},
            "x": {"field": "length", "type": "quantitative", "title": axis, "stack": True},
            "color": {
                "field": "part", "type": "nominal", "title": kind, "sort": order, "legend": {"orient": "bottom"},
                "scale": {"domain": order},
            },
            "order": {"field": "rank", "type": "quantitative"},
            "tooltip": [
                {"field": "bar", "title": "row"},
                {"field": "part", "title": kind},
                {"field": "length", "format": ".4g"},
            ],
        },
    }  # fmt: skip
    for value in values:
        value["rank"] = order.index(str(value["part"]))
    said = [f"{bar}, {part}: {length:.3g}" for bar, part, length in parts]
    return Chart(title, _read(title, said), spec, 26 * len({bar for bar, _, _ in parts}) + _BELOW)


def _read(title: str, said: Sequence[str]) -> str:
    return f"{title}. {'; '.join(said)}."
