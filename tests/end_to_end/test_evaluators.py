"""Several evaluators from one command: a run and a table each, and how alike they order the rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from command import call
from records import made_record, write_run
from scipy import stats

import leadbench
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import MotionBatch
from leadbench.data.humanml3d import collate
from leadbench.results.aggregate import rows_of
from leadbench.results.rows import Row
from leadbench.results.store import load_runs


@pytest.fixture(scope="module")
def models(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models with a second evaluator."""
    folder = tmp_path_factory.mktemp("two") / "models"
    shutil.copytree(tiny / "models", folder)
    options = ("--preset", "tiny", "--dataset", tiny / "data", "--models", folder)
    assert call("train", "evaluator", "--kind", "tmr", *options) == 0
    return folder


def test_two_evaluators(tiny: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ("--replications", 2, "--multimodality-replications", 0, "--skip-self-test", "--out", tmp_path / "runs")
    common = ("run", "--backbone", "motionlcm", "--steps", "1,2,4", "--dataset", tiny / "data", "--models", models)
    capsys.readouterr()
    assert call(*common, *few, "--evaluator", "guo,tmr") == 0
    said = capsys.readouterr().out
    assert said.count("**By steps") == 2
    runs = load_runs(tmp_path / "runs")
    assert len({run.records[0].evaluator for run in runs}) == 2
    first, second = ({m.row: m.estimates["fid"].mean for m in rows_of(run) if m.row.steps} for run in runs)
    wanted = stats.kendalltau([first[row] for row in first], [second[row] for row in first]).statistic
    line = next(line for line in said[said.index("**Agreement of evaluators**") :].splitlines() if line[:5] == "| FID")
    assert [cell.strip() for cell in line.split("|")][4:6] == [f"{wanted:.3f}", "6"]
    folders = [run.folder for run in runs]
    assert call("results", "agree", *folders, "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert "FID" in {row["metric"] for row in rows}  # so few motions fill no pool
    assert rows[0]["tau"] == pytest.approx(wanted)
    assert call(*common, *few, "--evaluator", "guo,tmr") == 0  # nothing is done twice
    assert len(load_runs(tmp_path / "runs")) == 2


def test_wrong_ones_are_found_before_anything_is_written(
    tiny: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("run", "--backbone", "motionlcm", "--dataset", tiny / "data", "--models", models, "--out", tmp_path / "a")
    assert call(*common, "--evaluator", "guo,trm") == 2
    assert "unknown evaluator 'trm'" in capsys.readouterr().err
    assert call(*common, "--evaluator", "guo,tmr", "--format", "csv") == 2
    assert "--format csv: of one evaluator" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_what_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(name: str, rows: int = 4, **changes: str) -> Path:
        records = [
            made_record(Row(backbone=f"b{n}", steps=1, guidance=1.0), metrics={"fid": float(n)}, **changes)
            for n in range(rows)
        ]
        return write_run(tmp_path / name, records)

    one, same = run("one"), run("same")
    other, kit, few = (
        run("other", evaluator="f"),
        run("kit", dataset="kit", evaluator="f"),
        run("few", 2, evaluator="f"),
    )
    assert call("results", "agree", one, other) == 0
    assert "1.000" in capsys.readouterr().out
    for second, said in (
        (same, "2 runs of 1 evaluators; needed: two or more, each of another"),
        (kit, "runs of 2 datasets do not compare: kit, made"),
        (few, "2 rows are in both; needed to compare orders: 3"),
    ):
        assert call("results", "agree", one, second) == 2
        assert said in capsys.readouterr().err


def test_the_evaluator_of_essential_features(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is trained, found by its name, and sees the root and the positions of joints alone."""
    models = tmp_path / "models"
    shutil.copytree(tiny / "models", models)
    options = ("--dataset", tiny / "data", "--models", models)
    assert call("train", "evaluator", "--kind", "guo-essential", "--preset", "tiny", *options) == 0
    card = json.loads((models / "evaluator-essential.json").read_text())
    assert (card["kind"], card["config"]["architecture"]["features"]) == ("guo-essential", 67 + 4)
    few = ("--replications", 1, "--multimodality-replications", 0, "--skip-self-test", "--out", tmp_path / "runs")
    command = ("run", "--backbone", "motionlcm", *options, *few)
    assert call(*command, "--evaluator", "guo,guo-essential") == 0
    assert len({run.records[0].evaluator for run in load_runs(tmp_path / "runs")}) == 2
    opened = leadbench.open_dataset(tiny / "data", models=models)
    whole, essential = (opened.plugins.evaluator(name, opened.models) for name in ("guo", "guo-essential"))
    batch = collate([sample.features[:40] for sample in opened.dataset.load("test")[0][:4]])
    changed = batch.features.clone()
    changed[..., 67:259] += 1.0  # rotations and velocities
    other = MotionBatch(changed, batch.mask)
    seen = [[e.embed_motion(b.normalize(e.motion)) for b in (batch, other)] for e in (whole, essential)]
    assert not torch.allclose(*seen[0])
    torch.testing.assert_close(*seen[1], rtol=0, atol=0)
    assert [get_skeleton(name).essential_features for name in ("humanml3d", "kit")] == [67, 64]
