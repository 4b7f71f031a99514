"""Preparing BVH files into HumanML3D's on-disk format: content, splits, mirrors, long, short and broken clips."""

from __future__ import annotations

import json
import re
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from bvh_files import bvh_text, clip, write_bnr_like

from leadbench.cli.main import main
from leadbench.core.errors import DataError
from leadbench.core.skeleton import feature_slices, get_skeleton
from leadbench.data.check import check_folder
from leadbench.data.humanml3d import SPLITS, HumanML3DFolder
from leadbench.data.labels import MotionLabel, load_labels
from leadbench.data.prepare.bnr import prepare_bnr
from leadbench.data.prepare.convert import PrepareOptions, PrepareReport, segments
from leadbench.data.prepare.writer import fresh_folder, train_statistics
from leadbench.motion.features import features_to_joints

SKELETON = get_skeleton("humanml3d")
ALONE = PrepareOptions(workers=1)


def walk(path: Path, seconds: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(bvh_text(*clip("walk", "normal", seconds, np.random.default_rng(7))))
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    write_bnr_like(folder, 18, seed=1)
    walk(folder / "dataset-1_walk_proud_001.bvh", 1.0)
    walk(folder / "dataset-1_walk_proud_002.bvh", 14.0)
    return folder


@pytest.fixture(scope="module")
def prepared(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, PrepareReport]:
    out = tmp_path_factory.mktemp("prepared") / "bnr"
    return out, prepare_bnr(source, out, ALONE)


def ids(folder: Path, split: str) -> list[str]:
    return (folder / f"{split}.txt").read_text().split()


def clip_of(name: str) -> str:
    found = re.match(r"M?(\d_[a-z-]+_[a-z-]+_\d+)", name)
    assert found is not None
    return found[1]


def test_the_folder_loads_and_its_files_agree(prepared: tuple[Path, PrepareReport]) -> None:
    out, report = prepared
    folder = HumanML3DFolder(out)
    assert (folder.name, folder.card.fps, folder.skeleton.name) == ("bnr", 20.0, "humanml3d")
    names = [name for split in SPLITS for name in ids(out, split)]
    assert sorted(names) == ids(out, "all")
    assert len(names) == len(set(names)) == sum(report.splits.values()) == 2 * (18 + 2)
    for split in SPLITS:
        samples, left = folder.load(split)
        assert len(samples) == left.kept == report.splits[split] > 0
        for sample in samples:
            assert 40 <= sample.frames < 200
            assert len(sample.captions) == 4
            joints = np.load(out / "new_joints" / f"{sample.id}.npy")
            np.testing.assert_allclose(features_to_joints(sample.features, SKELETON).numpy(), joints, atol=1e-6)
            assert joints[..., 1].min() > -1e-5
            np.testing.assert_allclose(joints[0, 0, [0, 2]], 0, atol=1e-6)


def test_short_and_long_clips_are_reported(prepared: tuple[Path, PrepareReport]) -> None:
    out, report = prepared
    assert report.files == 20
    assert report.short == {"1_walk_proud_001": 19}
    assert report.cut == {"1_walk_proud_002": 2}
    assert (report.broken, report.duplicates, report.broken_fraction) == ({}, {}, 0.0)
    assert report.round_trip < 1e-4
    stored = json.loads((out / "report.json").read_text())
    assert stored["short"] == report.short
    assert stored["splits"] == report.splits
    card = json.loads((out / "dataset.json").read_text())
    assert (card["feature_mode"], card["mirrored"], card["licence"][:11]) == ("corrected", 20, "CC BY-NC 4.")


def test_a_clip_its_segments_and_mirrors_share_a_split(prepared: tuple[Path, PrepareReport]) -> None:
    out, _ = prepared
    places: dict[str, set[str]] = {}
    for split in SPLITS:
        for name in ids(out, split):
            places.setdefault(clip_of(name), set()).add(split)
            other = name.removeprefix("M") if name.startswith("M") else f"M{name}"
            assert other in ids(out, split)
    assert all(len(splits) == 1 for splits in places.values())
    assert {"1_walk_proud_002_1", "1_walk_proud_002_2"} < set(ids(out, "all"))


def test_a_mirrored_copy_is_mirrored_and_says_so(prepared: tuple[Path, PrepareReport]) -> None:
    out, _ = prepared
    swap = list(SKELETON.mirror_joints)
    for name in (n for n in ids(out, "all") if not n.startswith("M")):
        joints, mirrored = (np.load(out / "new_joints" / f"{n}.npy") for n in (name, f"M{name}"))
        np.testing.assert_allclose(mirrored, joints[:, swap] * [-1, 1, 1], atol=2e-4)
        text, other = ((out / "texts" / f"{n}.txt").read_text() for n in (name, f"M{name}"))
        if "turn-left" in name or "left-hand" in name:
            assert all(re.search(r"turns (to the )?left|the left (hand|arm)", line) for line in text.splitlines())
            assert all(re.search(r"turns (to the )?right|the right (hand|arm)", line) for line in other.splitlines())


def test_labels_agree_with_the_motion(prepared: tuple[Path, PrepareReport]) -> None:
    out, _ = prepared
    for name in (n for n in ids(out, "all") if "turn" in n):
        joints = np.load(out / "new_joints" / f"{name}.npy")
        left = "turn-left" in name
        assert (joints[-1, 0, 0] > 0.2) == (left != name.startswith("M"))  # +x is the left of somebody who faces +z


def test_captions_are_distinct(prepared: tuple[Path, PrepareReport]) -> None:
    out, _ = prepared
    captions = [
        line.split("#")[0]
        for name in ids(out, "all")
        for line in (out / "texts" / f"{name}.txt").open(encoding="utf-8")
    ]
    assert len(set(captions)) >= 0.9 * len(captions)


def test_statistics_are_those_of_the_train_split(prepared: tuple[Path, PrepareReport]) -> None:
    out, _ = prepared
    rows = np.concatenate([np.load(out / "new_joint_vecs" / f"{n}.npy") for n in ids(out, "train")]).astype(np.float64)
    mean, std = np.load(out / "Mean.npy"), np.load(out / "Std.npy")
    np.testing.assert_allclose(mean, rows.mean(0), atol=1e-5)
    for block in feature_slices(SKELETON).values():
        np.testing.assert_allclose(std[block], rows[:, block].std(0).mean(), rtol=1e-3)


def test_a_constant_block_gets_a_positive_deviation(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((5, 263), dtype=np.float32))
    mean, std = train_statistics([tmp_path / "a.npy"], SKELETON)
    assert (mean == 1).all()
    assert (std > 0).all()


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["leadbench", "data", "prepare", "bnr", "--workers", "1", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_labels_name_content_style_and_recording(prepared: tuple[Path, PrepareReport]) -> None:
    out, _ = prepared
    labels = load_labels(out)
    assert sorted(labels) == ids(out, "all")
    assert labels["M1_walk_proud_002_2"] == MotionLabel("walk", "proud", "1_walk_proud_002")
    turn = next(name for name in labels if "turn-left" in name and not name.startswith("M"))
    assert (labels[turn].content, labels[f"M{turn}"].content) == ("walk-turn-left", "walk-turn-right")
    assert all(label.recording == clip_of(name) for name, label in labels.items())


def test_the_identity_does_not_depend_on_labels(prepared: tuple[Path, PrepareReport], tmp_path: Path) -> None:
    """So records of datasets that were prepared before there were labels stay valid."""
    out, _ = prepared
    copy = Path(shutil.copytree(out, tmp_path / "copy"))
    (copy / "labels.json").unlink()
    assert HumanML3DFolder(copy).identity == HumanML3DFolder(out).identity
    (copy / "texts" / f"{ids(copy, 'test')[0]}.txt").write_text("other#other/ADJ#0.0#0.0\n")
    assert HumanML3DFolder(copy).identity != HumanML3DFolder(out).identity


def test_labels_that_are_absent_or_broken(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing labels\.json .*leadbench data prepare bnr"):
        load_labels(tmp_path)
    for text in ("[1, 2]", '{"a": {"content": "walk"}}', '{"a": "walk"}', "{"):
        (tmp_path / "labels.json").write_text(text)
        with pytest.raises(DataError, match=r"labels\.json: (needed ID|holds list|not JSON)"):
            load_labels(tmp_path)


def test_held_out_styles_leave_the_other_splits(
    source: Path, prepared: tuple[Path, PrepareReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, _ = prepared
    out = tmp_path / "out"
    styles = ("--hold-out-style", "active,proud")
    assert command(monkeypatch, "--source", str(source), "--out", str(out), *styles) == 0
    labels, held = load_labels(out), {"active", "proud"}
    assert load_labels(plain) == labels
    assert set(ids(out, "held_out")) == {name for name, label in labels.items() if label.style in held}
    for split in SPLITS:
        assert ids(out, split) == [name for name in ids(plain, split) if labels[name].style not in held]
    for name in ids(plain, "all"):  # the very same motions and captions
        for file in (f"new_joint_vecs/{name}.npy", f"new_joints/{name}.npy", f"texts/{name}.txt"):
            assert (out / file).read_bytes() == (plain / file).read_bytes()
    rows = np.concatenate([np.load(out / "new_joint_vecs" / f"{n}.npy") for n in ids(out, "train")]).astype(np.float64)
    np.testing.assert_allclose(np.load(out / "Mean.npy"), rows.mean(0), atol=1e-5)
    samples, _ = HumanML3DFolder(out).load("held_out")
    assert [sample.id for sample in samples] == ids(out, "held_out")
    assert HumanML3DFolder(out).identity != HumanML3DFolder(plain).identity
    assert check_folder(out).problems == ()
    card, report = (json.loads((out / name).read_text()) for name in ("dataset.json", "report.json"))
    assert card["held_out"] == report["held_out"] == ["active", "proud"]
    assert card["ids"]["held_out"] == report["splits"]["held_out"] == len(ids(out, "held_out"))
    assert set(report["styles"]["held_out"]) == held
    assert "held_out" not in json.loads((plain / "dataset.json").read_text())
    assert not (plain / "held_out.txt").exists()


def test_styles_may_be_named_one_by_one(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    arguments = ("--source", str(source), "--out", str(out), "--hold-out-style", "active", "--hold-out-style", "proud")
    assert command(monkeypatch, *arguments) == 0
    assert json.loads((out / "dataset.json").read_text())["held_out"] == ["active", "proud"]


def test_holding_out_what_cannot_be_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--source", str(source), "--out", str(tmp_path / "out"), "--hold-out-style")
    assert command(monkeypatch, *arguments, "eldrely") == 2
    assert re.search(r"--hold-out-style: unknown style 'eldrely'.*did you mean 'elderly'", capsys.readouterr().err)
    assert command(monkeypatch, *arguments, "elderly,normal,active,proud") == 2
    assert "leaves train and val and test without motions" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_processes_and_repetitions_give_the_same_bytes(
    source: Path, prepared: tuple[Path, PrepareReport], tmp_path: Path
) -> None:
    out, report = prepared
    again = tmp_path / "again"
    assert prepare_bnr(source, again, PrepareOptions(workers=2)) == report
    files = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    for name in files:
        assert (again / name).read_bytes() == (out / name).read_bytes(), name


def test_bad_files_are_named_counted_and_skipped(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    paths = write_bnr_like(folder, 6, seed=5)
    (folder / "dataset-2_walk_old_900.bvh").write_text("HIERARCHY\nnonsense\n")
    text = paths[0].read_text()
    rows = text.splitlines()
    rows[-3] = rows[-3].replace(rows[-3].split()[9], "nan", 1)
    (folder / "dataset-2_walk_old_901.bvh").write_text("\n".join(rows))
    (folder / "dataset-2_walk_old_902.bvh").write_text(text.replace("Hand_L", "Palm_L"))
    walk(folder / "dataset-2_fly_old_903.bvh", 3.0)
    walk(folder / "dataset-2_walk_wild_904.bvh", 3.0)
    (folder / "dataset-2_walk_old_905.bvh").write_text(flat(text))
    (folder / "notes.bvh").write_text("not of the data set")
    calls: list[tuple[int, int]] = []
    report = prepare_bnr(folder, tmp_path / "out", ALONE, lambda done, total: calls.append((done, total)))
    assert calls == [(i + 1, 12) for i in range(12)]
    assert report.files == 12
    assert report.broken_fraction == 0.5
    assert set(report.broken) == {f"2_{n}" for n in (
        "walk_old_900", "walk_old_901", "walk_old_902", "fly_old_903", "walk_wild_904", "walk_old_905",
    )}  # fmt: skip
    for name, words in (("walk_old_900", "line 2"), ("walk_old_901", "is nan"), ("walk_old_902", "Hand_L"),
                        ("fly_old_903", "'fly'"), ("walk_wild_904", "'wild'"), ("walk_old_905", "NaN")):  # fmt: skip
        assert words in report.broken[f"2_{name}"]
        assert str(tmp_path) not in report.broken[f"2_{name}"]
    assert sum(report.splits.values()) == 12


def flat(text: str) -> str:
    """The file with every position 0, so that no bone has a length."""
    head, _, body = text.partition("Frame Time:")
    first, *rows = body.splitlines()
    values = np.array([row.split() for row in rows], dtype=float).reshape(len(rows), -1, 6)
    values[..., :3] = 0
    lines = [" ".join(map(str, row)) for row in values.reshape(len(rows), -1)]
    return f"{head}Frame Time:{first}\n" + "\n".join(lines) + "\n"


def test_the_same_file_twice_counts_once(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    paths = write_bnr_like(folder, 4, seed=6)
    copy = folder / "dataset-2_walk_normal_900.bvh"
    copy.write_bytes(paths[0].read_bytes())
    (folder / "more").mkdir()
    (folder / "more" / paths[1].name).write_bytes(paths[2].read_bytes())
    report = prepare_bnr(folder, tmp_path / "out", ALONE)
    assert set(report.duplicates) == {copy.stem.removeprefix("dataset-"), paths[1].stem.removeprefix("dataset-")}
    assert sum(report.splits.values()) == 8


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with pytest.raises(DataError, match="no file named like"):
        prepare_bnr(tmp_path / "absent", out, ALONE)
    walk(tmp_path / "source" / "dataset-1_walk_proud_001.bvh", 1.0)
    with pytest.raises(DataError, match="none of 1 files"):
        prepare_bnr(tmp_path / "source", out, ALONE)
    assert not out.exists()
    assert list((tmp_path / "deep").iterdir()) == []
    out.mkdir()
    with pytest.raises(DataError, match="exists already"), fresh_folder(out):
        pass


def test_the_official_mode_and_other_bones(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "source"
    paths = write_bnr_like(folder, 3, seed=2)
    longer = tuple(tuple(row) for row in (1.1 * SKELETON.offsets).tolist())
    prepare_bnr(folder, tmp_path / "plain", ALONE)
    prepare_bnr(folder, tmp_path / "long", PrepareOptions(workers=1, target_offsets=longer))  # type: ignore[arg-type]
    prepare_bnr(folder, tmp_path / "official", PrepareOptions(workers=1, mode="official"))
    name = paths[1].stem.removeprefix("dataset-")  # a turn: there the modes differ
    plain, larger, official = (
        np.load(tmp_path / kind / "new_joint_vecs" / f"{name}.npy") for kind in ("plain", "long", "official")
    )
    height = feature_slices(SKELETON)["root_height"]
    np.testing.assert_allclose(larger[:, height], 1.1 * plain[:, height], rtol=1e-4)
    assert json.loads((tmp_path / "official" / "dataset.json").read_text())["feature_mode"] == "official"
    assert np.abs(official - plain).max() > 1e-3


@pytest.mark.parametrize(
    ("frames", "kept"), [(40, [40]), (199, [199]), (200, [196]), (235, [196]), (236, [196, 40]), (432, [196, 196, 40])]
)
def test_long_clips_are_cut(frames: int, kept: list[int]) -> None:
    pieces = segments(frames)
    assert [stop - start for _, start, stop in pieces] == kept
    assert pieces[0][1] == 0
    assert all(before[2] == after[1] for before, after in pairwise(pieces))


def _z_up(text: str) -> str:
    """The same motion as a program writes it whose z axis points up: (x, y, z) is (x, -z, y) there."""
    lines, columns = [], []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["OFFSET"]:
            x, y, z = map(float, words[1:])
            line = f"OFFSET {x} {-z} {y}"
        elif words[:1] == ["CHANNELS"]:
            turned = [{"Y": "Z", "Z": "Y"}.get(name[0], name[0]) + name[1:] for name in words[2:]]
            columns += [-1.0 if name[0] == "Z" else 1.0 for name in words[2:]]
            line = " ".join([*words[:2], *turned])
        elif words and len(words) == len(columns) and "MOTION" in lines:
            line = " ".join(str(sign * float(word)) for sign, word in zip(columns, words, strict=True))
        lines.append(line)
    return "\n".join(lines) + "\n"


def test_motion_with_z_up_is_turned_and_named(source: Path, tmp_path: Path) -> None:
    """Its features and captions are those of the motion with y up; one of its files has another extension's case."""
    for folder, change in (("y", str), ("z", _z_up)):
        for path in sorted(source.rglob("*.bvh")):
            suffix = ".BVH" if folder == "z" and path.stem.endswith("1") else ".bvh"
            target = tmp_path / folder / f"{path.stem}{suffix}"
            target.parent.mkdir(exist_ok=True)
            target.write_text(change(path.read_text()))
    reports = [prepare_bnr(tmp_path / f, tmp_path / f"{f}-out", PrepareOptions(workers=1)) for f in ("y", "z")]
    assert reports[0].notes == {}
    assert set(reports[1].notes) == {path.stem.removeprefix("dataset-") for path in source.rglob("*.bvh")} - set(
        reports[1].short
    )
    assert all("turned upright: z points up" in note[0] for note in reports[1].notes.values())
    names = ids(tmp_path / "y-out", "train")
    assert names == ids(tmp_path / "z-out", "train")
    for name in names:
        first, second = (np.load(tmp_path / f"{f}-out" / "new_joint_vecs" / f"{name}.npy") for f in ("y", "z"))
        np.testing.assert_allclose(first, second, atol=2e-3)
        texts = [(tmp_path / f"{f}-out" / "texts" / f"{name}.txt").read_text() for f in ("y", "z")]
        assert texts[0] == texts[1]
