"""``leadbench evaluator audit`` from the command line to its tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import call
from torch import Tensor

import leadbench
from leadbench.results.rows import REAL
from leadbench.results.store import load_runs
from leadbench.tasks.audit import task
from leadbench.tasks.audit.corruptions import CORRUPTIONS
from leadbench.tasks.audit.task import NOTHING, row_of


@pytest.fixture(scope="module")
def common(tiny: Path) -> tuple[object, ...]:
    return ("evaluator", "audit", "--dataset", tiny / "data", "--models", tiny / "models")


@pytest.fixture(scope="module")
def stored(common: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("audit")
    assert call(*common, "--metric", "vendi,memorisation", "--split", "train", "--out", out) == 0
    return out


def test_every_corruption_has_its_rows(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = load_runs(stored)
    assert not run.missing
    assert call("tables", run.folder) == 0
    said = capsys.readouterr().out
    tables = said.split("**")[1::2]
    assert tables == ["Real motions under corruption", "Distributions of embeddings", "Least strength that is noticed"]
    for strength in ("0.005", "0.200"):
        assert sum(f"| jitter          | {strength}" in line for line in said.splitlines()) == 2
    notice = said.partition("Least strength that is noticed")[2]
    assert {"FID ↓", "R@1 ↑", "Vendi →"} <= {line.split("|")[1].strip() for line in notice.splitlines() if "|" in line}


def test_what_the_numbers_say(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Even an evaluator that learnt for four steps is at another place where joints shake by a fifth of a bone."""
    (run,) = load_runs(stored)
    fid = {r.row: r.metrics["fid"] or 0.0 for r in run.records if r.replication == 0}
    assert fid[NOTHING] < fid[row_of("jitter", 0.2)]
    assert fid[row_of("jitter", 0.05)] < fid[row_of("jitter", 0.2)]
    assert fid[REAL] == pytest.approx(fid[NOTHING], rel=0.5)
    assert call("tables", run.folder, "--format", "json") == 0
    noticed = json.loads(capsys.readouterr().out)["noticed"]["fid"]
    assert set(noticed) == {"jitter", "time-warp", "mirrored", "shuffled-halves", "frozen-feet"}
    assert noticed["jitter"]["first"] in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def test_processes_share_it(common: tuple[object, ...], tmp_path: Path) -> None:
    some = ("--corruption", "mirrored,jitter", "--replications", "2", "--metric", "gallery-alike")
    for jobs in (1, 2):
        assert call(*common, *some, "--jobs", jobs, "--out", tmp_path / str(jobs)) == 0
    (one,), (two,) = (load_runs(tmp_path / str(jobs)) for jobs in (1, 2))
    assert one.identity == two.identity
    assert {r.key: r.metrics for r in one.records} == {r.key: r.metrics for r in two.records}


def test_another_evaluator_is_another_run(common: tuple[object, ...], tiny: Path, tmp_path: Path) -> None:
    models = ("--dataset", tiny / "data", "--models", tiny / "models")
    assert call("train", "evaluator", "--kind", "tmr", "--preset", "tiny", *models) == 0
    few = ("--corruption", "jitter", "--replications", "1", "--out", tmp_path)
    assert call(*common, *few) == 0
    assert call(*common, *few, "--evaluator", "tmr") == 0
    first, second = load_runs(tmp_path)
    assert first.records[0].evaluator != second.records[0].evaluator


def test_one_replication_tells_no_strength(
    common: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*common, "--corruption", "jitter", "--replications", "1", "--out", tmp_path) == 0
    said = capsys.readouterr().out
    assert "| FID ↓" in said.partition("Least strength")[2]
    assert "never" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--corruption", "jiter"), "unknown corruption 'jiter'"),
        (("--metric", "jerk"), "--metric jerk: is of single motions; an audit takes metrics of sets"),
        (("--evaluator", "gou"), "unknown evaluator 'gou'"),
    ],
)
def test_what_does_not_fit_is_told_first(
    common: tuple[object, ...],
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert call(*common, *arguments, "--out", tmp_path / "runs") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_motions_whose_official_features_are_not_finite_are_told(
    common: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bone of length 0 has no official rotation."""

    def shrink(joints: Tensor, skeleton: object, strength: float, draws: np.random.Generator) -> Tensor:
        bent = joints.clone()
        if draws.random() < strength:
            bent[:, 5] = bent[:, 2]
        return bent

    monkeypatch.setitem(CORRUPTIONS, "jitter", replace(CORRUPTIONS["jitter"], apply=shrink, strengths=(0.5,)))
    monkeypatch.setattr(task, "feature_mode", lambda dataset: "official")
    assert call(*common, "--corruption", "jitter", "--replications", 1, "--out", tmp_path) == 0
    assert "corrupted motions have features in corrected mode" in capsys.readouterr().out
    (run,) = load_runs(tmp_path)
    assert all(record.metrics["fid"] is not None for record in run.records)


def test_from_python(tiny: Path, tmp_path: Path) -> None:
    opened = leadbench.open_dataset(tiny / "data", models=tiny / "models")
    config = leadbench.T2MConfig(replications=1)
    found = leadbench.audit("guo", opened, corruptions=["mirrored"], config=config, out=tmp_path)
    rows = [record.row for record in found.records]
    assert rows[:2] == [REAL, NOTHING]
    assert "mirrored" in found.table()
