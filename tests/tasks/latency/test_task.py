"""The latency benchmark on tiny random networks: what its records hold, and the table made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from leadbench.core.errors import ConfigError, ResultsError, UnknownNameError
from leadbench.core.presets import get_preset
from leadbench.plugins.manager import load_plugins
from leadbench.results.store import Record
from leadbench.tasks.latency.subjects import RandomModels
from leadbench.tasks.latency.table import render_latency
from leadbench.tasks.latency.task import LatencyConfig, Subject, open_latency
from leadbench.tasks.latency.timing import Spread, in_turns, probe

CONFIG = LatencyConfig("tiny", batches=(1, 2), frames=16, rounds=2)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    models = RandomModels(get_preset("tiny"), torch.device("cpu"))
    plugins = load_plugins()
    mld, lcm = (plugins.create("backbone", name, models) for name in ("mld", "motionlcm"))
    subjects = [
        Subject(mld, "MLD", (3,), models.projector(), timed_text=False),
        Subject(lcm, "MotionLCM", (1, 2), None),
    ]
    return open_latency(subjects, CONFIG, tmp_path_factory.mktemp("runs")).run()


def test_one_record_for_each_setting_with_and_without_projector(records: list[Record]) -> None:
    rows = [(r.row, r.steps, r.chunk_size) for r in records]
    assert rows[:4] == [("MLD", 3, 1), ("LEAD (MLD)", 3, 1), ("MLD", 3, 2), ("LEAD (MLD)", 3, 2)]
    assert rows[4:] == [("MotionLCM", steps, batch) for steps in (1, 2) for batch in (1, 2)]
    assert {r.protocol for r in records} == {"latency"}


def test_stages_and_counts(records: list[Record]) -> None:
    plain, projected, twice = records[:3]
    assert "project.median" not in plain.metrics
    assert "text.median" not in plain.metrics
    assert (projected.metrics["project.median"] or 0) > 0
    assert "text.median" in records[4].metrics
    counts, parameters = plain.details["multiply_accumulates"], plain.details["parameters"]
    # motions of one length share the decoder's first self-attention
    assert 1.9 * counts["decode"] < twice.details["multiply_accumulates"]["decode"] < 2 * counts["decode"]
    assert counts["denoise"] > 0
    models = RandomModels(get_preset("tiny"), torch.device("cpu"))
    network = models.official("mld").denoiser
    assert parameters["denoise"] == sum(p.numel() for p in network.parameters())
    assert plain.details["probe"]["product"] > 0


def test_the_table_sets_published_times_beside(records: list[Record]) -> None:
    table = render_latency(records)
    assert "MLD, published" in table
    assert "+3.8%" in table
    assert "text embeddings are given" in table
    content = json.loads(render_latency(records, "json"))
    assert len(content["rows"]) == len(records)
    with pytest.raises(UnknownNameError):
        render_latency(records, "yaml")
    with pytest.raises(ResultsError, match="not of the latency benchmark"):
        render_latency([records[0].model_copy(update={"protocol": "guo-2022"})])


def test_steps_that_a_backbone_cannot_run_are_refused(tmp_path: Path) -> None:
    models = RandomModels(get_preset("tiny"), torch.device("cpu"))
    backbone = load_plugins().create("backbone", "motionlcm", models)
    with pytest.raises(ConfigError, match="--steps 60"):
        open_latency([Subject(backbone, "MotionLCM", (60,), None)], CONFIG, tmp_path).run()


def test_works_are_timed_in_turns() -> None:
    calls: list[str] = []
    works = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    times = in_turns(works, rounds=2, device=torch.device("cpu"))
    assert calls == ["a", "b", "a", "b", "a", "b"]
    assert len(times["a"].values) == 2
    assert Spread.of([float(i) for i in range(1, 101)]).p95 == 95.0
    assert probe(torch.device("cpu"), size=64, rounds=2).copy > 0
