"""Rectified flow: against closed forms, and from the command line to the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from command import call
from fakes import FakeAutoencoder, FakeTextEncoder
from leadbench_flow.backbone import TIMESTEPS, FlowBackbone
from leadbench_flow.options import FlowOptions, ReflowOptions
from torch import Tensor, nn

from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Condition, MotionSpec
from leadbench.results.store import load_runs
from leadbench.zoo.files import load_card

MOTION = MotionSpec("humanml3d", 20.0, torch.zeros(263), torch.ones(263))
CAPTIONS = ("a walk", "a jump", "someone waves")
IDS = ("a", "b", "c")


class Field(nn.Module):
    """A velocity that is known; guided ones are told by the condition's last entry, which is 1 everywhere."""

    def __init__(self, velocity: Any) -> None:
        super().__init__()
        self.velocity = velocity
        self.calls = 0

    def forward(self, point: Tensor, time: Tensor, condition: Condition) -> Tensor:
        self.calls += 1
        made: Tensor = self.velocity(point, time.reshape(-1, 1, 1), condition)
        return made


def flow(velocity: Any, **options: Any) -> FlowBackbone:
    return FlowBackbone("flow", Field(velocity), FakeAutoencoder(MOTION), FakeTextEncoder(), FlowOptions(**options))


def sample(backbone: FlowBackbone, steps: int, guidance: float | None = None) -> Tensor:
    condition = backbone.text_encoder.encode(CAPTIONS)
    mask = torch.ones(3, 40, dtype=torch.bool)
    return backbone.sample(condition, mask, NoiseSource(0, IDS), steps=steps, guidance=guidance).values


@pytest.mark.parametrize("steps", [1, 2, 4, 7])
def test_a_straight_path_needs_one_step(steps: int) -> None:
    start = NoiseSource(0, IDS).normal("initial", (1, 8))
    target = torch.arange(24.0).view(3, 1, 8)
    made = sample(flow(lambda x, t, c: (target - x) / (1 - t)), steps)
    torch.testing.assert_close(made, target)
    assert not torch.allclose(start, target)


def test_midpoint_steps_are_of_second_order() -> None:
    """dx/dt = x has the solution e x; errors fall by 2 and by 4 where steps are doubled."""
    exact = NoiseSource(0, IDS).normal("initial", (1, 8)) * torch.e
    errors = {
        solver: [
            float((sample(flow(lambda x, t, c: x, solver=solver), steps) - exact).abs().max()) for steps in (16, 32)
        ]
        for solver in ("euler", "midpoint")
    }
    assert errors["euler"][0] / errors["euler"][1] == pytest.approx(2, rel=0.1)
    assert errors["midpoint"][0] / errors["midpoint"][1] == pytest.approx(4, rel=0.1)
    assert errors["midpoint"][1] < errors["euler"][1] / 10


@pytest.mark.parametrize(("solver", "steps"), [("euler", 4), ("midpoint", 4)])
def test_steps_are_calls_of_the_network(solver: str, steps: int) -> None:
    backbone = flow(lambda x, t, c: x, solver=solver)
    sample(backbone, steps)
    assert backbone.network.calls == steps
    assert backbone.supports_steps(4)
    assert backbone.supports_steps(3) == (solver == "euler")


def test_guidance_goes_away_from_the_empty_caption() -> None:
    """The fake encoder's first entry is a caption's length: 0 for the empty one."""
    backbone = flow(lambda x, t, c: c.tokens[:, :, :1].expand_as(x))
    start = NoiseSource(0, IDS).normal("initial", (1, 8))
    lengths = torch.tensor([float(len(caption)) for caption in CAPTIONS])[:, None, None]
    torch.testing.assert_close(sample(backbone, 3, guidance=2.5), start + 2.5 * lengths)
    torch.testing.assert_close(sample(backbone, 3, guidance=None), start + lengths)


def test_both_ends_of_a_path() -> None:
    clean, noise = torch.randn(3, 1, 8), torch.randn(3, 1, 8)
    backbone = flow(lambda x, t, c: clean - noise)
    timestep = torch.tensor([0, 250, TIMESTEPS])
    noisy = backbone.add_noise(clean, noise, timestep)
    torch.testing.assert_close(noisy[0], clean[0])
    torch.testing.assert_close(noisy[2], noise[2])
    predicted = backbone.predict(noisy, timestep, backbone.text_encoder.encode(CAPTIONS))
    torch.testing.assert_close(predicted.clean, clean)
    torch.testing.assert_close(predicted.noise, noise)


def test_the_loss_is_the_squared_error_of_the_velocity() -> None:
    clean, draws = torch.randn(3, 1, 8), NoiseSource(0, IDS)
    noise = draws.normal("noise", (1, 8))
    condition = FakeTextEncoder().encode(CAPTIONS)
    assert float(flow(lambda x, t, c: clean - noise).training_loss(clean, condition, draws)["loss"]) == 0
    wanted = float((clean - noise).square().mean())
    assert float(flow(lambda x, t, c: 0 * x).training_loss(clean, condition, draws)["loss"]) == pytest.approx(wanted)


def test_guidance_by_steps_and_by_option() -> None:
    assert [flow(None).default_guidance(steps) for steps in (1, 2, 4, 8)] == [1.0, 1.5, 2.0, 2.0]
    assert flow(None, guidance=3).default_guidance(1) == 3
    assert ReflowOptions().guidance == 1
    assert "guidance" not in FlowOptions(guidance=3).model_dump()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    from leadbench.data.synthetic.options import SynthesisOptions
    from leadbench.training.build import build

    root = tmp_path_factory.mktemp("flow")
    build("tiny", root, root / "packed", jobs=1, corpus=SynthesisOptions(clips=216, workers=1), say=lambda text: None)
    return SimpleNamespace(data=root / "data", models=root / "models")


def test_from_training_to_the_table(
    folder: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--dataset", folder.data, "--models", folder.models)
    small = ("--option", "flow.width=32", "--option", "flow.heads=2", "--option", "flow.feedforward=32")
    assert call("train", "diffusion", "--backbone", "flow", "--preset", "tiny", *data, *small, "--restart") == 0
    assert load_card(folder.models / "backbone-flow.safetensors").config["options"]["width"] == 32
    few = ("--replications", "1", "--multimodality-replications", "0", "--skip-self-test", "--out", tmp_path)
    # the width stands in the card; the solver is of sampling
    assert call("run", "--backbone", "flow", "--steps", "2,4", *data, *few, "--option", "flow.solver=midpoint") == 0
    printed = capsys.readouterr().out
    assert "LEAD (Flow)" in printed
    assert "not trained" not in printed
    assert call("run", "--backbone", "flow", "--steps", "3", *data, *few, "--option", "flow.solver=midpoint") == 2
    assert "does not support 3 steps" in capsys.readouterr().err
    (stored,) = load_runs(tmp_path)
    assert {r.row.guidance for r in stored.records if r.row.backbone == "flow" and r.row.steps} == {1.5, 2.0}


def test_another_text_encoder_than_it_was_trained_with(
    folder: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--dataset", folder.data, "--models", folder.models)
    train = ("train", "diffusion", "--backbone", "flow", "--preset", "tiny", "--restart", "--text-encoder", "wordllama")
    assert call(*train, *data) == 0
    assert load_card(folder.models / "backbone-flow.safetensors").text_encoder == "wordllama"
    few = ("--replications", "1", "--skip-self-test", "--out", tmp_path)
    assert call("run", "--backbone", "flow", "--text-encoder", "minilm", *data, *few) == 2
    assert "--text-encoder minilm: backbone 'flow' was trained with 'wordllama'" in capsys.readouterr().err


def test_reflow_learns_from_a_trained_flow(
    folder: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    models = Path(shutil.copytree(folder.models, tmp_path / "models"))
    data = ("--dataset", folder.data, "--models", models)
    train = ("train", "diffusion", "--preset", "tiny", *data, "--restart", "--backbone")
    few = ("--option", "reflow.teacher_steps=2")
    (models / "backbone-flow.safetensors").unlink()
    assert call(*train, "reflow", *few) == 2
    assert "its teacher is not trained (run: leadbench train diffusion --backbone flow)" in capsys.readouterr().err
    assert call(*train, "flow") == 0
    assert call(*train, "reflow", *few) == 0
    assert load_card(models / "backbone-reflow.safetensors").config["options"]["teacher_steps"] == 2
    assert call("run", "--backbone", "reflow", *data, "--replications", "1", "--skip-self-test", "--out", tmp_path) == 0
    assert "LEAD (Reflow)" in capsys.readouterr().out


def test_noise_of_a_row_is_its_own() -> None:
    backbone = flow(lambda x, t, c: x)
    condition = backbone.text_encoder.encode(CAPTIONS[:1])
    mask = torch.ones(1, 40, dtype=torch.bool)
    alone = backbone.sample(condition, mask, replace(NoiseSource(0, IDS), ids=("a",)), steps=2, guidance=None)
    torch.testing.assert_close(alone.values[0], sample(backbone, 2)[0])
