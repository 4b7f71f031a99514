"""Values of options that no program can work with: one line, exit 2, nothing written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from folders import write_folder

from leadbench.cli.main import main
from leadbench.zoo.embedded import shipped


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"{n:06d}" for n in range(12)]
    return write_folder(
        tmp_path_factory.mktemp("values") / "data", {"test": names[:6], "val": names[6:8], "train": names[8:]}
    )


RUN = ("run", "--backbone", "motionlcm", "--quick", "--out", "OUT", "--dataset", "DATA", "--models", "MODELS")
GENERATE = ("generate", "a walk", "--out", "OUT")
STRUCTURE = ("structure", "--dataset", "DATA", "--models", "MODELS", "--out", "OUT")
LATENCY = ("latency", "--backbone", "motionlcm", "--out", "OUT")
MTI = ("mti", "run", "--dataset", "DATA", "--models", "MODELS", "--out", "OUT")
TRAIN = ("train", "evaluator", "--dataset", "DATA", "--models", "OUT", "--preset", "tiny")


@pytest.mark.parametrize(
    ("command", "values"),
    [
        (RUN, ("--guidance", "nan")),
        (RUN, ("--guidance", "1,inf")),
        (RUN, ("--guidance", "x")),
        (RUN, ("--steps", "0")),
        (RUN, ("--steps", "1e3")),
        (RUN, ("--steps", "9" * 400)),
        (RUN, ("--backbone", ",")),
        (RUN, ("--replications", "99999999999999999999")),
        (RUN, ("--replications", "0")),
        (RUN, ("--projector", ",")),
        (RUN, ("--chunk", "0")),
        (GENERATE, ("--guidance", "nan")),
        (GENERATE, ("--guidance", "-inf")),
        (GENERATE, ("--frames", "-4")),
        (GENERATE, ("--frames", "42")),
        (GENERATE, ("--count", "99999999999")),
        (LATENCY, ("--batch", "0")),
        (LATENCY, ("--batch", "nan")),
        (MTI, ("--learning-rates", "nan")),
        (MTI, ("--learning-rates", "-1")),
        (MTI, ("--replications", "99999999999")),
        (TRAIN, ("--set", "loop.steps=nan")),
        (TRAIN, ("--set", "optimizer.learning_rate=inf")),
        (TRAIN, ("--set", "loop.steps=" + "[" * 5000)),
    ],
)
def test_one_line_and_exit_2(
    command: tuple[str, ...],
    values: tuple[str, ...],
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    places = {"OUT": str(out), "DATA": str(data), "MODELS": str(shipped().folder)}
    monkeypatch.setattr(sys, "argv", ["leadbench", "-q", *(places.get(word, word) for word in command), *values])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert said.err.strip()
    assert "Traceback" not in said.err
    assert not out.exists() or not list(out.rglob("*.*"))


def test_a_worker_that_is_killed_is_said(data: Path, tmp_path: Path) -> None:
    """One line; what was done is stored, and the same command ends."""
    command = [sys.executable, "-m", "leadbench", "-q", "run", "--backbone", "motionlcm", "--jobs", "2"]
    command += ["--dataset", str(data), "--models", str(shipped().folder), "--out", str(tmp_path / "out")]
    command += ["--replications", "40", "--multimodality-replications", "0"]
    parent = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "out").rglob("records.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = [
        int(place.name)
        for place in Path("/proc").glob("[0-9]*")
        if (place / "stat").is_file() and f" {parent.pid} " in _stat(place) and b"spawn_main" in _command(place)
    ]
    if not workers:
        parent.kill()
        pytest.skip("no /proc to find workers in")
    os.kill(workers[0], signal.SIGKILL)
    _, err = parent.communicate(timeout=120)
    assert parent.returncode == 2, err
    assert "a worker process died" in err
    assert len(err.strip().splitlines()) == 1


def _stat(place: Path) -> str:
    try:
        return (place / "stat").read_text().rpartition(")")[2]
    except OSError:
        return ""


def _command(place: Path) -> bytes:
    try:
        return (place / "cmdline").read_bytes()
    except OSError:
        return b""
