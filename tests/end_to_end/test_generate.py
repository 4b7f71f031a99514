"""``leadbench generate`` in every format, from captions of the command line, a file and standard input."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from command import call

from leadbench.motion.bvh import local_motion, read_bvh


@pytest.fixture
def common(tiny: Path) -> tuple[object, ...]:
    return ("generate", "--dataset", tiny / "data", "--models", tiny / "models", "--frames", 24)


def test_every_format(common: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert call(*common, "a person walks", "--as", "npy,html,bvh,glb,mp4,gif", "--out", out) == 0
    stem = "000-a-person-walks"
    endings = ("bvh", "features.npy", "gif", "glb", "joints.npy", "mp4")
    assert sorted(p.name for p in out.iterdir()) == [*(f"{stem}.{e}" for e in endings), "generate.json", "index.html"]
    assert capsys.readouterr().out.count("wrote ") == 8
    joints = np.load(out / f"{stem}.joints.npy")
    read = local_motion(read_bvh(out / f"{stem}.bvh"))
    assert read.names[0] == "pelvis"
    np.testing.assert_allclose(read.positions()[:, 0] / 100, joints[:, 0], atol=1e-4)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "a person walks" in page
    assert "https://" not in page.split('<script type="application/json"')[0]  # no style or font from elsewhere
    assert (out / "index.html").stat().st_size < 1_000_000


def test_several_backbones_stand_side_by_side(
    common: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("someone jumps\n\n  a man waves  \n"))
    out = tmp_path / "out"
    assert call(*common, "--captions", "-", "--backbone", "mld,motionlcm", "--count", 2, "--out", out) == 0
    names = {path.name for path in out.glob("*.joints.npy")}
    assert names == {
        f"{number:03d}-{slug}-{repeat}-{backbone}.joints.npy"
        for number, slug in enumerate(("someone-jumps", "a-man-waves"))
        for repeat in (0, 1)
        for backbone in ("mld", "motionlcm")
    }
    told = json.loads((out / "generate.json").read_text())
    assert [model["backbone"] for model in told["models"]] == ["mld", "motionlcm"]
    scenes = (out / "index.html").read_text(encoding="utf-8").split('<script type="application/json" id="scene-')[1:]
    first, second = (json.loads(text.split(">", 1)[1].split("</script>", 1)[0]) for text in scenes)
    assert [f["label"] for f in first["figures"]] == ["mld 1", "mld 2", "motionlcm 1", "motionlcm 2"]
    assert {f["caption"] for f in second["figures"]} == {"a man waves"}


def test_all_is_every_backbone_that_is_trained(
    common: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*common, "a walk", "--backbone", "all", "--as", "npy", "--out", tmp_path / "out") == 0
    made = {model["backbone"] for model in json.loads((tmp_path / "out" / "generate.json").read_text())["models"]}
    assert {"mld", "motionlcm", "flow"} <= made
    assert "without motionclip: models" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a walk", "--as", "npy,htlm"), "unknown format 'htlm' .*did you mean 'html'"),
        ((), "no caption: give captions as arguments, or a file with --captions"),
        (("--captions", "empty.txt"), "no caption in empty.txt"),
        (("--captions", "nowhere.txt"), "nowhere.txt"),
        (("a walk", "--seconds", "2"), "--frames and --seconds: give one of them"),
    ],
)
def test_one_line_says_what_is_wrong(
    common: tuple[object, ...],
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.txt").write_text("\n \n")
    assert call(*common, *arguments, "--out", "out") == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(said, error), error
    assert not (tmp_path / "out").exists()


def test_seconds(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ("generate", "a walk", "--dataset", tiny / "data", "--models", tiny / "models", "--as", "npy")
    assert call(*base, "--seconds", "2.05", "--out", tmp_path / "out") == 0
    assert np.load(tmp_path / "out" / "000-a-walk.joints.npy").shape == (40, 22, 3)
    assert call(*base, "--seconds", "60", "--out", tmp_path / "long") == 2
    assert "--seconds 60.0: must be above 0 and at most 9.8 (of 20 frames)" in capsys.readouterr().err
