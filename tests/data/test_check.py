"""Every way in which a dataset folder can be broken is found, named and comes with advice."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from folders import write_folder
from official_layouts import write_dataset

from leadbench.cli.main import main
from leadbench.data.check import check_folder
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("good") / "corpus"
    synthesize(root, SynthesisOptions(clips=216, workers=1))
    return root


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "corpus"))


def first(folder: Path, split: str = "train") -> str:
    return (folder / f"{split}.txt").read_text().split()[0]


@pytest.mark.parametrize(
    ("name", "right", "wrong", "told"),
    [
        ("labels.json", {"content": "walk", "style": "old", "recording": "r"}, {"content": "walk"}, "needed ID"),
        ("segments.json", [["walk", 0, 20], ["wave", 20, 40]], [["walk", 20, 0]], "needed a list of"),
    ],
)
def test_annotations_beside_the_format(folder: Path, name: str, right: object, wrong: object, told: str) -> None:
    (folder / name).write_text(json.dumps({first(folder): right}))
    assert check_folder(folder).problems == ()
    (folder / name).write_text(json.dumps({first(folder): wrong}))
    (problem,) = check_folder(folder).problems
    assert (problem.kind, problem.where) == ("annotations", name)
    assert told in problem.what


def test_a_good_folder_is_clean(good: Path) -> None:
    found = check_folder(good)
    assert found.problems == ()
    assert sum(found.ids.values()) == found.motions == 216
    assert found.captions == 4 * 216
    assert found.distinct_captions > 0.9


def _edit(folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    path = folder / "new_joint_vecs" / f"{first(folder)}.npy"
    np.save(path, change(np.load(path)))


def _nan(features: np.ndarray) -> np.ndarray:
    features[0, 0] = np.nan
    return features


BREAKS: dict[str, Callable[[Path], object]] = {
    "Mean.npy: missing": lambda f: (f / "Mean.npy").unlink(),
    "val.txt: missing": lambda f: (f / "val.txt").unlink(),
    "val.txt is empty": lambda f: (f / "val.txt").write_text(""),
    "both name": lambda f: (f / "val.txt").write_text(first(f) + "\n"),
    "names 000": lambda f: (f / "val.txt").write_text(f"{first(f, 'val')}\n" * 2),
    "are in no split": lambda f: (f / "test.txt").write_text(first(f, "test") + "\n"),
    "holds NaN or infinity": lambda f: _edit(f, _nan),
    "shape (": lambda f: _edit(f, lambda x: x[:, :-1]),
    "has 5 frames": lambda f: _edit(f, lambda x: x[:5]),
    "needed [F, 263]": lambda f: _edit(f, lambda x: x[0]),
    ".npy: missing": lambda f: (f / "new_joint_vecs" / f"{first(f)}.npy").unlink(),
    "not positive": lambda f: np.save(f / "Std.npy", np.zeros(263, dtype=np.float32)),
    "differ": lambda f: np.save(f / "Std.npy", np.ones(251, dtype=np.float32)),
    "instead of 0 and 1": lambda f: np.save(f / "Mean.npy", np.load(f / "Mean.npy") + 3 * np.load(f / "Std.npy")),
    ".txt: missing": lambda f: (f / "texts" / f"{first(f)}.txt").unlink(),
    "holds no caption": lambda f: (f / "texts" / f"{first(f)}.txt").write_text("\n"),
    "needs 4 fields": lambda f: (f / "texts" / f"{first(f)}.txt").write_text("a#a/DET#0.0\n"),
    "exactly one slash": lambda f: (f / "texts" / f"{first(f)}.txt").write_text("a#a#0.0#0.0\n"),
    "are not numbers": lambda f: (f / "texts" / f"{first(f)}.txt").write_text("a#a/DET#x#0.0\n"),
}


@pytest.mark.parametrize("message", BREAKS)
def test_what_is_broken_is_named(folder: Path, message: str) -> None:
    BREAKS[message](folder)
    lines = [f"{problem.where}: {problem.what}; {problem.fix}" for problem in check_folder(folder).problems]
    assert any(message in line for line in lines), lines


def test_a_mirrored_copy_in_another_split(tmp_path: Path) -> None:
    ids = {"train": ["a", "b", "c"], "val": ["Ma"], "test": ["d", "e"]}
    found = check_folder(write_folder(tmp_path / "walks", ids))
    assert any("mirrored copy" in problem.what for problem in found.problems)


def _call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["leadbench", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_the_command(
    good: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _call(monkeypatch, "data", "check", good) == 0
    assert "216 motions" in capsys.readouterr().out
    for path in sorted((folder / "texts").glob("*.txt"))[:9]:
        path.unlink()
    assert _call(monkeypatch, "data", "check", folder, "--most", "2") == 2
    printed = capsys.readouterr()
    assert "captions: and 7 more" in printed.out
    assert "9 problems" in printed.err
    assert _call(monkeypatch, "data", "check", folder, "--format", "json") == 2
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 9
    assert _call(monkeypatch, "data", "list", good.parent) == 0
    assert "skeleton humanml3d, 20 fps" in capsys.readouterr().out


@pytest.mark.parametrize("width", [263, 251])
def test_published_folders_pass_with_their_oddities(
    width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As HumanML3D and KIT-ML are published: NaN in 007975, empty captions files, short clips, unlisted files."""
    root = write_dataset(tmp_path / "X", width=width)
    names = (root / "train.txt").read_text().split()
    (root / "texts" / f"{names[0]}.txt").write_text("")
    short = root / "new_joint_vecs" / f"{names[1]}.npy"
    np.save(short, np.load(short)[:10])
    np.save(root / "new_joint_vecs" / "unlisted.npy", np.load(short))
    assert _call(monkeypatch, "data", "check", root, "--most", "100") == 0
    printed = capsys.readouterr().out
    for place in (f"texts/{names[0]}.txt: holds no caption", f"{names[1]}.npy: has 10 frames", "are in no split"):
        assert any(place in line and "harmless" in line for line in printed.splitlines()), printed
    assert all("harmless" in line for line in printed.splitlines()[1:])
    dataset = HumanML3DFolder(root)
    for split in ("train", "val", "test"):
        assert dataset.load(split)[0]


def test_what_passes_is_opened_by_a_run_and_what_a_run_refuses_is_reported(folder: Path) -> None:
    assert not check_folder(folder).problems
    card = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**card, "min_frames": 199}))
    (found,) = check_folder(folder).problems
    assert found.kind == "opening"
    assert "no usable motion" in found.what
