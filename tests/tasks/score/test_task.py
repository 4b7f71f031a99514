"""Motions from a folder are scored as motions of a backbone are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import FakeEvaluator
from folders import write_folder

from leadbench.core.config import T2MConfig
from leadbench.core.errors import DataError, MotionFileError, NonFiniteError, SelfTestError
from leadbench.core.skeleton import get_skeleton
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.motion.features import features_to_joints, joints_to_features
from leadbench.report.published import published_beside
from leadbench.report.tables.t2m import render_t2m
from leadbench.tasks.score.task import load_motions, score_and_store
from leadbench.tasks.shared.selftest import SKIPPED

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


def test_real_motions_score_as_real_ones(dataset: HumanML3DFolder, motions: Path, tmp_path: Path) -> None:
    evaluator = FakeEvaluator(dataset.motion)
    records, run = score_and_store(motions, dataset, evaluator, CONFIG, tmp_path / "out", "official")
    assert len(records) == 4
    perfect = [record for record in records if record.row == "perfect"]
    assert all(record.metrics["fid"] == pytest.approx(0.0, abs=0.05) for record in perfect)
    assert all(record.metrics["multimodality"] is None for record in perfect)
    assert (run / "records.jsonl").is_file()
    again, _ = score_and_store(motions, dataset, evaluator, CONFIG, tmp_path / "out", "official")
    assert [record.metrics for record in again] == [record.metrics for record in records]


def test_real_motions_are_tested_first_unless_it_is_skipped(
    dataset: HumanML3DFolder, motions: Path, tmp_path: Path
) -> None:
    evaluator = FakeEvaluator(dataset.motion)
    evaluator.real_row, evaluator.dataset = {"r_precision_3": 0.9, "mm_dist": 1e4}, dataset.identity
    with pytest.raises(SelfTestError, match=r"real motions score .*MM-Dist .*--skip-self-test"):
        score_and_store(motions, dataset, evaluator, CONFIG, tmp_path / "out", "official")
    assert not (tmp_path / "out").exists()
    records, _ = score_and_store(motions, dataset, evaluator, CONFIG, tmp_path / "out", "official", self_test=False)
    assert all(record.details["stamps"] == [SKIPPED] for record in records)
    assert f"WARNING: {SKIPPED}" in render_t2m(records, "github", published_beside(records[0].dataset))


def test_worse_motions_score_worse(dataset: HumanML3DFolder, motions: Path, tmp_path: Path) -> None:
    def fid() -> float:
        records, _ = score_and_store(
            motions, dataset, FakeEvaluator(dataset.motion), CONFIG, tmp_path / "out", "official"
        )
        return float(np.mean([record.metrics["fid"] for record in records if record.row == "perfect"]))  # type: ignore[misc]

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
    evaluator = FakeEvaluator(dataset.motion)
    with pytest.raises(DataError, match=f"s03#{line}"):
        score_and_store(motions, dataset, evaluator, CONFIG, tmp_path / "out", "official")
    np.save(motions / f"s03#{line}.npy", np.load(motions / "s03.npy")[:50])
    records, _ = score_and_store(motions, dataset, evaluator, CONFIG, tmp_path / "out", "official")
    assert {record.details["samples"] for record in records} == {25}


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
        score_and_store(motions, dataset, FakeEvaluator(dataset.motion), CONFIG, tmp_path / "out", "official")
    assert not (tmp_path / "out").exists()
