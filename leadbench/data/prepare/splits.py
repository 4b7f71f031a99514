"""Deterministic, stratified splits of whole clips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from leadbench.core.random import stream

SHARES = {"train": 0.80, "val": 0.05, "test": 0.15}
_STYLE_CELL = 20
_PATTERN = {3: "test", 6: "val", 10: "test", 16: "test"}  # of every 20 clips in a row; the others train


def split_clips(labels: Mapping[str, tuple[str, str]], seed: int = 0) -> dict[str, str]:
    """Assign each clip to train, val or test: 80 / 5 / 15 %, stratified.

    Strata are (content, style) cells of at least 20 clips; smaller cells of a content are pooled. Within a stratum the
    order is a permutation keyed by seed and stratum, so clips of other strata change nothing. With three clips or
    more no split is empty.

    Args:
        labels: clip -> (content, style).

    >>> parts = list(split_clips({f"{i}": ("walk", "old") for i in range(100)}).values())
    >>> parts.count("train"), parts.count("val"), parts.count("test")
    (80, 5, 15)
    """
    cells: dict[tuple[str, str], list[str]] = defaultdict(list)
    for clip, label in labels.items():
        cells[label].append(clip)
    strata: dict[str, list[str]] = defaultdict(list)
    for (content, style), clips in cells.items():
        strata[f"{content}/{style}" if len(clips) >= _STYLE_CELL else content] += clips
    assigned: dict[str, str] = {}
    for name, clips in strata.items():
        ordered = sorted(clips)
        order = stream(seed, "split", name).permutation(len(ordered))
        test = round(SHARES["test"] * len(ordered))
        val = round(SHARES["val"] * len(ordered))
        for place, index in enumerate(order):
            assigned[ordered[index]] = "test" if place < test else "val" if place < test + val else "train"
    _fill_empty(assigned, seed)
    return assigned


def split_by_style(labels: Mapping[str, tuple[str, str]], seed: int = 0) -> dict[str, str]:
    """Assign each clip to train, val or test: 80 / 5 / 15 %, spread evenly over many styles of few clips each.

    Systematic sampling: the clips lie in a row, style by style, permuted within a style, and every 20 in a row give one
    to val and three to test, at most seven places apart. So a style of seven clips or more is in train and in test;
    shares rounded for each style would leave val empty.

    Args:
        labels: clip -> (content, style).

    >>> parts = list(split_by_style({f"{s}{i}": (f"{i}", f"{s}") for s in range(10) for i in range(8)}).values())
    >>> parts.count("train"), parts.count("val"), parts.count("test")
    (64, 4, 12)
    """
    styles: dict[str, list[str]] = defaultdict(list)
    for clip, (_, style) in labels.items():
        styles[style].append(clip)
    row: list[str] = []
    for style in sorted(styles):
        clips = sorted(styles[style])
        row += [clips[i] for i in stream(seed, "split", "style", style).permutation(len(clips))]
    assigned = {clip: _PATTERN.get(place % 20, "train") for place, clip in enumerate(row)}
    _fill_empty(assigned, seed)
    return assigned


def _fill_empty(assigned: dict[str, str], seed: int) -> None:
    """In a data set so small that rounding leaves a split without clips, give it one of the largest split's."""
    if len(assigned) < len(SHARES):
        return
    for split in SHARES:
        groups = {name: sorted(c for c, s in assigned.items() if s == name) for name in SHARES}
        if not groups[split]:
            donors = max(groups.values(), key=len)
            assigned[donors[int(stream(seed, "split", "fill", split).integers(len(donors)))]] = split
