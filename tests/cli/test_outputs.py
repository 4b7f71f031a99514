"""Every command that writes says first, in one line, where it cannot; nothing is half-written, nothing overwritten."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from folders import write_folder

from leadbench.cli.main import main
from leadbench.results.store import load_runs
from leadbench.zoo.embedded import shipped

BVH = "not read before the output is checked"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"{n:06d}" for n in range(12)]
    return write_folder(
        tmp_path_factory.mktemp("outputs") / "data", {"test": names[:6], "val": names[6:8], "train": names[8:]}
    )


def commands(data: Path, out: Path) -> dict[str, list[str]]:
    """Every command that has an output, with that output."""
    dataset, models = ["--dataset", str(data)], ["--models", str(out)]
    records = ["--out", str(out)]
    return {
        "run": ["run", "--backbone", "motionlcm", *dataset, *records],
        "score": ["score", "--motions", str(data), *dataset, *records],
        "mti run": ["mti", "run", *dataset, *records],
        "mti styles": ["mti", "styles", *dataset, *records],
        "mti learn": ["mti", "learn", "--exemplar", BVH, "--init", "walk", "--name", "w", *records],
        "structure": ["structure", *dataset, *records],
        "latency": ["latency", "--backbone", "motionlcm", *records],
        "ablate projector": ["ablate", "projector", "--backbone", "motionlcm", *dataset, *records],
        "generate": ["generate", "a walk", *records],
        "strips": ["strips", "--backbone", "motionlcm", *dataset, "--out", str(out / "x" / "a.png")],
        "data synthesize": ["data", "synthesize", "--out", str(out / "x")],
        "data prepare bnr": ["data", "prepare", "bnr", "--source", str(data), "--out", str(out / "x")],
        "data prepare 100style": ["data", "prepare", "100style", "--source", str(data), "--out", str(out / "x")],
        "zoo build": ["zoo", "build", "tiny", "--work", str(out)],
        "zoo import": ["zoo", "import", str(data / "Mean.npy"), "--as", "mld", *dataset, *models],
        "plugins new": ["plugins", "new", "mine", *records],
        **{
            f"train {stage}": ["train", stage, *dataset, *models, "--preset", "tiny"]
            for stage in ("autoencoder", "diffusion", "consistency", "projector", "evaluator", "motionclip")
        },
    }


NAMES = list(commands(Path(), Path()))


def call(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["leadbench", "-q", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def mount(folder: Path, options: str) -> bool:
    """A small file system of its own at a folder; False: the system does not permit it."""
    if shutil.which("mount") is None:
        return False
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture(params=["a file in the way", "no such system folder", "read-only"])
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    if request.param == "a file in the way":
        (tmp_path / "file").write_text("")
        yield tmp_path / "file"
    elif request.param == "no such system folder":
        if not Path("/proc").is_dir():
            pytest.skip("no /proc here")
        yield Path("/proc/nothing")
    else:
        locked = tmp_path / "locked"
        locked.mkdir()
        locked.chmod(0o500)
        mounted = os.access(locked, os.W_OK) and mount(locked, "ro")
        if os.access(locked, os.W_OK) and not mounted:
            pytest.skip("this user may write everywhere, and mount nothing")
        yield locked
        if mounted:
            subprocess.run(["umount", str(locked)], check=False)
        locked.chmod(0o700)


@pytest.mark.parametrize("name", NAMES)
def test_an_output_that_cannot_be_written_is_one_line(
    name: str, data: Path, bad: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(path.name for path in bad.parent.iterdir()) if bad.parent != Path("/proc") else []
    assert call(monkeypatch, commands(data, bad)[name]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    line = said.err.strip()
    assert "\n" not in line
    assert str(bad) in line
    assert any(option in line for option in ("--out", "--models", "--work"))
    if before:
        assert sorted(path.name for path in bad.parent.iterdir()) == before


def test_a_figure_is_checked_before_the_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    arguments = ["generate", "a walk", "--out", str(tmp_path / "out"), "--strip", str(tmp_path / "file" / "a.png")]
    assert call(monkeypatch, arguments) == 2
    assert "--strip" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_generating_again_adds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["generate", "ein Mann läuft", "人が歩く", "!!!", "--frames", "40", "--out", str(tmp_path / "out")]
    for _ in range(2):
        assert call(monkeypatch, arguments) == 0
    found = sorted(path.name for path in (tmp_path / "out").iterdir())
    slugs = ["ein-mann-läuft", "人が歩く", "e84c538e"]
    expected = [
        f"{number:03d}-{slugs[number % 3]}.{kind}.npy" for number in range(6) for kind in ("features", "joints")
    ]
    assert [name for name in found if name.endswith(".npy")] == expected
    assert [name for name in found if name.endswith(".json")] == ["generate-003.json", "generate.json"]
    assert [name for name in found if name.endswith(".html")] == ["index-003.html", "index.html"]
    first, again = (np.load(tmp_path / "out" / f"{n:03d}-ein-mann-läuft.joints.npy") for n in (0, 3))
    np.testing.assert_array_equal(first, again)


def test_a_disk_that_fills_loses_nothing(data: Path, tmp_path: Path) -> None:
    """On a tmpfs that is full in the middle: one line, exit 2; with space again the same command ends as ever."""
    small = tmp_path / "small"
    small.mkdir()
    if not mount(small, "size=96k"):
        pytest.skip("mounting is not permitted here")
    try:
        (small / "filler").write_bytes(bytes(80 << 10))
        full = run_at(data, small)
        assert full.returncode == 2, full.stderr
        assert len(full.stderr.strip().splitlines()) == 1
        assert "No space left" in full.stderr
        (small / "filler").unlink()
        assert run_at(data, small).returncode == 0
        assert run_at(data, tmp_path / "other").returncode == 0
        assert records(small) == records(tmp_path / "other")
    finally:
        subprocess.run(["umount", str(small)], check=False)


def run_at(data: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "leadbench", "-q", *commands(data, out)["run"], "--steps", "1,2"]
    command += ["--models", str(shipped().folder), "--replications", "8", "--multimodality-replications", "0"]
    return subprocess.run(command, capture_output=True, text=True)


def records(out: Path) -> list[tuple[str, int, dict[str, float | None]]]:
    (run,) = load_runs(out)
    return [(record.row.key, record.replication, record.metrics) for record in run.records]
