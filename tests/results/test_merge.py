"""Merging runs: one run's records together, others beside, contradictions refused before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import call
from records import LEAD_MLD, MLD, made_record, write_run

from leadbench.core.errors import ResultsError
from leadbench.results.merge import merge_runs
from leadbench.results.records import Record
from leadbench.results.store import RunStore

IDENTITY = {"config": {"protocol": "guo-2022"}, "weights": {"mld": "abc"}}


def records(*replications: int, fid: float = 1.0) -> list[Record]:
    return [made_record(row, r, metrics={"fid": fid + r}) for r in replications for row in (MLD, LEAD_MLD)]


def place(root: Path, machine: str, name: str = "t2m-0123456789") -> Path:
    return root / machine / "made" / name


def test_parts_become_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for machine, replications in (("a", (0, 2)), ("b", (1, 2))):
        write_run(place(tmp_path, machine), records(*replications), IDENTITY)
    (place(tmp_path, "b") / "words.npy").write_bytes(b"words")
    out = tmp_path / "runs"
    for added in (6, 0):
        assert call("results", "merge", tmp_path / "a", tmp_path / "b", "--out", out) == 0
        assert f"6 records ({added} new, 2 in several places)" in capsys.readouterr().out
    run = RunStore(out / "made" / "t2m-0123456789").load()
    assert {record.key for record in run.records} == {record.key for record in records(0, 1, 2)}
    assert run.identity == IDENTITY
    assert (run.folder / "words.npy").read_bytes() == b"words"
    assert call("results", "verify", out) == 0


def test_results_are_merged_into_themselves(tmp_path: Path) -> None:
    write_run(place(tmp_path, "runs"), records(0), IDENTITY)
    write_run(place(tmp_path, "b"), records(1), IDENTITY)
    (merged,) = merge_runs([tmp_path / "b"], tmp_path / "runs")
    assert (merged.added, merged.records) == (2, 4)
    assert [m.added for m in merge_runs([tmp_path / "runs", tmp_path / "b"], tmp_path / "runs")] == [0]


def test_other_runs_lie_beside_each_other(tmp_path: Path) -> None:
    write_run(place(tmp_path, "a"), records(0), IDENTITY)
    write_run(place(tmp_path, "b", "t2m-9999999999"), records(0), {**IDENTITY, "weights": {"mld": "def"}})
    merged = merge_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "runs")
    assert [run.records for run in merged] == [2, 2]


def test_run_folders_must_be_one_run(tmp_path: Path) -> None:
    first = write_run(place(tmp_path, "a"), records(0), IDENTITY)
    other = {"config": {"protocol": "t2m-official"}, "weights": {"mld": "def"}}
    second = write_run(place(tmp_path, "b", "t2m-9999999999"), records(0), other)
    with pytest.raises(ResultsError, match=r"are different runs \(config.protocol, weights.mld\)"):
        merge_runs([first, second], tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_one_name_of_different_runs_is_refused(tmp_path: Path) -> None:
    write_run(place(tmp_path, "a"), records(0), IDENTITY)
    write_run(place(tmp_path, "b"), records(0), {**IDENTITY, "weights": {"mld": "def"}})
    with pytest.raises(ResultsError, match=r"have one name and are different runs \(weights.mld\)"):
        merge_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_records_may_differ_by_rounding_alone(tmp_path: Path) -> None:
    write_run(place(tmp_path, "a"), records(0), IDENTITY)
    write_run(place(tmp_path, "b"), records(0, fid=1.0 + 1e-6), IDENTITY)
    (merged,) = merge_runs([tmp_path / "a", tmp_path / "b"], tmp_path / "runs")
    assert (merged.records, merged.twice) == (2, 2)
    write_run(place(tmp_path, "c"), records(0, fid=1.1), IDENTITY)
    with pytest.raises(ResultsError, match=r"record .*: fid is 1.1, elsewhere 1.0"):
        merge_runs([tmp_path / "a", tmp_path / "c"], tmp_path / "others")
    assert not (tmp_path / "others").exists()


def test_what_was_changed_is_not_merged(tmp_path: Path) -> None:
    folder = write_run(place(tmp_path, "a"), records(0), IDENTITY)
    file = folder / "records.jsonl"
    file.write_text(file.read_text().replace('"fid": 1.0', '"fid": 0.1'))
    with pytest.raises(ResultsError, match="changed after it was written"):
        merge_runs([tmp_path / "a"], tmp_path / "runs")
    with pytest.raises(ResultsError, match="no such folder"):
        merge_runs([tmp_path / "nowhere"], tmp_path / "runs")
