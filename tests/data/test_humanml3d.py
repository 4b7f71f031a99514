from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from folders import write_folder

from leadbench.core.errors import DataError, NonFiniteError
from leadbench.core.tensors import MotionSample, TextSample
from leadbench.data.format import parse_caption
from leadbench.data.humanml3d import HumanML3DFolder, collate, draw


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "walks", {"train": ["a", "b"], "val": ["c"], "test": ["d", "e"]})


def test_reads_what_was_written(folder: Path) -> None:
    dataset = HumanML3DFolder(folder)
    samples, report = dataset.load("test")
    assert [sample.id for sample in samples] == ["d", "e"]
    assert report.kept == 2
    assert torch.equal(samples[0].features, torch.from_numpy(np.load(folder / "new_joint_vecs" / "d.npy")))
    assert dataset.motion.width == 263


@pytest.mark.parametrize("missing", ["Mean.npy", "Std.npy", "new_joint_vecs", "texts"])
def test_missing_parts_are_named(folder: Path, missing: str) -> None:
    path = folder / missing
    path.rename(folder / "elsewhere")
    with pytest.raises(DataError, match=missing):
        HumanML3DFolder(folder).load("test")


def test_statistics_alone_are_enough_to_open_it(folder: Path) -> None:
    for name in ("new_joint_vecs", "texts"):
        (folder / name).rename(folder.parent / name)
    assert HumanML3DFolder(folder).motion.width == 263


def test_nan_motion_is_refused_by_name_and_skipped_on_request(folder: Path) -> None:
    path = folder / "new_joint_vecs" / "e.npy"
    broken = np.load(path)
    broken[3, 7] = np.nan
    np.save(path, broken)
    dataset = HumanML3DFolder(folder)
    with pytest.raises(NonFiniteError, match=r"\be\b"):
        dataset.load("test")
    samples, report = dataset.load("test", skip_bad=True)
    assert [sample.id for sample in samples] == ["d"]
    assert report.not_finite == ("e",)


def test_length_limits(folder: Path) -> None:
    for name, frames in (("d", 39), ("e", 200)):
        np.save(folder / "new_joint_vecs" / f"{name}.npy", np.zeros((frames, 263), np.float32))
    with pytest.raises(DataError, match="no usable motion"):
        HumanML3DFolder(folder).load("test")
    for name, frames in (("d", 40), ("e", 199)):
        np.save(folder / "new_joint_vecs" / f"{name}.npy", np.zeros((frames, 263), np.float32))
    assert HumanML3DFolder(folder).load("test")[1].kept == 2


def test_wrong_width(folder: Path) -> None:
    np.save(folder / "new_joint_vecs" / "d.npy", np.zeros((60, 100), np.float32))
    with pytest.raises(DataError, match=r"\[F, 263\]"):
        HumanML3DFolder(folder).load("test")


def test_a_pickle_is_not_loaded(folder: Path) -> None:
    np.save(folder / "new_joint_vecs" / "d.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"d\.npy"):
        HumanML3DFolder(folder).load("test")


def test_time_tags_make_samples_of_their_own(folder: Path) -> None:
    np.save(folder / "new_joint_vecs" / "d.npy", np.arange(100 * 263, dtype=np.float32).reshape(100, 263))
    (folder / "texts" / "d.txt").write_text("whole#a/DET#0.0#0.0\npart#a/DET#1.0#4.0\nshort#a/DET#0.0#1.0\n")
    samples, _ = HumanML3DFolder(folder).load("test")
    mine = {sample.captions[0].caption: sample for sample in samples if sample.id.startswith("d")}
    assert set(mine) == {"whole", "part"}
    assert mine["part"].frames == 60
    assert float(mine["part"].features[0, 0]) == 20 * 263


def test_caption_lines() -> None:
    sample, begin, end = parse_caption("a b#a/DET b/NOUN#nan#2.5", "x:1")
    assert sample == TextSample("a b", ("a/DET", "b/NOUN"))
    assert (begin, end) == (0.0, 2.5)
    with pytest.raises(DataError, match="4 fields"):
        parse_caption("no separators", "x:1")
    with pytest.raises(DataError, match="not numbers"):
        parse_caption("a#a/DET#x#y", "x:1")


def _samples(count: int) -> list[MotionSample]:
    captions = tuple(TextSample(f"caption {n}", ("a/DET",)) for n in range(3))
    return [MotionSample(f"id{n}", torch.randn(41 + n % 30, 263), captions) for n in range(count)]


def test_draw_follows_the_official_rules() -> None:
    samples = _samples(600)
    drawn = draw(samples, seed=0, replication=0)
    full = [item.length == item.sample.frames // 4 * 4 for item in drawn]
    assert all(item.length % 4 == 0 and item.start + item.length <= item.sample.frames for item in drawn)
    assert all(item.length in (item.sample.frames // 4 * 4, item.sample.frames // 4 * 4 - 4) for item in drawn)
    assert 0.60 < sum(full) / len(full) < 0.73  # one unit is dropped one time in three
    assert len({item.caption.caption for item in drawn}) == 3


def test_draw_depends_on_id_alone() -> None:
    samples = _samples(20)
    forward = {item.id: (item.caption, item.start, item.length) for item in draw(samples, 0, 3)}
    backward = {item.id: (item.caption, item.start, item.length) for item in draw(samples[::-1][:7], 0, 3)}
    assert all(forward[name] == value for name, value in backward.items())
    other = {item.id: (item.caption, item.start, item.length) for item in draw(samples, 0, 4)}
    assert forward != other


def test_collate_pads_with_zeros() -> None:
    batch = collate([torch.ones(4, 3), torch.ones(2, 3)])
    assert batch.lengths.tolist() == [4, 2]
    assert batch.features.sum() == 18
