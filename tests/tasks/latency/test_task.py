"""The latency benchmark on tiny random networks: what its records hold, and the table made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from records import run_of

from leadbench.core.errors import ConfigError, ResultsError, UnknownNameError
from leadbench.core.presets import get_preset
from leadbench.plugins.manager import load_plugins
from leadbench.report.names import row_name
from leadbench.results.details import LatencyDetails
from leadbench.results.records import Record, Run
from leadbench.tasks.latency.subjects import RandomModels
from leadbench.tasks.latency.table import render
from leadbench.tasks.latency.task import LatencyConfig, LatencyTask, Subject
from leadbench.tasks.latency.timing import Spread, in_turns, probe
from leadbench.tasks.shared.runner import run_task
from leadbench.zoo.projectors import AttachedProjector

CONFIG = LatencyConfig("tiny", batches=(1, 2), frames=16, rounds=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    models = RandomModels(get_preset("tiny"))
    plugins = load_plugins()
    mld, lcm = (plugins.create("backbone", name, models) for name in ("mld", "motionlcm"))
    projector = AttachedProjector("lead", "LEAD", None, models.projector(), "", Path())
    subjects = [
        Subject(mld, "MLD", (3,), (projector,), timed_text=False),
        Subject(lcm, "MotionLCM", (1, 2)),
    ]
    return run_task(LatencyTask(subjects, CONFIG), tmp_path_factory.mktemp("runs"))


def details(record: Record) -> LatencyDetails:
    assert isinstance(record.details, LatencyDetails)
    return record.details


def test_one_record_for_each_setting_with_and_without_projector(run: Run) -> None:
    rows = [(row_name(r.row, run.names), r.row.steps, r.row.setting["batch"]) for r in run.records]
    assert rows[:4] == [("MLD", 3, 1), ("LEAD (MLD)", 3, 1), ("MLD", 3, 2), ("LEAD (MLD)", 3, 2)]
    assert rows[4:] == [("MotionLCM", steps, batch) for steps in (1, 2) for batch in (1, 2)]
    assert {r.task for r in run.records} == {"latency"}


def test_stages_and_counts(run: Run) -> None:
    plain, projected, twice = run.records[:3]
    assert "project.median" not in plain.metrics
    assert "text.median" not in plain.metrics
    assert (projected.metrics["project.median"] or 0) > 0
    assert "text.median" in run.records[4].metrics
    counts, parameters = details(plain).multiply_accumulates, details(plain).parameters
    # motions of one length share the decoder's first self-attention
    assert 1.9 * counts["decode"] < details(twice).multiply_accumulates["decode"] < 2 * counts["decode"]
    assert counts["denoise"] > 0
    models = RandomModels(get_preset("tiny"))
    network = models.official("mld").denoiser
    assert parameters["denoise"] == sum(p.numel() for p in network.parameters())
    assert details(plain).probe["product"] > 0


def test_the_table_sets_published_times_beside(run: Run) -> None:
    table = render(run)
    assert "MLD, published" in table
    assert "+3.8%" in table
    assert "text embeddings are given" in table
    content = json.loads(render(run, "json"))
    assert len(content["rows"]) == len(run.records)
    with pytest.raises(UnknownNameError):
        render(run, "yaml")
    with pytest.raises(ResultsError, match="no records"):
        render(run_of([]))


def test_steps_that_a_backbone_cannot_run_are_refused(tmp_path: Path) -> None:
    models = RandomModels(get_preset("tiny"))
    backbone = load_plugins().create("backbone", "motionlcm", models)
    with pytest.raises(ConfigError, match="--steps 60"):
        run_task(LatencyTask([Subject(backbone, "MotionLCM", (60,))], CONFIG), tmp_path)


def test_works_are_timed_in_turns() -> None:
    calls: list[str] = []
    works = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    times = in_turns(works, rounds=2, device=torch.device("cpu"))
    assert calls == ["a", "b", "a", "b", "a", "b"]
    assert len(times["a"].values) == 2
    assert Spread.of([float(i) for i in range(1, 101)]).p95 == 95.0
    assert probe(torch.device("cpu"), size=64, rounds=2).copy > 0
