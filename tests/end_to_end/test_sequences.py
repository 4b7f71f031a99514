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
from leadbench.tasks.shared.controls import CONTROLS

STILL = """
import torch

from leadbench import BackboneRegistration, MotionBatch, hookimpl


class Still:
    name, default_steps = "still", 1

    def __init__(self, context):
        self.text_encoder, self.motion = context.text_encoder("wordllama"), context.dataset.motion

    def supports_steps(self, steps):
        return steps == 1

    def default_guidance(self, steps):
        return None

    def generate(self, condition, motion_mask, noise, *, steps, guidance):
        return MotionBatch(torch.zeros(*motion_mask.shape, self.motion.width), motion_mask, self.motion)


@hookimpl
def leadbench_backbones():
    return [BackboneRegistration("still", "stands still", Still, display="Still")]
"""


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
    assert call(*asked, "--replications", 2, "--out", tmp_path) == 0
    assert (run.folder / "records.jsonl").read_bytes() == before
    assert call(*asked, "--replications", 2, "--out", tmp_path / "apart", "--jobs", 2) == 0
    (apart,) = load_runs(tmp_path / "apart")
    assert {(record.row, record.replication): record.metrics for record in apart.records} == records


def test_words_in_order_from_training_to_the_tables(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = tmp_path / "models"
    shutil.copytree(tiny / "models", models, ignore=shutil.ignore_patterns("checkpoints"))
    assets, encoder = ("--dataset", tiny / "data", "--models", models), ("--text-encoder", "wordllama-parts")
    for stage in ("diffusion", "consistency"):
        assert call("train", stage, *assets, *encoder, "--preset", "tiny") == 0
    named = ("--backbone", "mld,motionlcm", "--steps", "1;mld=2")
    few = ("--replications", 1, "--out", tmp_path / "runs")
    assert call("run", "--task", "sequences", *assets, *encoder, *named, *few) == 0
    t2m = ("run", *assets, *encoder, *named, *few, "--controls", "--skip-self-test", "--multimodality-replications", 0)
    assert call(*t2m) == 0
    mti = ("--motions", 4, "--losses", "mld", "--learning-rates", "0.3")
    assert call("mti", "run", *assets, *encoder, *mti, *few) == 0
    tables = capsys.readouterr().out
    assert len(re.findall(r"^\| MLD +\|", tables, re.M)) == 2
    assert all(f"| MotionLCM + {control}" in tables for control in CONTROLS)
    assert "pseudo-words of 4 motions for mld on wordllama-parts" in tables


def test_a_backbone_without_latents_has_no_reconstruction(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "still.py"
    plugin.write_text(STILL)
    assets = ("--dataset", tiny / "data", "--models", tiny / "models", "--plugin", plugin)
    assert (
        call("run", "--task", "sequences", *assets, "--backbone", "still", "--replications", 1, "--out", tmp_path) == 0
    )
    table = capsys.readouterr().out
    assert "| Still " in table
    assert "Reconstruction" not in table


def test_metrics_that_it_does_not_compute_are_refused(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assets = ("--dataset", tiny / "data", "--models", tiny / "models", "--out", tmp_path / "runs")
    assert call("run", "--task", "sequences", *assets, "--backbone", "mld", "--metric", "kid") == 2
    assert "--metric kid: task 'sequences' has metrics of its own" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


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
