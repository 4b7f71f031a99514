"""From what strength on a measure notices a corruption."""

from __future__ import annotations

import json

import pytest
from records import REAL_ROW, made_record, run_of

from leadbench.results.records import Run
from leadbench.tasks.audit.corruptions import CORRUPTIONS
from leadbench.tasks.audit.table import render
from leadbench.tasks.audit.task import NOTHING, row_of

NAME = "jitter"
STRENGTHS = CORRUPTIONS[NAME].strengths
JITTER = (0.01, -0.005, 0.002, -0.01)


def audit(fid: list[float], recall: list[float]) -> Run:
    """Values at each strength, a little different in each replication."""
    rows = [REAL_ROW, NOTHING, *(row_of(NAME, strength) for strength in STRENGTHS)]
    values = zip([0.0, 0.1, *fid], [0.9, 0.9, *recall], strict=True)
    return run_of(
        made_record(
            row,
            n,
            task="audit",
            metrics={"fid": one + jitter * (1 + place) / 4, "r_precision_1": other - jitter * (1 + place) / 4},
        )
        for place, (row, (one, other)) in enumerate(zip(rows, values, strict=True))
        for n, jitter in enumerate(JITTER)
    )


def noticed(run: Run) -> dict[str, dict[str, object]]:
    told = json.loads(render(run, "json"))["noticed"]
    return {measure: of[NAME] for measure, of in told.items()}


def test_the_least_strength_from_which_on_all_are_worse() -> None:
    count = len(STRENGTHS)
    rising = [0.1] * 2 + [1.0 + place for place in range(count - 2)]
    falling = [0.9 - 0.1 * place for place in range(1, count + 1)]
    found = noticed(audit(rising, falling))
    assert found["fid"] == {"first": STRENGTHS[2], "monotone": True}
    assert found["r_precision_1"] == {"first": STRENGTHS[0], "monotone": True}


def test_a_strength_that_is_no_worse_interrupts() -> None:
    count = len(STRENGTHS)
    broken = [1.0] * (count - 2) + [0.1, 3.0]
    found = noticed(audit(broken, [0.9] * count))
    assert found["fid"]["first"] == STRENGTHS[-1]
    assert found["r_precision_1"] == {"first": None, "monotone": False}


def test_worse_everywhere_but_not_ever_worse() -> None:
    count = len(STRENGTHS)
    found = noticed(audit([10.0 - place for place in range(count)], [0.1] * count))
    assert found["fid"] == {"first": STRENGTHS[0], "monotone": False}
    text = render(audit([10.0 - place for place in range(count)], [0.1] * count))
    assert f"{STRENGTHS[0]:g}, not monotone" in text


@pytest.mark.parametrize("form", ["latex", "csv", "plain"])
def test_every_form(form: str) -> None:
    count = len(STRENGTHS)
    assert NAME in render(audit([1.0] * count, [0.5] * count), form)
