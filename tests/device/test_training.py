"""Three steps of every training stage on the pretended device, and a resume, from the command line to the weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from command import call
from training_stages import STAGES, difference, train

from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.testing.pretended import Pretended, pretended_device, waits_inside
from leadbench.training.loop import Trainer
from leadbench.zoo.files import load_card


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus that the trainings read in no time."""
    folder = tmp_path_factory.mktemp("training") / "small"
    synthesize(folder, SynthesisOptions(clips=90, workers=1))
    return folder


@pytest.fixture(scope="module")
def on_cpu(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every stage trained on the CPU, one after the other in one folder."""
    models = tmp_path_factory.mktemp("cpu")
    for stage, _ in STAGES:
        assert train(small, stage, models, "--device", "cpu") == 0
    return models


@pytest.mark.parametrize(("stage", "name"), STAGES, ids=[name for _, name in STAGES])
def test_three_steps_give_the_cpus_weights(
    stage: str, name: str, small: Path, on_cpu: Path, tmp_path: Path, pretended: Pretended
) -> None:
    models = tmp_path / "models"
    shutil.copytree(on_cpu, models, ignore=shutil.ignore_patterns(f"{name}.*", "checkpoints"))
    with waits_inside(pretended, (Trainer, "_step")) as per_step:
        assert train(small, stage, models) == 0
    assert per_step == [0, 0, 0]
    assert difference(on_cpu / f"{name}.safetensors", models / f"{name}.safetensors") < 1e-5
    card = load_card(models / f"{name}.safetensors")
    assert card.provenance["compute"]["device"] == "lazy:0"


@pytest.mark.parametrize("begun", ["cpu", "lazy"])
def test_a_checkpoint_of_one_device_is_continued_on_another(
    begun: str, small: Path, on_cpu: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    killed = pytest.MonkeyPatch()
    plain = Trainer._step

    def dies(self: Trainer, task: object, optimizer: object, average: object, step: int) -> object:
        if step == 2:
            raise KeyboardInterrupt
        return plain(self, task, optimizer, average, step)  # type: ignore[arg-type]

    killed.setattr(Trainer, "_step", dies)
    saving = ("--checkpoint-seconds", "0")
    try:
        if begun == "cpu":
            train(small, "autoencoder", models, *saving, "--device", "cpu")
        else:
            with pretended_device():
                train(small, "autoencoder", models, *saving)
    finally:
        killed.undo()
    assert (models / "checkpoints" / "autoencoder.pt").is_file()
    assert not (models / "autoencoder.safetensors").exists()
    if begun == "cpu":
        with pretended_device():
            assert train(small, "autoencoder", models, *saving) == 0
    else:
        assert train(small, "autoencoder", models, *saving, "--device", "cpu") == 0
    assert difference(on_cpu / "autoencoder.safetensors", models / "autoencoder.safetensors") < 1e-5


def test_figures_are_read_once_an_interval(
    small: Path, tmp_path: Path, pretended: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadbench.training import loop

    monkeypatch.setattr(loop, "READ_EVERY", 4)
    before: list[int] = []
    plain = loop._Figures.read

    def read(self: loop._Figures) -> None:
        before.append(len(self))
        plain(self)

    monkeypatch.setattr(loop._Figures, "read", read)
    steps = ("--preset", "tiny", "--set", "loop.steps=10", "--set", "loop.validate_every=10")
    assert train(small, "autoencoder", tmp_path, steps=steps) == 0
    assert before == [4, 4, 2]


def test_a_loss_that_is_not_finite_is_told_with_its_step(
    small: Path, tmp_path: Path, pretended: Pretended, capsys: pytest.CaptureFixture[str]
) -> None:
    from leadbench.training.autoencoder import AutoencoderTask

    plain = AutoencoderTask.loss

    def loss(self: AutoencoderTask, step: int) -> object:
        value, figures = plain(self, step)
        return (value * float("nan") if step == 1 else value), figures

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AutoencoderTask, "loss", loss)
        assert train(small, "autoencoder", tmp_path) == 2
    assert "training autoencoder: loss is nan at step 1" in capsys.readouterr().err
    assert not (tmp_path / "autoencoder.safetensors").exists()


def test_accumulated_batches_are_averaged(small: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for models, count in ((one, 1), (two, 3)):
        assert train(small, "autoencoder", models, "--device", "cpu", "--set", f"loop.accumulate={count}") == 0
    assert difference(one / "autoencoder.safetensors", two / "autoencoder.safetensors") > 1e-4
    assert load_card(two / "autoencoder.safetensors").config["loop"]["accumulate"] == 3


def test_what_a_training_needs_is_said_before_and_after_ten_steps(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = ("--preset", "tiny", "--set", "loop.steps=12", "--set", "loop.validate_every=12")
    assert train(small, "autoencoder", tmp_path, "--device", "cpu", steps=steps) == 0
    said = capsys.readouterr().err
    assert "autoencoder: 12 steps of" in said
    assert "on cpu in float32; weights, gradients and optimiser" in said
    assert "s a step, about" in said
    assert "peak memory" in said


def test_training_in_bf16_is_another_training(small: Path, on_cpu: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    assert train(small, "autoencoder", models, "--device", "cpu", "--precision", "bf16") == 0
    assert 1e-5 < difference(on_cpu / "autoencoder.safetensors", models / "autoencoder.safetensors") < 0.5
    assert train(small, "autoencoder", models, "--device", "cpu") == 2  # its checkpoint is of bf16
    assert load_card(models / "autoencoder.safetensors").provenance["compute"]["precision"] == "bf16"


def test_batches_that_do_not_fit_on_the_device_come_a_batch_ahead(
    small: Path, on_cpu: Path, tmp_path: Path, pretended: Pretended, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadbench.data import frames

    monkeypatch.setattr(frames, "free_memory", lambda device: 1)
    assert train(small, "autoencoder", tmp_path) == 0
    assert difference(on_cpu / "autoencoder.safetensors", tmp_path / "autoencoder.safetensors") < 1e-5


def test_compiled_stacks_train_to_the_same_weights(small: Path, tmp_path: Path) -> None:
    from leadbench.training import loop

    plain, compiled = tmp_path / "plain", tmp_path / "compiled"
    assert train(small, "autoencoder", plain, "--device", "cpu") == 0
    with pytest.MonkeyPatch.context() as patch:
        # the compiler's own code takes a minute; what is tested is that stacks are compiled and the state is the same
        patch.setattr(loop, "BACKEND", "eager")
        assert train(small, "autoencoder", compiled, "--device", "cpu", "--compile") == 0
    torch._dynamo.reset()
    assert difference(plain / "autoencoder.safetensors", compiled / "autoencoder.safetensors") < 1e-5


def test_a_model_without_transformers_cannot_be_compiled(
    small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(small, "evaluator", tmp_path, "--device", "cpu", "--compile") == 2
    assert "--compile: this model has no transformer to compile" in capsys.readouterr().err


def test_every_command_knows_the_device(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run --backbone mld", "score --motions .", "mti run", "structure", "generate walk"):
        assert call(*command.split(), "--dataset", corpus, "--device", "gpu") == 2
        assert "--device gpu: no such device (allowed: auto, cpu, cuda" in capsys.readouterr().err
