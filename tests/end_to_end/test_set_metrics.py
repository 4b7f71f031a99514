"""Metrics of sets from the command line to their tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command import call

import leadbench
from leadbench.core.config import T2MConfig
from leadbench.core.contracts import MotionSets
from leadbench.plugins.manager import load_plugins
from leadbench.results.store import load_runs
from leadbench.tasks.t2m.tables import pool_curves
from leadbench.zoo.assets import Choice, open_assets

TITLES = (
    "Distributions of embeddings",
    "Retrieval in the whole split",
    "Retrieval in the whole split, captions alike counted as one",
    "Retrieval among dissimilar captions",
    "R@1 by the size of the pool (chance: 1 of as many)",
)
CLASH = """
import leadbench


@leadbench.hookimpl
def leadbench_metrics():
    columns = (leadbench.SetColumn("kid"),)
    return [leadbench.SetMetricRegistration("mine", "", lambda context: lambda sets: {"kid": 1.0}, columns=columns)]
"""
LIAR = CLASH.replace('SetColumn("kid")', 'SetColumn("mine")').replace('{"kid": 1.0}', '{"other": 1.0}')


@pytest.fixture(scope="module")
def common(tiny: Path) -> tuple[object, ...]:
    few = ("--replications", "2", "--multimodality-replications", "0", "--skip-self-test")
    return ("run", "--backbone", "motionlcm", "--dataset", tiny / "data", "--models", tiny / "models", *few)


@pytest.fixture(scope="module")
def stored(common: tuple[object, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sets")
    assert call(*common, "--steps", "1,2", "--metric", "all,jerk", "--controls", "--out", out) == 0
    return out


def test_every_measure_stands_in_its_table(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = load_runs(stored)
    assert call("tables", run.folder) == 0
    said = capsys.readouterr().out
    places = [said.index(f"**{title}**") for title in TITLES]
    assert said.index("**By model") < min(places)
    assert "jerk →" in said[: min(places)]  # of single motions: in the paper's tables
    first = said[places[0] :].splitlines()[2]
    order = (
        "FID∞ ↓",
        "KID·10³ ↓",
        "KID s.e.",
        "To train →",
        "Precision ↑",
        "Recall ↑",
        "Density →",
        "Coverage ↑",
        "Vendi →",
    )
    assert [first.index(column) for column in order] == sorted(first.index(column) for column in order)
    pools = said[places[-1] :].splitlines()[2]
    assert pools.index("of all ↑") < pools.index("alike, of all ↑")
    assert "of 32" not in pools  # so many motions there are not
    assert sum("LEAD (MotionLCM)" in line for line in said[places[0] :].split("\n\n")[1].splitlines()) == 2  # by steps


def test_pools_are_drawn(stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = load_runs(stored)
    curves = {curve.name: curve for curve in pool_curves(run)}
    assert {"Real", "MotionLCM, 1 step", "LEAD (MotionLCM), 2 steps"} <= set(curves)
    assert curves["Real"].sizes == (run.records[0].details.samples,)
    assert call("tables", run.folder, "--figure", tmp_path / "pools.png") == 0
    assert (tmp_path / "pools.png").read_bytes().startswith(b"\x89PNG")
    assert "pools.png" in capsys.readouterr().err


def test_what_they_say_of_controls(stored: Path) -> None:
    (run,) = load_runs(stored)
    found = {record.row.key: record.metrics for record in run.records if record.replication == 0}
    real = next(m for key, m in found.items() if '"real"' in key and "control" not in key)
    shuffled = next(m for key, m in found.items() if "shuffled-captions" in key)
    train = next(record for record in run.records if record.row.source == "train")
    assert "kid" not in train.metrics  # its captions are others
    assert (real["precision"], real["coverage"]) == pytest.approx((1.0, 1.0), abs=0.2)
    assert real["all_t2m_r10"] is not None
    assert (shuffled["precision"], shuffled["train_distance"]) == (1.0, pytest.approx(real["train_distance"], rel=0.2))
    assert shuffled["all_t2m_r10"] != real["all_t2m_r10"]
    assert (real["alike_t2m_r1"] or 0) >= (real["all_t2m_r1"] or 0)
    assert real["pool_256"] is None  # so many motions there are not
    assert real["pool_all"] == pytest.approx(real["all_t2m_r1"], abs=0.05)
    generated = next(m for key, m in found.items() if "motionlcm" in key)
    assert (generated["kid"] or 0) > (real["kid"] or 0)
    assert all(value is None or isinstance(value, float) for value in generated.values())


def test_two_processes_and_a_resumed_run_make_the_same(
    common: tuple[object, ...], stored: Path, tmp_path: Path
) -> None:
    again = ("--steps", "1,2", "--metric", "all,jerk", "--controls", "--out", tmp_path, "--jobs", "2")
    assert call(*common, *again) == 0
    (one,), (two,) = load_runs(stored), load_runs(tmp_path)
    assert one.identity == two.identity
    assert {r.key: r.metrics for r in one.records} == {r.key: r.metrics for r in two.records}


def test_options_are_part_of_the_run(common: tuple[object, ...], tmp_path: Path) -> None:
    for value in (3, 5):
        options = ("--metric", "prdc", "--option", f"prdc.k={value}", "--projector", "none", "--out", tmp_path)
        assert call(*common, *options) == 0
    first, second = load_runs(tmp_path)
    assert first.identity != second.identity
    assert call("tables", first.folder, "--figure", tmp_path / "pools.png") == 2  # pools were not asked for
    values = [[r.metrics["density"] for r in run.records if r.row.backbone] for run in (first, second)]
    assert values[0] != values[1]


def test_motions_of_a_folder(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scored by the same measures: the test motions themselves are as good as real ones, and lie in no train split."""
    given = tmp_path / "given"
    given.mkdir()
    opened = open_assets(Choice(dataset="folder", root=tiny / "data", models=tiny / "models"))
    for sample in opened.dataset.load("test")[0]:
        np.save(given / f"{sample.id}.npy", sample.features.numpy())
    command = (
        "score",
        "--motions",
        given,
        "--dataset",
        tiny / "data",
        "--models",
        tiny / "models",
        "--replications",
        "2",
    )
    assert call(*command, "--metric", "jerk,kid,memorisation,gallery-alike", "--out", tmp_path / "runs") == 0
    said = capsys.readouterr().out
    for title in ("Distributions of embeddings", "Retrieval in the whole split, captions alike counted as one"):
        assert f"**{title}**" in said
    (run,) = load_runs(tmp_path / "runs")
    real, mine = ([r.metrics for r in run.records if r.row.source == source] for source in ("real", "given"))
    # a file holds the whole motion, of which the real row has crops
    assert mine[0]["jerk"] == pytest.approx(real[0]["jerk"], rel=0.2)
    assert mine[0]["train_distance"] == pytest.approx(real[0]["train_distance"], rel=0.2)
    assert mine[0]["kid"] is not None


def test_from_python(tiny: Path, tmp_path: Path) -> None:
    opened = open_assets(Choice(dataset="folder", root=tiny / "data", models=tiny / "models"))
    config = T2MConfig(replications=1, multimodality_replications=0)
    results = leadbench.run("motionlcm", opened, metrics=["vendi"], projector="none", config=config, out=tmp_path)
    assert "**Distributions of embeddings**" in results.table()
    rows = json.loads(results.table("json"))
    assert "vendi" in json.dumps(rows)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("kdi", "unknown metric 'kdi'"),
        ("kid,mine", "--metric mine: gives 'kid', which another metric of this run gives too"),
        (",", "no name given"),
    ],
)
def test_what_does_not_fit_is_told_first(
    common: tuple[object, ...], metric: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(CLASH)
    assert call(*common, "--metric", metric, "--plugin", tmp_path / "mine.py", "--out", tmp_path / "runs") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("float('nan')", "metric 'mine': mine is nan; needs a finite"),
        ("'much'", "mine is a str; needs a finite"),
    ],
)
def test_what_is_no_finite_number(
    common: tuple[object, ...], value: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(LIAR.replace('{"other": 1.0}', f'{{"mine": {value}}}'))
    assert call(*common, "--metric", "mine", "--plugin", tmp_path / "mine.py", "--out", tmp_path / "runs") == 2
    assert message in capsys.readouterr().err


def test_few_motions_have_what_can_be_told_of_them() -> None:
    plugins = load_plugins()
    generator = torch.Generator().manual_seed(0)
    real, made, text = torch.randn(3, 2, 4, generator=generator)
    sets = MotionSets(real, made, text, ("a", "b"), lambda: real, torch.arange(2), 0)
    for name in ("kid", "prdc", "fid-infinity", "vendi", "memorisation", "gallery"):
        numbers = plugins.metric(name)(sets)  # type: ignore[arg-type]
        known = {key for key, value in numbers.items() if value is not None}  # type: ignore[attr-defined]
        assert bool(known) == (name in ("vendi", "memorisation", "gallery"))


def test_other_numbers_than_registered(
    common: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(LIAR)
    assert call(*common, "--metric", "mine", "--plugin", tmp_path / "mine.py", "--out", tmp_path / "runs") == 2
    assert "metric 'mine': gave other; it registered mine" in capsys.readouterr().err
    assert call("plugins", "check", "mine", "--plugin", tmp_path / "mine.py") == 2
    said = capsys.readouterr().out
    assert "FAIL  metric:mine  numbers" in said
    assert "FAIL  metric:mine  distinction" in said
