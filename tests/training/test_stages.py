"""Every stage: the same command gives the same bytes, interrupted or not, and no stale checkpoint is continued."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import pytest
import torch

from leadbench.cli.main import main
from leadbench.core.errors import CheckpointError
from leadbench.core.presets import get_preset
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.plugins.manager import load_plugins
from leadbench.training import stages
from leadbench.training.loop import Progress
from leadbench.training.workshop import Workshop
from leadbench.zoo.assets import model_store

Stage = Callable[[Workshop], Path]
STAGES: MappingProxyType[str, Stage] = MappingProxyType(
    {
        "autoencoder": stages.train_autoencoder,
        "diffusion-wordllama": lambda shop: stages.train_diffusion(shop, "wordllama"),
        "consistency-wordllama": lambda shop: stages.train_consistency(shop, "wordllama"),
        "projector": lambda shop: stages.train_projector(shop, load_plugins(), stages.ProjectorJob("wordllama")),
        "evaluator": stages.train_evaluator,
        "evaluator-tmr": lambda shop: stages.train_evaluator(shop, "tmr"),
        "motionclip": lambda shop: stages.train_motionclip(shop, "wordllama"),
    }
)


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stages") / "data"
    synthesize(folder, SynthesisOptions(clips=120, workers=1))
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every stage, one after the other, never interrupted."""
    folder = tmp_path_factory.mktemp("stages") / "models"
    for train in STAGES.values():
        train(workshop(data, folder))
    return folder


def workshop(
    data: Path, folder: Path, kill_at: int | None = None, seed: int = 0, restart: bool = False, seconds: float = 60.0
) -> Workshop:
    def report(progress: Progress) -> None:
        if progress.step == kill_at:
            raise KilledError

    torch.manual_seed(seed)  # of the generator that everybody shares: nothing may depend on it
    preset = get_preset("tiny").model_copy(update={"teacher_encoder": "wordllama"})
    return Workshop(
        HumanML3DFolder(data),
        preset,
        model_store(folder, load_plugins()),
        report=report,
        restart=restart,
        checkpoint_seconds=seconds,
    )


@pytest.mark.parametrize("checkpoints", [False, True])
@pytest.mark.parametrize("name", STAGES)
def test_an_interrupted_stage_gives_the_same_bytes(
    name: str, checkpoints: bool, data: Path, trained: Path, tmp_path: Path
) -> None:
    """Stopped before the first checkpoint, or continued from one; torch's own generator has other numbers each time."""
    folder = tmp_path / "models"
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("checkpoints"))
    expected = (folder / f"{name}.safetensors").read_bytes()
    (folder / f"{name}.safetensors").unlink()
    seconds = 0.0 if checkpoints else 60.0
    with pytest.raises(KilledError):
        STAGES[name](workshop(data, folder, kill_at=3 if checkpoints else 1, seed=1, seconds=seconds))
    assert bool(list((folder / "checkpoints").glob("*.pt"))) == checkpoints
    steps: list[int] = []
    shop = workshop(data, folder, seed=2, seconds=seconds)
    shop.report = lambda progress: steps.append(progress.step)
    STAGES[name](shop)
    assert steps == ([3, 4] if checkpoints else [1, 2, 3, 4])
    assert (folder / f"{name}.safetensors").read_bytes() == expected
    cards = [json.loads((place / f"{name}.json").read_text()) for place in (trained, folder)]
    for card in cards:
        del card["provenance"], card["digest"]  # the day, and how long it took
    assert cards[0] == cards[1]


def test_a_checkpoint_of_another_latent_space_is_refused(data: Path, trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    shutil.copytree(trained, folder)
    before = (folder / "diffusion-wordllama.safetensors").read_bytes()
    shop = workshop(data, folder, restart=True)
    loop = shop.preset.autoencoder.loop.model_copy(update={"seed": 5})
    changed = shop.preset.model_copy(update={"autoencoder": shop.preset.autoencoder.model_copy(update={"loop": loop})})
    shop.preset = changed
    stages.train_autoencoder(shop)
    with pytest.raises(CheckpointError, match=r"diffusion-wordllama\.pt.*latent space.*--restart"):
        STAGES["diffusion-wordllama"](workshop(data, folder))
    assert (folder / "diffusion-wordllama.safetensors").read_bytes() == before
    STAGES["diffusion-wordllama"](workshop(data, folder, restart=True))
    assert (folder / "diffusion-wordllama.safetensors").read_bytes() != before


def test_other_captions_are_another_training(data: Path, trained: Path, tmp_path: Path) -> None:
    folder, other = tmp_path / "models", tmp_path / "data"
    shutil.copytree(trained, folder)
    shutil.copytree(data, other)
    identifier = (other / "train.txt").read_text().split()[0]
    path = other / "texts" / f"{identifier}.txt"
    path.write_text(path.read_text().replace("a", "e", 1))
    with pytest.raises(CheckpointError, match=r"evaluator\.pt.*data\.train"):
        STAGES["evaluator"](workshop(other, folder))


def test_the_command_line_killed_and_started_again(data: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle, twice; then the same command to its end."""
    folders = [tmp_path / "whole", tmp_path / "killed"]
    command = [sys.executable, "-m", "leadbench", "train", "autoencoder", "--dataset", str(data), "--preset", "tiny"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for folder, kills in zip(folders, (0, 2), strict=True):
        full = [*command, "--models", str(folder)]
        for number in range(kills):
            process = subprocess.Popen(full, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
            time.sleep(2.0 + 1.5 * number)
            process.send_signal(signal.SIGKILL)
            process.wait()
        subprocess.run(full, env=environment, check=True, capture_output=True)
    first, second = ((folder / "autoencoder.safetensors").read_bytes() for folder in folders)
    assert first == second


def test_restart_is_an_option(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["leadbench", "-q", "train", "evaluator", "--dataset", str(data), "--models", str(tmp_path / "m")]
    monkeypatch.setattr(sys, "argv", [*arguments, "--preset", "tiny"])
    with pytest.raises(SystemExit) as first:
        main()
    monkeypatch.setattr(sys, "argv", [*arguments, "--preset", "tiny", "--set", "loop.seed=3"])
    with pytest.raises(SystemExit) as refused:
        main()
    monkeypatch.setattr(sys, "argv", [*arguments, "--preset", "tiny", "--set", "loop.seed=3", "--restart"])
    with pytest.raises(SystemExit) as again:
        main()
    assert (first.value.code or 0, refused.value.code, again.value.code or 0) == (0, 2, 0)
