"""The tables of a study: Figure 5 in numbers, the differences with their tests, and who took part (Figure 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leadbench.core.errors import ResultsError
from leadbench.metrics.ratings import Spread, crossed_spread, crossed_test, krippendorff_alpha
from leadbench.metrics.statistics import PairedTest, smallest_visible
from leadbench.report.names import row_with_steps
from leadbench.report.tables.engine import Between, Cell, Column, Document, Line, Table
from leadbench.report.tables.engine import render as render_document
from leadbench.report.tables.rows import data_of
from leadbench.results.aggregate import rows_of
from leadbench.results.details import StudyDetails
from leadbench.results.ratings import ratings_of
from leadbench.results.records import Record, Run
from leadbench.results.rows import Row

ASKED = {"realism": "Realism", "relevance": "Text-motion relevance"}
_RATED = [Column(part, f"{title} ↑", 1) for part, title in ASKED.items()]


@dataclass(frozen=True)
class Compared:
    """What a study says of one question.

    Attributes:
        part: what was asked.
        test: of the second row less the first, participants and pairs both random.
        spread: of single differences.
        alpha: agreement of the participants.
        preferred: shares of answers that rate the second row higher, equal, and lower.
    """

    part: str
    test: PairedTest
    spread: Spread
    alpha: float
    preferred: tuple[float, float, float]


def compare(run: Run) -> tuple[tuple[Row, Row], list[Compared]]:
    """The two rows of a study, and what it says of each question.

    Raises:
        ResultsError: the run is no study of two rows.
    """
    rows = list(dict.fromkeys(record.row for record in run.records))
    if len(rows) != 2:
        raise ResultsError(f"{run.folder}: {len(rows)} rows; a study compares two")
    found = []
    for part in ASKED:
        first, second = (ratings_of(run.records, row, part) for row in rows)
        difference = second - first
        # a unit of agreement is a motion: of both rows
        alpha = krippendorff_alpha(np.concatenate([first, second], axis=1))
        shares = tuple(float(np.mean(np.sign(difference) == sign)) for sign in (1, 0, -1))
        found.append(
            Compared(
                part, crossed_test(difference), crossed_spread(difference), alpha, (shares[0], shares[1], shares[2])
            )
        )
    return (rows[0], rows[1]), found


def details_of(record: Record) -> StudyDetails:
    """Details of a record of this task."""
    assert isinstance(record.details, StudyDetails)  # the schema of the task
    return record.details


def render(run: Run, form: str = "github") -> str:
    """Means with intervals over participants, differences with their tests, and the participants.

    Raises:
        ResultsError: no records, or none of a study of two rows.
        UnknownNameError: no such format.
    """
    if not run.records:
        raise ResultsError("no records to make a table of")
    rows, details = rows_of(run), details_of(run.records[0])
    sides, compared = compare(run)
    means = [
        Line({"row": row_with_steps(m.row, run.names), **m.estimates}, ranked=True)
        for m in sorted(rows, key=lambda m: sides.index(m.row))
    ]
    tables = [
        Table("User study (Figure 5)", [Column("row", "Model"), *_RATED], means, second=False),
        _differences(sides, compared, run.names),
        *_participants(details.participants, len(run.records) // 2),
    ]
    more = {
        "differences": [_as_json(item) for item in compared],
        "participants": details.participants,
        "left_out": details.left_out,
    }
    return render_document(Document(tables, data_of(rows, run, _RATED), _caption(run), more), form)


def _differences(sides: tuple[Row, Row], compared: Sequence[Compared], names: Mapping[str, str]) -> Table:
    first, second = (row_with_steps(row, names) for row in sides)
    columns = [
        Column("asked", "Asked"),
        Column("difference", "Difference", digits=2),
        Column("p", "p"),
        Column("higher", "Higher / equal / lower"),
        Column("visible", "Visible", digits=2),
        Column("alpha", "α", digits=2),
    ]
    lines = []
    for item in compared:
        visible = smallest_visible(item.test)
        cells: dict[str, Cell] = {
            "asked": ASKED[item.part],
            "difference": Between(item.test.mean, item.test.low, item.test.high, signed=True),
            "p": "< 0.001" if item.test.p_value < 0.001 else f"{item.test.p_value:.3f}",
            "higher": " / ".join(_percent(share) for share in item.preferred),
            "visible": visible if math.isfinite(visible) else None,
            "alpha": item.alpha if math.isfinite(item.alpha) else None,
        }
        lines.append(Line(cells))
    return Table(f"{second} less {first}", columns, lines)


def _participants(counted: Mapping[str, Mapping[str, int]], people: int) -> list[Table]:
    if not counted:
        return []
    columns = [Column("asked", "Asked"), Column("said", "Said"), Column("people", "People"), Column("share", "Share")]
    lines = [
        Line(
            {"asked": question if number == 0 else "", "said": said, "people": count, "share": _percent(count / people)}
        )
        for question, choices in counted.items()
        for number, (said, count) in enumerate(choices.items())
    ]
    return [Table("Participants (Figure 4)", columns, lines)]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _caption(run: Run) -> str:
    details = details_of(run.records[0])
    left = [f"{count} {reason}" for reason, count in details.left_out.items()]
    return "; ".join(
        [
            f"Dataset {run.records[0].dataset}, {details.pairs}; {len(run.records) // 2} participants",
            *([f"left out: {', '.join(left)}"] if left else []),
            f"median time {details.minutes:g} minutes",
            "ratings 1 to 5, realism before any text was seen, sides and order drawn for each participant",
            "±: 1.96 standard errors over participants",
            "difference: 95 % interval and p of a test in which participants and pairs are random (two-way analysis of "
            "variance, Satterthwaite)",
            "visible: smallest difference that this study finds with a probability of 80 %, about",
            "α: Krippendorff's, ordinal, over motions",
        ]
    ) + "."  # fmt: skip


def _as_json(item: Compared) -> dict[str, object]:
    return {
        "asked": item.part,
        **vars(item.test),
        "spread": vars(item.spread),
        "alpha": item.alpha if math.isfinite(item.alpha) else None,
        "higher_equal_lower": item.preferred,
    }
