"""Captions of two actions, from the command line to the table."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from command import call

import leadbench
from leadbench.data.segments import FILE, find_segments
from leadbench.results.store import load_runs


def test_from_the_command_line_to_the_table(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assets = ("--dataset", tiny / "data", "--models", tiny / "models")
    asked = ("run", "--task", "sequences", *assets, "--backbone", "mld,motionlcm", "--steps", "1,2;mld=2")
    assert call(*asked, "--replications", 2, "--out", tmp_path) == 0
    table = capsys.readouterr().out
    names = r"Real|Reconstruction|MLD|LEAD \(MLD\)|MotionLCM|Real, shuffled captions"
    lines = re.findall(rf"^\| ({names}) +\| +(\d*) \|", table, re.M)
    mld = [("MLD", "2"), ("LEAD (MLD)", "2")]
    few = [("MotionLCM", "1"), ("MotionLCM", "2")]
    assert lines == [("Real", ""), ("Reconstruction", ""), *mld, *few, ("Real, shuffled captions", "")]
    (run,) = load_runs(tmp_path)
    records = {(record.row, record.replication): record.metrics for record in run.records}
    assert len(records) == 2 * 9
    two = [of for of in find_segments(tiny / "data", _test_ids(tiny)).values() if len(of) == 2]
    assert run.records[0].details.samples == sum(first.action != second.action for first, second in two)
    for metrics in records.values():
        assert all(0 <= value <= 1 for value in metrics.values() if value is not None)
        assert metrics["both"] <= min(metrics["first"], metrics["second"])  # type: ignore[operator,type-var]
    real = [metrics["both"] for (row, _), metrics in records.items() if row.source == "real" and not row.control]
    chance = [metrics["both"] for (row, _), metrics in records.items() if row.control == "shuffled-captions"]
    assert sum(real) > sum(chance)  # type: ignore[arg-type]
    before = (run.folder / "records.jsonl").read_bytes()
    assert call(*asked, "--replications", 2, "--out", tmp_path, "--jobs", 2) == 0
    assert (run.folder / "records.jsonl").read_bytes() == before


def test_segments_of_ones_own_make_another_run(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny / "data", data)
    ids = [name for split in ("train", "test") for name in (data / f"{split}.txt").read_text().split()]
    told = {
        name: [["first half", 0, 20], ["second half", 20, 40]] if number % 2 else [["both halves", 0, 40]]
        for number, name in enumerate(ids)
    }
    (data / FILE).write_text(json.dumps(told))
    opened = leadbench.open_dataset(data, models=tiny / "models")
    config = leadbench.T2MConfig(replications=1)
    results = leadbench.run("mld", opened, task="sequences", steps={"mld": [1]}, config=config, out=tmp_path / "runs")
    assert "the recogniser of 3 actions" in results.table()
    (data / FILE).write_text(json.dumps(told | {ids[-1]: [["first half", 0, 24], ["second half", 24, 40]]}))
    again = leadbench.run("mld", opened, task="sequences", steps={"mld": [1]}, config=config, out=tmp_path / "runs")
    assert again.runs[0].folder != results.runs[0].folder
    (data / FILE).write_text(json.dumps({name: [["walk", 0, 40]] for name in ids}))
    capsys.readouterr()
    asked = ("run", "--task", "sequences", "--dataset", data, "--models", tiny / "models", "--backbone", "mld")
    assert call(*asked, "--out", tmp_path / "none") == 2
    assert "0 motions of split 'test' show two different actions in a row" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def _test_ids(tiny: Path) -> list[str]:
    return (tiny / "data" / "test.txt").read_text().split()
