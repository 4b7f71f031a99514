"""Runs of version 1: what they hold stays, what they are called becomes identity; torn and foreign files are errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leadbench.core.errors import ResultsError
from leadbench.report.names import row_name
from leadbench.results.details import T2MDetails
from leadbench.results.migrate import migrate_results
from leadbench.results.records import record_key
from leadbench.results.rows import Row
from leadbench.results.store import RunStore, load_runs

ROOT = Path(__file__).parents[2]


def line(row: str, **changes: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "dataset": "synthetic",
        "protocol": "guo-2022",
        "evaluator": "e" * 64,
        "row": row,
        "display": None,
        "backbone": None,
        "projector": None,
        "steps": None,
        "guidance": None,
        "replication": 0,
        "seed": 0,
        "metrics": {"fid": 0.23138524647947634, "multimodality": None},
        "details": {"samples": 594, "notes": ["pools of 32"], "stamps": ["careful"]},
        "chunk_size": 128,
        "seconds": {},
        "key": f"{row}||0",
        **changes,
    }


def write(folder: Path, *lines: dict[str, Any], end: str = "\n") -> Path:
    folder.mkdir(parents=True)
    header = {"schema_version": 1, "config": {"benchmark": "t2m"}, "provenance": {"revision": "abc"}}
    (folder / "run.json").write_text(json.dumps(header))
    (folder / "records.jsonl").write_text("\n".join(json.dumps(entry) for entry in lines) + end)
    return folder


def test_names_become_identity_and_values_stay(tmp_path: Path) -> None:
    model = {"display": "MLD", "backbone": "mld", "steps": 50, "guidance": 7.5}
    lead = {**model, "projector": "aligned minilm, driven clip"}
    folder = write(tmp_path / "a" / "t2m-1", line("Real"), line("MLD", **model), line("LEAD (MLD)", **lead))
    assert migrate_results(tmp_path) == ([folder], [])
    run = RunStore(folder).load()
    assert run.provenance == {"revision": "abc"}
    assert [record.row for record in run.records] == [
        Row(source="real"),
        Row(backbone="mld", steps=50, guidance=7.5),
        Row(backbone="mld", projector="lead", steps=50, guidance=7.5),
    ]
    assert [row_name(record.row, run.names) for record in run.records] == ["Real", "MLD", "LEAD (MLD)"]
    details = run.records[2].details
    assert isinstance(details, T2MDetails)
    assert (details.aligned, details.driven, details.warnings) == ("minilm", "clip", ("careful",))
    assert all(record.metrics == line("Real")["metrics"] for record in run.records)


def test_it_can_be_repeated_and_interrupted(tmp_path: Path) -> None:
    folder = write(tmp_path / "t2m-1", line("Real"))
    old = (folder / "run.json").read_text()
    migrate_results(tmp_path)
    records = (folder / "records.jsonl").read_text()
    assert migrate_results(tmp_path) == ([], [folder])
    (folder / "run.json").write_text(old)  # as after a kill between the two files
    assert migrate_results(tmp_path) == ([folder], [])
    assert (folder / "records.jsonl").read_text() == records


def test_a_torn_last_line_is_dropped_and_a_torn_other_one_is_an_error(tmp_path: Path) -> None:
    folder = write(tmp_path / "a" / "t2m-1", line("Real"), end='\n{"schema_ver')
    migrate_results(tmp_path / "a")
    assert len(RunStore(folder).records()) == 1
    torn = write(tmp_path / "b" / "t2m-1", line("Real"))
    before = "{not json\n" + (torn / "records.jsonl").read_text()
    (torn / "records.jsonl").write_text(before)
    with pytest.raises(ResultsError, match=r"records\.jsonl:1: not a record"):
        migrate_results(tmp_path / "b")
    assert (torn / "records.jsonl").read_text() == before


def test_an_old_run_names_the_command(tmp_path: Path) -> None:
    write(tmp_path / "t2m-1", line("Real"))
    with pytest.raises(ResultsError, match="leadbench results migrate"):
        load_runs(tmp_path)


def test_a_row_that_version_1_never_wrote_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "t2m-1", line("LEAD w/o magic (MLD)", display="MLD", backbone="mld", steps=50, guidance=7.5))
    with pytest.raises(ResultsError, match="w/o magic"):
        migrate_results(tmp_path)


def test_the_stored_results_are_current() -> None:
    runs = load_runs(ROOT / "results")
    assert len(runs) == 57
    assert {run.task for run in runs} == {"t2m", "mti", "styles", "structure", "latency", "audit", "sequences"}


def test_version_2_gets_digests_and_an_interrupted_run_stays_unfinished(tmp_path: Path) -> None:
    folder = write(tmp_path / "t2m-1", line("Real"))
    migrate_results(tmp_path)
    header = json.loads((folder / "run.json").read_text())
    (record,) = [json.loads(text) for text in (folder / "records.jsonl").read_text().splitlines()]
    del header["digest"], header["plan"], record["digest"]
    row = {"backbone": "mld", "steps": 50}
    lines = [{**record, "schema_version": 2, "replication": n} for n in range(2)]
    lines.append({**lines[0], "row": row})
    (folder / "run.json").write_text(json.dumps({**header, "schema_version": 2}))
    (folder / "records.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in lines))
    with pytest.raises(ResultsError, match="leadbench results migrate"):
        RunStore(folder).load()
    assert migrate_results(tmp_path) == ([folder], [])
    run = RunStore(folder).load()
    assert len(run.records) == 3
    assert run.missing == {record_key(Row.model_validate(row), 1)}
    assert [r.metrics for r in run.records] == [record["metrics"]] * 3
