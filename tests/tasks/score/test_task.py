"""Motions from a folder are scored as motions of a backbone are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import FakeEvaluator
from folders import smooth_joints, write_folder

from leadbench.cli.main import main
from leadbench.core.config import SelfTestSettings, T2MConfig
from leadbench.core.errors import DataError, MotionFileError, NonFiniteError, SelfTestError
from leadbench.core.skeleton import get_skeleton
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.motion.features import features_to_joints, joints_to_features
from leadbench.results.records import Record, Run
from leadbench.results.store import load_runs
from leadbench.tasks.score.task import ScoreTask, load_motions
from leadbench.tasks.shared.runner import run_task
from leadbench.tasks.shared.selftest import SKIPPED
from leadbench.tasks.t2m.tables import render
from leadbench.zoo.embedded import shipped

IDS = {"train": [f"t{i}" for i in range(6)], "val": ["v0"], "test": [f"s{i:02}" for i in range(24)]}
CONFIG = T2MConfig(replications=2, pool=8, chunk=8)


@pytest.fixture
def dataset(tmp_path: Path) -> HumanML3DFolder:
    return HumanML3DFolder(write_folder(tmp_path / "walks", IDS))


@pytest.fixture
def motions(dataset: HumanML3DFolder, tmp_path: Path) -> Path:
    """The test motions themselves, as if somebody had generated them."""
    folder = tmp_path / "perfect"
    folder.mkdir()
    for identifier in IDS["test"]:
        np.save(folder / f"{identifier}.npy", np.load(dataset.root / "new_joint_vecs" / f"{identifier}.npy"))
    return folder


def score(
    dataset: HumanML3DFolder, motions: Path, out: Path, evaluator: FakeEvaluator | None = None, *, tested: bool = True
) -> Run:
    samples = dataset.load("test")[0]
    loaded = load_motions(motions, dataset, [sample.id for sample in samples])
    judge = evaluator or FakeEvaluator(dataset.motion)
    return run_task(ScoreTask(dataset, judge, loaded, samples, CONFIG, SelfTestSettings() if tested else None), out)


def given(run: Run) -> list[Record]:
    return [record for record in run.records if record.row.source == "given"]


def test_real_motions_score_as_real_ones(dataset: HumanML3DFolder, motions: Path, tmp_path: Path) -> None:
    run = score(dataset, motions, tmp_path / "out")
    assert len(run.records) == 4
    assert {record.row.setting["name"] for record in given(run)} == {"perfect"}
    assert all(record.metrics["fid"] == pytest.approx(0.0, abs=0.05) for record in given(run))
    assert all(record.metrics["multimodality"] is None for record in given(run))
    again = score(dataset, motions, tmp_path / "out")
    assert again.folder == run.folder
    assert again.records == run.records


def test_real_motions_are_tested_first_unless_it_is_skipped(
    dataset: HumanML3DFolder, motions: Path, tmp_path: Path
) -> None:
    evaluator = FakeEvaluator(dataset.motion)
    evaluator.real_row, evaluator.dataset = {"r_precision_3": 0.9, "mm_dist": 1e4}, dataset.identity
    with pytest.raises(SelfTestError, match=r"real motions score .*MM-Dist .*--skip-self-test"):
        score(dataset, motions, tmp_path / "out", evaluator)
    assert not (tmp_path / "out").exists()
    run = score(dataset, motions, tmp_path / "out", evaluator, tested=False)
    assert all(record.details.warnings == (SKIPPED,) for record in run.records)
    assert f"WARNING: {SKIPPED}" in render(run)


def test_worse_motions_score_worse(dataset: HumanML3DFolder, motions: Path, tmp_path: Path) -> None:
    def fid() -> float:
        run = score(dataset, motions, tmp_path / "out")
        return float(np.mean([record.metrics["fid"] for record in given(run)]))  # type: ignore[misc]

    good = fid()
    for path in motions.glob("*.npy"):
        np.save(path, np.load(path) + 5 * dataset.motion.std.numpy())
    assert fid() > good + 1


def test_a_caption_with_a_time_tag_has_a_motion_of_its_own(
    dataset: HumanML3DFolder, motions: Path, tmp_path: Path
) -> None:
    texts = dataset.root / "texts" / "s03.txt"
    texts.write_text(texts.read_text() + "a person walks.#a/DET person/NOUN walk/VERB#0.0#2.5\n")
    line = len(texts.read_text().splitlines())
    with pytest.raises(DataError, match=f"s03#{line}"):
        score(dataset, motions, tmp_path / "out")
    np.save(motions / f"s03#{line}.npy", np.load(motions / "s03.npy")[:50])
    assert {record.details.samples for record in score(dataset, motions, tmp_path / "out").records} == {25}


def test_joints_become_features(dataset: HumanML3DFolder, motions: Path) -> None:
    skeleton = get_skeleton("humanml3d")
    path = motions / "s00.npy"
    joints = features_to_joints(torch.from_numpy(np.load(path)), skeleton)
    np.save(path, joints.numpy())
    loaded = load_motions(motions, dataset, IDS["test"]).features["s00"]
    assert torch.equal(loaded, joints_to_features(joints, skeleton).features)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.zeros((60, 262), dtype=np.float32), MotionFileError, "features \\[F, 263\\] or joints"),
        (np.zeros((2, 263), dtype=np.float32), MotionFileError, "at least 4"),
        (np.full((60, 263), np.nan, dtype=np.float32), NonFiniteError, "NaN"),
        (None, DataError, "1 of 24 test motions have no file"),
    ],
)
def test_what_is_no_motion(
    dataset: HumanML3DFolder,
    motions: Path,
    tmp_path: Path,
    values: np.ndarray | None,
    error: type[Exception],
    message: str,
) -> None:
    path = motions / "s05.npy"
    if values is None:
        path.unlink()
    else:
        np.save(path, values)
    with pytest.raises(error, match=message):
        score(dataset, motions, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mode", ["official", "corrected"])
def test_joints_are_scored_in_the_mode_of_the_dataset(
    mode: str, dataset: HumanML3DFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the command line to the records: --corrected-features changes nothing where the card says so already."""
    card = dataset.root / "dataset.json"
    card.write_text(json.dumps({**json.loads(card.read_text()), "feature_mode": mode}))
    folder = tmp_path / "joints"
    folder.mkdir()
    for number, identifier in enumerate(IDS["test"]):
        np.save(folder / f"{identifier}.npy", smooth_joints(70, number).numpy())

    def fid(out: str, *more: str) -> tuple[float | None, str]:
        arguments = ["--motions", str(folder), "--dataset", str(dataset.root), "--models", str(shipped().folder)]
        arguments += ["--replications", "1", "--out", str(tmp_path / out), *more]
        monkeypatch.setattr("sys.argv", ["leadbench", "-q", "score", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert not stopped.value.code
        (run,) = load_runs(tmp_path / out)
        (record,) = given(run)
        return record.metrics["fid"], " ".join(record.details.notes)

    (found, notes), (corrected, _) = fid("plain"), fid("flag", "--corrected-features")
    assert f"joints became features in {mode} mode" in notes
    assert (found == corrected) == (mode == "corrected")


def test_joints_in_centimetres_are_refused(dataset: HumanML3DFolder, motions: Path) -> None:
    np.save(motions / "s00.npy", 100 * smooth_joints(70, 0).numpy())
    with pytest.raises(MotionFileError, match=r"s00\.npy: .*they look like centimetres; multiply by 0\.01"):
        load_motions(motions, dataset, IDS["test"])
