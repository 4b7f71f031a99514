"""Tables: layouts, ranking, captions, formats, and what must not be put together."""

from __future__ import annotations

import csv
import json
import re
from typing import Any

import pytest
from records import made_record, run_of

from leadbench.core.errors import ResultsError, UnknownNameError
from leadbench.report.tables.engine import check_format
from leadbench.report.tables.rows import METRICS
from leadbench.results.aggregate import aggregate
from leadbench.results.records import Record
from leadbench.results.rows import REAL, Row
from leadbench.tasks.t2m.tables import render

VALUES = {"r_precision_1": 0.4, "r_precision_2": 0.6, "r_precision_3": 0.7, "mm_dist": 3.0}
NAMES = {"mld": "MLD", "motionlcm": "MotionLCM", "lead": "LEAD", "net": "Net_X"}
RECONSTRUCTION = Row(source="reconstruction")
GAUSSIAN = Row(source="latents", control="gaussian-latents")


def record(row: Row, replication: int = 0, fid: float = 1.0, **changes: Any) -> Record:
    values: dict[str, Any] = {
        "dataset": "bnr",
        "evaluator": "0123456789abcdef",
        "metrics": {**VALUES, "fid": fid, "diversity": 9.0, "multimodality": None},
        "details": {"samples": 700},
        "chunk_size": 128,
    }
    return made_record(row, replication, **{**values, **changes})


def model(
    backbone: str, fid: float, steps: int, *, lead: bool = False, diversity: float = 9.0, **changes: Any
) -> Record:
    fields = {"projector": "lead" if lead else None, "control": None, "guidance": None}
    fields = {name: changes.pop(name, value) for name, value in fields.items()}
    row = Row.model_validate({"backbone": backbone, "steps": steps, **fields})
    metrics = {**VALUES, "fid": fid, "diversity": diversity, "multimodality": 2.0}
    details = {"samples": 700, **({"aligned": "minilm"} if lead else {}), **changes.pop("details", {})}
    return record(row, **{"metrics": metrics, "details": details, **changes})


def full_run() -> list[Record]:
    return [
        record(REAL, fid=0.0),
        record(RECONSTRUCTION, fid=0.01),
        record(GAUSSIAN, fid=0.02),
        model("mld", 0.473, 50),
        model("mld", 0.109, 50, lead=True),
        model("mld", 0.001, 50, control="clamp"),
        *(model("motionlcm", 0.5 - 0.01 * n, n) for n in (4, 1, 2)),
        *(model("motionlcm", 0.3 - 0.01 * n, n, lead=True) for n in (4, 1, 2)),
    ]


def render_t2m(records: list[Record], form: str = "github") -> str:
    return render(run_of(records, NAMES), form)


def github_rows(text: str) -> list[list[list[str]]]:
    """Tables of a github rendering: rows of cells, header and rule left out."""
    tables: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("|"):
            if not inside:
                tables.append([])
            tables[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        inside = line.startswith("|")
    return [table[2:] for table in tables]


def test_layout_of_table_1() -> None:
    table = github_rows(render_t2m(full_run()))[-1]
    assert [row[0] for row in table] == [
        "Real",
        "Reconstruction",
        "MLD",
        "LEAD (MLD)",
        "MLD + clamp",
        "MotionLCM",
        "LEAD (MotionLCM)",
        "Gaussian latents",
    ]
    assert table[5][1] == "0.490"  # its 1-step row
    assert all(len(row) == 1 + len(METRICS) for row in table)


def test_layout_of_table_5() -> None:
    steps, _ = github_rows(render_t2m(full_run()))
    assert [row[:2] for row in steps] == [
        ["", "Real"],
        *([n, name] for n in "124" for name in ("MotionLCM", "LEAD (MotionLCM)")),
    ]


def test_order_of_records_does_not_matter_for_steps() -> None:
    records = full_run()
    forward = github_rows(render_t2m(records))
    swapped = github_rows(render_t2m([*records[:6], *sorted(records[6:], key=lambda r: r.row.steps or 0)]))
    assert forward == swapped


def test_best_and_second_leave_out_real_reconstruction_and_controls() -> None:
    fid = {row[0]: row[1] for row in github_rows(render_t2m(full_run()))[-1]}
    assert fid["LEAD (MLD)"] == "**0.109**"
    assert fid["LEAD (MotionLCM)"] == "<u>0.290</u>"
    assert (fid["Real"], fid["Reconstruction"], fid["MLD + clamp"]) == ("0.000", "0.010", "0.001")
    assert fid["Gaussian latents"] == "0.020"


def test_steps_table_marks_the_best_of_each_number_of_steps() -> None:
    steps, _ = github_rows(render_t2m(full_run()))
    assert [row[2].startswith("**") for row in steps[1:]] == [False, True] * 3


def test_diversity_ranks_by_distance_to_real() -> None:
    records = [
        record(REAL),
        model("A", 1.0, 1, diversity=12.0),
        model("B", 1.0, 1, diversity=8.5),
        model("C", 1.0, 1, diversity=9.4),
    ]
    column = [c.key for c in METRICS].index("diversity") + 1
    cells = {row[0]: row[column] for row in github_rows(render_t2m(records))[-1]}
    assert cells == {"Real": "9.000", "A": "12.000", "B": "<u>8.500</u>", "C": "**9.400**"}
    without_real = github_rows(render_t2m(records[1:]))[-1]
    assert not any("**" in row[column] for row in without_real)


def test_higher_is_better_for_r_precision() -> None:
    low = model("A", 1.0, 1)
    high = model("B", 1.0, 1, metrics={**low.metrics, "r_precision_3": 0.9})
    column = [c.key for c in METRICS].index("r_precision_3") + 1
    assert [row[column] for row in github_rows(render_t2m([low, high]))[-1]] == ["0.700", "**0.900**"]


def test_replications_give_mean_and_half_width() -> None:
    records = [record(REAL, r, fid=1.0 + 2 * r) for r in range(2)]
    first = github_rows(render_t2m(records))[-1][0]
    assert first[1] == "2.000±1.386"  # 1.96 * 1 / sqrt(2)
    assert first[-1] == "—"


def test_caption() -> None:
    records = [
        model("mld", 1.0, 50, details={"notes": ["233 pairs instead of 300"]}),
        model("mld", 1.0, 50, lead=True, details={"warnings": ["latent mismatch allowed"]}),
    ]
    caption = render_t2m(records).splitlines()[-1]
    for part in (
        "bnr, 700 test motions",
        "guo-2022",
        "evaluator 0123456789ab;",
        "1 replications (MultiModality in 1)",
        "ground-truth lengths are given",
        "projectors: aligned minilm",
        "233 pairs instead of 300",
        "WARNING: latent mismatch allowed",
    ):
        assert part in caption


@pytest.mark.parametrize("what", ["dataset", "protocol", "evaluator"])
def test_what_does_not_compare_is_refused(what: str) -> None:
    with pytest.raises(ResultsError, match=f"2 {what}s do not belong in one table"):
        render_t2m([record(REAL), model("mld", 1.0, 50, **{what: "other"})])


def test_one_replication_twice_is_refused() -> None:
    with pytest.raises(ResultsError, match="a replication is recorded 2 times"):
        aggregate([record(REAL, 0), record(REAL, 1), record(REAL, 1)])


def test_no_records_are_refused() -> None:
    with pytest.raises(ResultsError, match="no records"):
        render_t2m([])


def test_two_projectors_are_two_rows() -> None:
    pair = [model("mld", fid, 50, projector=name) for fid, name in ((1.0, "lead"), (2.0, "mine"))]
    assert [measured.estimates["fid"].mean for measured in aggregate(pair)] == [1.0, 2.0]
    names = [row[0] for row in github_rows(render(run_of(pair, {**NAMES, "mine": "Mine"})))[-1]]
    assert names == ["LEAD (MLD)", "Mine (MLD)"]


def test_a_guidance_sweep_names_its_rows() -> None:
    records = [record(REAL), *(model("mld", g, 50, guidance=g) for g in (7.5, 2.5))]
    names = [row[0] for row in github_rows(render_t2m(records))[-1]]
    assert names == ["Real", "MLD, guidance 2.5", "MLD, guidance 7.5"]


def test_csv_has_full_precision() -> None:
    value = 0.1 + 0.2
    rows = list(csv.DictReader(render_t2m([record(REAL), model("mld, big", value, 50)], "csv").splitlines()))
    assert [row["row"] for row in rows] == ["Real", "mld, big"]
    assert float(rows[1]["fid"]) == value
    assert (rows[1]["steps"], rows[1]["fid_n"], rows[0]["multimodality"]) == ("50", "1", "")


def test_json_has_full_precision_and_the_caption() -> None:
    content = json.loads(render_t2m(full_run(), "json"))
    assert content["caption"].startswith("Dataset bnr")
    assert content["rows"][2]["fid"] == {"mean": 0.473, "half_width": 0.0, "n": 1}
    assert (content["rows"][2]["backbone"], content["rows"][2]["steps"]) == ("mld", 50)
    assert content["rows"][0]["multimodality"] is None


def test_latex() -> None:
    text = render_t2m([*full_run(), record(REAL, 1), model("net", 2.0, 9)], "latex")
    assert r"\textbf{0.109}" in text
    assert r"\underline{0.290}" in text
    assert r"FID $\downarrow$" in text
    assert r"$\pm$" in text
    assert r"Net\_X" in text
    assert r"95 \% interval" in text
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert not re.search(r"[↓↑→±—]", body)


def test_plain_has_no_markup() -> None:
    text = render_t2m(full_run(), "plain")
    assert "0.109" in text
    assert not re.search(r"\*\*|<u>|\\textbf|\|", text)


def test_unknown_format_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown table format 'markdwon'"):
        check_format("markdwon")
