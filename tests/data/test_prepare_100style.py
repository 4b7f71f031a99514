"""Preparing 100STYLE through the command: cuts, windows, units, captions, labels, splits, held-out styles."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hundred_style_files import FPS, bvh_text, write_hundred_style_like

from leadbench.cli.main import main
from leadbench.core.skeleton import HUMANML3D as SKELETON
from leadbench.data.check import check_folder
from leadbench.data.humanml3d import SPLITS, HumanML3DFolder
from leadbench.data.labels import MotionLabel, load_labels
from leadbench.data.prepare.captions import window_facts
from leadbench.data.prepare.convert import PrepareOptions
from leadbench.data.prepare.hundred_style import prepare_hundred_style
from leadbench.data.prepare.measure import measure
from leadbench.data.prepare.splits import split_by_style
from leadbench.data.prepare.tagging import tag
from leadbench.data.prepare.wording_100style import CONTENTS, HUNDRED_STYLE_WORDING, names_a_side
from leadbench.motion.bvh import read_bvh
from leadbench.motion.retarget import HUNDRED_STYLE, retarget

CLIPS = {
    "Superman": {"FW": 21.0, "BW": 3.0, "ID": 3.0, "SW": 3.0, "FR": 3.0, "TR1": 3.0},
    "LimpLeft": {"FW": 3.0, "BW": 3.0, "ID": 3.0, "SR": 3.0, "BR": 3.0, "TR3": 3.0},
    "Monk": {"FW": 3.0, "BW": 3.0, "ID": 3.0, "SW": 3.0, "FR": 3.0, "TR2": 1.5},
}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["leadbench", "data", "prepare", "100style", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_hundred_style_like(tmp_path_factory.mktemp("source"), CLIPS)
    (folder / "Monk" / "._Monk_FW.bvh").write_text("resource fork")
    return folder


@pytest.fixture(scope="module")
def prepared(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "100style"
    with pytest.MonkeyPatch.context() as patch:
        assert run(patch, "--source", str(source), "--out", str(out), "--workers", "1") == 0
    return out


def ids(folder: Path, split: str) -> list[str]:
    return (folder / f"{split}.txt").read_text().split()


def joints_of(folder: Path, name: str) -> np.ndarray:
    return np.load(folder / "new_joints" / f"{name}.npy")


def test_every_recording_is_there_and_the_folder_is_sound(prepared: Path) -> None:
    assert check_folder(prepared).problems == ()
    folder = HumanML3DFolder(prepared)
    assert (folder.name, folder.card.fps, folder.skeleton.name) == ("100style", 20.0, "humanml3d")
    names = set(ids(prepared, "all"))
    plain = {f"{style}_{code}" for style, codes in CLIPS.items() for code in codes} - {"Superman_FW", "Monk_TR2"}
    plain |= {"Superman_FW_1", "Superman_FW_2"}  # 420 frames: two windows, and 28 frames that are left out
    assert names == plain | {f"M{name}" for name in plain if not name.startswith("LimpLeft")}
    report = json.loads((prepared / "report.json").read_text())
    assert (report["cut"], report["short"]) == ({"Superman_FW": 2}, {"Monk_TR2": 29})
    assert (report["broken"], report["files"]) == ({}, 18)
    for split in SPLITS:
        samples, _ = folder.load(split)
        assert all(40 <= sample.frames < 200 and len(sample.captions) == 4 for sample in samples)
    card = json.loads((prepared / "dataset.json").read_text())
    assert card["licence"].startswith("CC BY 4.0")
    assert "10.1145/3522618" in card["source"]
    assert card["mirrored"] == sum(name.startswith("M") and name[1:] in names for name in names) == 12


def test_frames_outside_the_cut_are_left_out(source: Path, prepared: Path) -> None:
    """The T-pose aloft would lie ten metres above the floor, and hold both arms out."""
    for name in ids(prepared, "all"):
        joints = joints_of(prepared, name)
        assert joints[..., 1].max() < 2.0
        mirrored = name.startswith("M") and name[1:] in ids(prepared, "all")
        hanging, stretched = ("right", "left") if mirrored else ("left", "right")
        wrists = {side: joints[:, SKELETON.joint_names.index(f"{side}_wrist"), 1].mean() for side in ("left", "right")}
        assert wrists[stretched] - wrists[hanging] > 0.3
    assert len(np.load(prepared / "new_joint_vecs" / "Monk_FW.npy")) == 3.0 * 20 - 1


def test_directions_and_speeds_are_those_of_the_file(prepared: Path) -> None:
    scale = SKELETON.offsets[[5, 8]].sum() / -0.83  # target leg over 42 + 41 cm
    for code, across, ahead in (("FW", 0.0, 1.1), ("BW", 0.0, -1.1), ("SW", 0.9, 0.0), ("FR", 0.0, 2.8)):
        joints = joints_of(prepared, f"Monk_{code}")
        velocity = (joints[-1, 0] - joints[0, 0]) / (len(joints) - 1) * 20
        np.testing.assert_allclose(velocity[[0, 2]], [across * scale, ahead * scale], atol=0.02)


def test_the_joint_map_reads_the_t_pose(source: Path) -> None:
    joints = retarget(read_bvh(source / "Monk" / "Monk_ID.bvh"), HUNDRED_STYLE)[0] - [0, 10, 0]
    found = dict(zip(SKELETON.joint_names, joints, strict=True))
    for name, place in {
        "pelvis": (0, 0, 0), "spine1": (0, 0.1275, 0), "spine2": (0, 0.275, 0), "spine3": (0, 0.335, 0),
        "neck": (0, 0.55, 0), "head": (0, 0.64, 0), "left_collar": (0.03, 0.49, 0), "left_wrist": (0.72, 0.49, 0),
        "right_elbow": (-0.47, 0.49, 0), "left_ankle": (0.08, -0.83, 0), "right_foot": (-0.08, -0.90, 0.16),
    }.items():  # fmt: skip
        np.testing.assert_allclose(found[name], place, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("unit", [0.01, 1 / 2.54])
def test_the_unit_of_the_files_does_not_matter(prepared: Path, tmp_path: Path, unit: float) -> None:
    for code in ("FW", "BW", "ID"):
        (tmp_path / f"Monk_{code}.bvh").write_text(bvh_text(code, 3.0, unit, start=2))
    (tmp_path / "Frame_Cuts.csv").write_text("STYLE_NAME,FW_START,FW_STOP,BW_START,BW_STOP,ID_START,ID_STOP\n"
                                             "Monk,50,230,50.0,230.0,50,230\n")  # fmt: skip
    prepare_hundred_style(tmp_path, tmp_path / "out", PrepareOptions(workers=1))
    for code in ("FW", "ID"):
        here, there = joints_of(tmp_path / "out", f"Monk_{code}"), joints_of(prepared, f"Monk_{code}")
        np.testing.assert_allclose(here, there, atol=2e-4)


def test_labels_name_content_style_and_recording(prepared: Path) -> None:
    labels = load_labels(prepared)
    assert sorted(labels) == ids(prepared, "all")
    assert labels["MSuperman_FW_2"] == MotionLabel("walk-forward", "Superman", "Superman_FW")
    assert labels["LimpLeft_TR3"] == MotionLabel("change", "LimpLeft", "LimpLeft_TR3")


def test_captions_say_style_and_movement(prepared: Path) -> None:
    def lines(name: str) -> list[str]:
        return (prepared / "texts" / f"{name}.txt").read_text().splitlines()

    for name, words, style in (
        ("Superman_FW_1", "walk", "superman"), ("MMonk_BW", "backward", "monk"), ("Superman_ID", "stand", "superman"),
        ("LimpLeft_SR", "sideways", "limping on the left"), ("Superman_TR1", "chang", "superman"),
    ):  # fmt: skip
        for line in lines(name):
            caption, tokens, *_ = line.split("#")
            assert words in caption
            assert style in caption
            assert len(tokens.split()) == len(caption.replace(",", "").rstrip(".").split())
    said = {line.split("#")[0] for name in ids(prepared, "all") for line in lines(name)}
    assert not [caption for caption in said if "ahead" in caption and ("backward" in caption or "sideways" in caption)]
    assert any("straight ahead" in caption for caption in said)


def test_a_walk_in_circles_is_not_called_a_half_turn() -> None:
    frames = 196
    angle = np.linspace(0, np.radians(300), frames)
    local = np.zeros((22, 3))
    local[[1, 16], 0], local[[2, 17], 0] = 0.1, -0.1
    local[[12, 15], 1], local[[16, 17], 1] = 0.5, 0.4
    local[[4, 5], 1], local[[7, 8, 10, 11], 1] = -0.4, -0.8
    local[[18, 20], 0], local[[19, 21], 0] = (0.3, 0.5), (-0.3, -0.5)
    cosine, sine, zero = np.cos(angle), np.sin(angle), np.zeros(frames)
    turn = np.stack([cosine, zero, sine, zero, zero + 1, zero, -sine, zero, cosine], axis=-1).reshape(-1, 3, 3)
    centre = np.stack([-2 * cosine, zero + 0.8, 2 * sine], axis=-1)
    measured = measure(np.einsum("fab,jb->fja", turn, local) + centre[:, None], 20.0)
    facts = {said for choices in window_facts("walk-forward", measured) for said in choices}
    assert any("around to the left" in fact for fact in facts)
    assert not any("half turn" in fact for fact in facts)


def test_every_word_of_the_wording_can_be_tagged() -> None:
    assert len(HUNDRED_STYLE_WORDING.styles) == 100
    assert set(CONTENTS.values()) == set(HUNDRED_STYLE_WORDING.contents)
    for choices in (*HUNDRED_STYLE_WORDING.styles.values(), *HUNDRED_STYLE_WORDING.contents.values()):
        for phrase in choices:
            assert tag(f"someone {phrase}")[1:]
    for style, choices in HUNDRED_STYLE_WORDING.styles.items():  # whoever says a side is not mirrored
        assert names_a_side(style) == any(
            "left" in phrase or "right" in phrase or "clock" in phrase for phrase in choices
        )


def test_whole_recordings_are_split_evenly_over_styles(prepared: Path) -> None:
    labels = load_labels(prepared)
    home: dict[str, set[str]] = {}
    for split in SPLITS:
        for name in ids(prepared, split):
            home.setdefault(labels[name].recording, set()).add(split)
    assert all(len(splits) == 1 for splits in home.values())
    many = {f"{style}_{code}": (code, style) for style in map(str, range(100)) for code in list(CONTENTS)[:8]}
    assigned = split_by_style(many)
    assert Counter(assigned.values()) == {"train": 640, "val": 40, "test": 120}
    for part in ("train", "test"):
        assert {many[clip][1] for clip, split in assigned.items() if split == part} == set(map(str, range(100)))
    assert split_by_style(dict(reversed(many.items()))) == assigned
    assert split_by_style(many, seed=1) != assigned


def test_held_out_styles_leave_the_other_splits(source: Path, prepared: Path, tmp_path: Path,
                                                monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    out = tmp_path / "out"
    arguments = ("--source", str(source), "--out", str(out), "--workers", "1")
    assert run(monkeypatch, *arguments, "--hold-out-style", "Monk") == 2  # all of val here
    assert list(tmp_path.iterdir()) == []
    assert run(monkeypatch, *arguments, "--hold-out-style", "Superman") == 0
    labels = load_labels(out)
    assert {labels[name].style for name in ids(out, "held_out")} == {"Superman"}
    for split in SPLITS:
        assert ids(out, split) == [name for name in ids(prepared, split) if labels[name].style != "Superman"]
    assert check_folder(out).problems == ()


def test_an_unknown_style_is_named_and_nothing_written(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                       capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    out = tmp_path / "out"
    assert run(monkeypatch, "--source", str(source), "--out", str(out), "--hold-out-style", "Monk,Supermann") == 2
    said = capsys.readouterr().err
    assert "--hold-out-style: unknown style 'Supermann'" in said
    assert "did you mean 'Superman'?" in said
    assert list(tmp_path.iterdir()) == []


def test_bad_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_hundred_style_like(
        tmp_path / "source", {"Monk": {"FW": 3.0, "BW": 3.0, "ID": 3.0, "SR": 3.0, "SW": 3.0}}
    )
    text = (folder / "Monk" / "Monk_FW.bvh").read_text()
    (folder / "Monk" / "Monk_TR1.bvh").write_text(text)  # N/A in the table
    table = (folder / "Frame_Cuts.csv").read_text().replace(f"50,{round(50 + 3 * FPS)}", "9000,9100", 1)  # of BW
    (folder / "Frame_Cuts.csv").write_text(table + "Cloud,,,,,50,230,50,230\n")
    (folder / "Cloud").mkdir()
    (folder / "Cloud" / "Cloud_FW.bvh").write_text(bvh_text("FW", 2.9))
    (folder / "Cloud" / "Cloud_FR.bvh").write_text(bvh_text("FR", 3.0).replace("LeftToe", "LeftToes"))
    assert run(monkeypatch, "--source", str(folder), "--out", str(tmp_path / "out"), "--workers", "1") == 2
    assert "4 of 8 files are broken" in capsys.readouterr().err
    broken = json.loads((tmp_path / "out" / "report.json").read_text())["broken"]
    for name, words in (("Monk_TR1", "Frame_Cuts.csv has no frames"), ("Monk_BW", "it has 280 frames"),
                        ("Cloud_FW", "unknown style 'Cloud'"), ("Cloud_FR", "'LeftToe'")):  # fmt: skip
        assert words in broken[name]


def test_a_source_that_is_not_the_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                          capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    assert run(monkeypatch, "--source", str(tmp_path), "--out", str(tmp_path / "out")) == 2
    assert "no file named like Superman_FW.bvh" in capsys.readouterr().err
    (tmp_path / "Monk_FW.bvh").write_text(bvh_text("FW", 3.0))
    assert run(monkeypatch, "--source", str(tmp_path), "--out", str(tmp_path / "out")) == 2
    assert "no Frame_Cuts.csv" in capsys.readouterr().err
    (tmp_path / "Frame_Cuts.csv").write_text("style,FW\nMonk,3\n")
    assert run(monkeypatch, "--source", str(tmp_path), "--out", str(tmp_path / "out")) == 2
    assert "no column STYLE_NAME" in capsys.readouterr().err
