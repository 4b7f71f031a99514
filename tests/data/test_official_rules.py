"""Folders in the published layouts, against a plain restatement of the official reader."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from official_layouts import write_dataset

from leadbench.core.errors import ConfigError, DataError, NonFiniteError
from leadbench.data.humanml3d import HumanML3DFolder, draw, humanml3d, kit_ml
from leadbench.zoo.assets import Choice, open_assets


def official(root: Path, split: str, least: int) -> list[tuple[str, int, tuple[str, ...], float]]:
    """(id, frames, captions, first value) of every sample, read as Text2MotionDatasetV2 does, without its random names.

    Its reader passes over whatever fails; a sub-clip keeps the id of its motion here.
    """
    found = []
    for name in (root / f"{split}.txt").read_text().split():
        motion = np.load(root / "new_joint_vecs" / f"{name}.npy")
        if len(motion) < least or len(motion) >= 200 or np.isnan(motion).any():
            continue
        whole = []
        for line in (root / "texts" / f"{name}.txt").read_text().splitlines():
            if not line:
                continue
            caption, _, begin, end = line.split("#")
            start, stop = (0.0 if math.isnan(float(tag)) else float(tag) for tag in (begin, end))
            if start == 0.0 and stop == 0.0:
                whole.append(caption)
                continue
            part = motion[int(start * 20) : int(stop * 20)]
            if least <= len(part) < 200:
                found.append((name, len(part), (caption,), float(part[0, 0])))
        if whole:
            found.append((name, len(motion), tuple(whole), float(motion[0, 0])))
    return sorted(found)


@pytest.fixture(scope="module", params=["humanml3d", "kit"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[HumanML3DFolder, int]:
    root = tmp_path_factory.mktemp("data") / "X"
    if request.param == "kit":
        return kit_ml(write_dataset(root, width=251)), 24
    return humanml3d(write_dataset(root)), 40


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_samples_are_the_official_ones(case: tuple[HumanML3DFolder, int], split: str) -> None:
    dataset, least = case
    samples, report = dataset.load(split)
    found = sorted(
        (
            sample.id.partition("#")[0],
            sample.frames,
            tuple(c.caption for c in sample.captions),
            float(sample.features[0, 0]),
        )
        for sample in samples
    )
    assert found == official(dataset.root, split, least)
    assert len({sample.id for sample in samples}) == len(samples) == report.kept
    assert any("#" in sample.id for sample in samples) or split == "val"


def test_short_clips_count_in_kit_ml(tmp_path: Path) -> None:
    dataset = kit_ml(write_dataset(tmp_path / "kit", width=251))
    lengths = [sample.frames for sample in dataset.load("train")[0]]
    assert 24 <= min(lengths) < 40
    assert dataset.motion.fps == 12.5


def test_lengths_are_multiples_of_four_and_one_unit_less_in_a_third(case: tuple[HumanML3DFolder, int]) -> None:
    samples = case[0].load("test")[0]
    drawn = [item for replication in range(40) for item in draw(samples, 0, replication)]
    less = [item.sample.frames // 4 * 4 - item.length for item in drawn]
    assert set(less) == {0, 4}
    assert sum(amount == 4 for amount in less) / len(less) == pytest.approx(1 / 3, abs=0.05)
    assert all(0 <= item.start <= item.sample.frames - item.length for item in drawn)


def test_the_two_published_motions_with_nan_are_left_out_and_told(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "H")
    samples, report = humanml3d(root).load("test")
    assert report.not_finite == ("007975", "M007975")
    first, backwards = report.notes
    assert first == "left out: 2 motions with NaN or infinity (007975, M007975)"
    assert backwards.startswith(f"left out: {len(report.empty_caption)} captions without words, or of no time")
    assert not any(sample.id.startswith(("007975", "M007975")) for sample in samples)
    by_path = HumanML3DFolder(root).load("test")[1]
    assert by_path.not_finite == report.not_finite


def test_another_motion_with_nan_is_refused(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "H")
    name = (root / "test.txt").read_text().split()[0]
    np.save(root / "new_joint_vecs" / f"{name}.npy", np.full((60, 263), np.nan, np.float32))
    with pytest.raises(NonFiniteError, match=rf"1 motion\(s\) .*{name}"):
        humanml3d(root).load("test")
    assert humanml3d(root).load("test", skip_bad=True)[1].not_finite == (name, "007975", "M007975")


def test_what_the_official_reader_passes_over_is_named(tmp_path: Path) -> None:
    root = write_dataset(tmp_path / "H")
    first, second, third, *_ = (root / "test.txt").read_text().split()
    (root / "texts" / f"{first}.txt").unlink()
    (root / "new_joint_vecs" / f"{second}.npy").unlink()
    (root / "texts" / f"{third}.txt").write_text("no tokens here\na person walks#a/DET#0.0#0.0\n")
    with pytest.raises(DataError, match=f"{first}.*no captions file"):
        humanml3d(root).load("test")
    samples, report = humanml3d(root).load("test", skip_bad=True)
    assert report.missing == (first, second)
    assert report.bad_text == (f"{third}:1",)
    assert [sample.captions[0].caption for sample in samples if sample.id == third] == ["a person walks"]
    assert "left out: 2 motions that lack a file" in report.notes[1]


def test_a_dataset_by_name_needs_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = write_dataset(tmp_path / "somewhere")
    assert open_assets(Choice("humanml3d", root=root)).dataset.name == "humanml3d"
    with pytest.raises(ConfigError, match=r"where is it\? Give --root, or set datasets\.humanml3d\.root"):
        open_assets(Choice("humanml3d"))
    (tmp_path / "leadbench.toml").write_text("[datasets.humanml3d]\nroot = 'somewhere'\nmodels = 'weights'\n")
    opened = open_assets(Choice("humanml3d"))
    assert opened.dataset.name == "humanml3d"
    assert opened.models.folder == tmp_path / "weights"
    assert open_assets(Choice(str(root))).dataset.name == "somewhere"
    with pytest.raises(ConfigError, match="is a folder already"):
        open_assets(Choice(str(root), root=root))
    with pytest.raises(DataError, match=r"no such folder, nor a dataset's name .*did you mean 'humanml3d'"):
        open_assets(Choice("humanml3"))
    with pytest.raises(DataError, match=r"263 features a frame .*kit has skeleton 'kit'"):
        open_assets(Choice("kit", root=root))
