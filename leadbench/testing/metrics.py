"""Checks of metrics of sets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch

from leadbench.core.contracts import MotionSets, SetMetric
from leadbench.testing.findings import Finding, need, other_global_seed, run_checks, unchanged

_ROWS, _WIDTH, _TRAIN = 48, 16, 96
_VERBS = ("walks", "runs", "jumps", "sits down", "waves", "turns", "kicks", "crouches")
_WAYS = ("forward", "slowly", "to the left", "twice", "with both arms raised", "backwards")


def check_set_metric(name: str, metric: SetMetric, columns: Sequence[str]) -> list[Finding]:
    """Whether a metric gives the columns that it registered: finite numbers, the same ones every time, which depend on
    the generated motions."""
    made = _sets()

    def registered() -> None:
        need(len(columns) > 0, f"{name}: registers no column")
        need(len(set(columns)) == len(columns), f"{name}: registers a column twice")

    def numbers() -> None:
        found = metric(made)
        same = set(found) == set(columns)
        need(same, f"{name}: gave {', '.join(sorted(found)) or 'nothing'}, registered {', '.join(sorted(columns))}")
        for key, value in found.items():
            fits = value is None or (isinstance(value, float) and math.isfinite(value))
            need(fits, f"{name}: {key} is {value!r}; needs a finite float, or None where it is not available")

    def determinism() -> None:
        with other_global_seed(1):
            first = metric(made)
        with other_global_seed(2):
            second = metric(made)
        need(first == second, f"{name}: the same sets give other numbers (draw by the seed of the sets)")

    def distinction() -> None:
        other = replace(made, generated=made.real.flip(0) * 3 + 1)
        need(metric(made) != metric(other), f"{name}: other generated motions give the same numbers")

    def inputs() -> None:
        with unchanged(name, made.real, made.generated, made.text):
            metric(made)

    def small_sets() -> None:
        few = MotionSets(
            made.real[:9], made.generated[:9], made.text[:9], made.captions[:9], made.train, torch.arange(9), 0
        )
        need(set(metric(few)) == set(columns), f"{name}: 9 motions give other columns than {_ROWS}")

    return run_checks(
        {
            "columns": registered,
            "numbers": numbers,
            "determinism": determinism,
            "distinction": distinction,
            "inputs": inputs,
            "small sets": small_sets,
        }
    )


def _sets() -> MotionSets:
    generator = torch.Generator().manual_seed(0)
    text = torch.randn(_ROWS, _WIDTH, generator=generator)
    real = text + 0.5 * torch.randn(_ROWS, _WIDTH, generator=generator)
    generated = text + torch.randn(_ROWS, _WIDTH, generator=generator)
    train = torch.randn(_TRAIN, _WIDTH, generator=generator)
    captions = tuple(f"a person {verb} {way}" for verb in _VERBS for way in _WAYS)
    order = torch.randperm(_ROWS, generator=generator)
    return MotionSets(real, generated, text, captions, lambda: train, order, seed=0)
