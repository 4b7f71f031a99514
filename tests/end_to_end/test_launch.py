"""Trainings of several processes, from the command line to the weights: those of one process."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from command import call
from launched import launch
from training_stages import STAGES, difference_that_matters, steps

from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.zoo.files import load_card

OWN = """
import torch
from torch import nn
from torch.nn.functional import mse_loss

from leadbench import Latent, Projection, ProjectorRegistration, gathered, hookimpl


class Own:
    def __init__(self, context, whole):
        self.latent_fingerprint, self.text_encoder, self.whole = context.latent_fingerprint, context.text_encoder, whole
        size = context.latent.tokens * context.latent.width
        self.network = nn.ModuleDict({"there": nn.Linear(size, context.text_width), "unused": nn.Linear(2, 2)})

    def project(self, latent):
        code = self.network["there"](latent.values.flatten(1))
        return Projection(code, code[:, None])

    def reproject(self, projection):
        return Latent.full(projection.tokens)

    def training_loss(self, latent, text):
        code = self.network["there"](latent.flatten(1))
        spread = (gathered(code) if self.whole else code).std(dim=0, unbiased=False).mean()
        return {"loss": mse_loss(code, text) - 0.1 * spread, "spread": spread}


@hookimpl
def leadbench_projectors():
    return [
        ProjectorRegistration(name, "own", None, create=lambda context, whole=whole: Own(context, whole))
        for name, whole in (("gathering", True), ("careless", False))
    ]
"""
TRAININGS = (
    *STAGES,
    ("diffusion --backbone flow", "backbone-flow"),
    ("projector --align-encoder wordllama --variant mlp", "projector.mlp"),
    ("projector --align-encoder wordllama --projector gathering", "gathering.projector"),
)
CPU = ("--device", "cpu")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus, and a plugin file."""
    folder = tmp_path_factory.mktemp("launch")
    synthesize(folder / "data", SynthesisOptions(clips=90, workers=1))
    (folder / "own.py").write_text(OWN)
    return folder


def command(place: Path, stage: str, models: str, *options: str, count: int = 20) -> list[str]:
    """Arguments of ``leadbench``."""
    chosen = ["--dataset", str(place / "data"), "--models", str(place / models), *CPU, *options]
    plugin = ["--plugin", str(place / "own.py")] if "gathering" in stage or "careless" in stage else []
    return ["train", *stage.split(), *steps(count), *chosen, *plugin]


@pytest.fixture(scope="module")
def single(place: Path) -> Path:
    """Every stage trained by one process, one after the other in one folder."""
    for stage, _ in TRAININGS:
        assert call(*command(place, stage, "single")) == 0
    return place / "single"


@pytest.fixture(scope="module")
def double(place: Path) -> Path:
    """The same by two processes over gloo."""
    done = launch([command(place, stage, "double") for stage, _ in TRAININGS])
    assert done == [[0] * len(TRAININGS)] * 2
    return place / "double"


@pytest.mark.parametrize("name", [name for _, name in TRAININGS])
def test_two_processes_give_the_weights_of_one(name: str, single: Path, double: Path) -> None:
    assert difference_that_matters(single / f"{name}.safetensors", double / f"{name}.safetensors") < 1e-5
    one, two = (load_card(folder / f"{name}.safetensors") for folder in (single, double))
    assert one.config == two.config
    assert two.metrics["best_score"] == pytest.approx(one.metrics["best_score"], rel=1e-3)


@pytest.fixture(scope="module")
def triple(place: Path) -> tuple[Path, Path]:
    """Two trainings by one process and by three.

    Three share 8 rows, accumulate, and drop attention weights; and batches of 90 frames, which hold a row or two, so
    that some processes own none.
    """
    options = ["--text-encoder", "wordllama", "--set", "loop.accumulate=2"]
    options += ["--set", "architecture.transformer.attention_dropout=0.2"]
    options += ["--set", "architecture.transformer.dropout=0.1"]
    trainings = [
        command(place, "autoencoder", "three", "--set", "loop.batch=90", count=6),
        command(place, "diffusion", "three", *options),
    ]
    for training in trainings:
        assert call(*training) == 0
    shutil.copytree(place / "three", place / "one-of-three")
    # in the other order: a restarted autoencoder would be another latent space
    assert launch([[*training, "--restart"] for training in reversed(trainings)], processes=3) == [[0, 0]] * 3
    return place / "one-of-three", place / "three"


@pytest.mark.parametrize("name", ["diffusion-wordllama", "autoencoder"])
def test_rows_that_do_not_divide_evenly(name: str, triple: tuple[Path, Path]) -> None:
    one, three = triple
    assert difference_that_matters(one / f"{name}.safetensors", three / f"{name}.safetensors") < 1e-5


def test_bfloat16_and_a_tracker_of_two_processes(place: Path) -> None:
    """In bfloat16 a gradient summed over all rows is rounded once, over each half of them twice; and there is one
    tracker, the first process's."""

    def training(models: str) -> list[str]:
        folder = f"tensorboard.folder={place / models / 'events'}"
        options = ["--precision", "bf16", "--track", "tensorboard", "--option", folder]
        return command(place, "diffusion --text-encoder wordllama", models, *options)

    for models in ("half-one", "half-two"):
        assert call(*command(place, "autoencoder", models, count=2)) == 0
    assert call(*training("half-one")) == 0
    assert launch([training("half-two")]) == [[0]] * 2
    name = "diffusion-wordllama.safetensors"
    apart = difference_that_matters(place / "half-one" / name, place / "half-two" / name)
    assert 0 < apart < 1e-2
    events = [len(list((place / models / "events").rglob("events.out.*"))) for models in ("half-one", "half-two")]
    assert events == [1, 1]


def test_a_loss_that_is_no_mean_over_rows_is_refused(
    place: Path, double: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stage = command(place, "projector --align-encoder wordllama --projector careless", "double")
    assert launch([stage]) == [[2], [2]]
    said = capfd.readouterr().err
    assert "training careless.projector: the loss of a batch divided among 2 processes is" in said
    assert "pass what needs all of them through leadbench.gathered" in said
    assert not (double / "careless.projector.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "cuda:1"], "--device cuda:1: each process of a launch takes its own"),
        (["--batch", "auto"], "--batch auto: not with several processes"),
    ],
)
def test_what_several_processes_cannot_do(
    arguments: list[str],
    said: str,
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert call(*command(place, "autoencoder", "never"), *arguments) == 2
    assert said in capsys.readouterr().err
    assert not (place / "never").exists()


@pytest.mark.parametrize("arguments", ["run --backbone mld", "--quiet sweep plan sweeps/bnr.toml", "doctor"])
def test_other_commands_are_started_alone(
    arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert call(*arguments.split()) == 2
    assert "several processes were launched together" in capsys.readouterr().err


def test_help_is_for_everybody(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert call("--version") == 0
    assert capsys.readouterr().out.startswith("leadbench ")


def test_a_worker_that_dies_ends_the_launch_and_the_next_start_continues(place: Path, tmp_path: Path) -> None:
    """Two processes by ``accelerate launch``; the second is killed; one process then goes on to the same weights."""
    stage = command(place, "autoencoder", "killed", "--checkpoint-seconds", "0", count=400)
    accelerate = Path(sys.executable).with_name("accelerate")
    launcher = [str(accelerate), "launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    launcher += ["--mixed_precision", "no", "--dynamo_backend", "no", "-m", "leadbench", *stage]
    said = tmp_path / "said"
    checkpoint = place / "killed" / "checkpoints" / "autoencoder.pt"
    with said.open("w") as file:
        running = subprocess.Popen(launcher, stdout=file, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 300
        while not checkpoint.is_file():
            assert running.poll() is None, said.read_text()
            assert time.monotonic() < deadline, said.read_text()
            time.sleep(0.05)
        (second,) = [p for p in psutil.Process(running.pid).children() if p.environ().get("RANK") == "1"]
        second.kill()
        assert running.wait(timeout=120) != 0
    text = said.read_text()
    assert text.count("error: ") == 1
    assert "error: training autoencoder: another process of this launch ended, or all were stopped; start" in text
    assert not (place / "killed" / "autoencoder.safetensors").exists()
    assert call(*stage) == 0
    assert call(*command(place, "autoencoder", "whole", count=400)) == 0
    written = [place / folder / "autoencoder.safetensors" for folder in ("whole", "killed")]
    assert difference_that_matters(*written) < 1e-5
