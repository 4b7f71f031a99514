from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from leadbench.core.config import LoopConfig, OptimizerConfig
from leadbench.core.errors import NonFiniteError
from leadbench.training.checkpoint import CheckpointFile
from leadbench.training.loop import Progress, Trainer, epoch_batch, learning_rate, update_average


class Regression:
    """Fits y = 2 x with dropout noise, so that resuming exactly needs the random numbers too."""

    name = "regression"

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.model: nn.Module = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.2), nn.Linear(8, 1))

    def loss(self, step: int) -> tuple[Tensor, Mapping[str, float]]:
        x = torch.randn(16, 1)
        return (self.model(x) - 2 * x).square().mean(), {}

    def validate(self, model: nn.Module) -> Mapping[str, float]:
        x = torch.linspace(-1, 1, 9)[:, None]
        return {"score": float((model(x) - 2 * x).square().mean().detach())}


def _trainer(checkpoint: Path | None, steps: int = 40, ema: float = 0.9) -> Trainer:
    return Trainer(
        OptimizerConfig(learning_rate=1e-2, warmup_steps=5),
        LoopConfig(steps=steps, batch=16, validate_every=10, ema=ema),
        None if checkpoint is None else CheckpointFile(checkpoint, {"of": "regression"}),
        checkpoint_seconds=0.0,
    )


class InterruptedTrainingError(Exception):
    pass


def test_resuming_gives_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    whole = Regression()
    expected = _trainer(None).run(whole)

    def stop(progress: Progress) -> None:
        if progress.step == 23:
            raise InterruptedTrainingError

    with pytest.raises(InterruptedTrainingError):
        _trainer(tmp_path / "c.pt").run(Regression(), stop)
    resumed = Regression()
    state = _trainer(tmp_path / "c.pt").run(resumed)
    assert state.history == expected.history
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name])


def test_the_weights_of_the_best_validation_are_kept() -> None:
    task = Regression()
    state = _trainer(None).run(task)
    assert state.best_score == min(entry["score"] for entry in state.history)
    assert task.validate(task.model)["score"] == pytest.approx(state.best_score)
    assert state.best_score < state.history[0]["score"]


def test_the_last_moving_average_is_kept_on_request() -> None:
    task = Regression()
    trainer = _trainer(None)
    state = Trainer(trainer.optimizer, trainer.loop.model_copy(update={"select": "last"})).run(task)
    assert state.best_step == 40
    assert task.validate(task.model)["score"] == pytest.approx(state.history[-1]["score"])


def test_a_loss_of_nan_stops_and_names_the_step() -> None:
    task = Regression()
    good = task.loss
    task.loss = lambda step: (good(step)[0] * (float("nan") if step == 3 else 1), {})  # type: ignore[method-assign]
    with pytest.raises(NonFiniteError, match=r"regression.*step 3"):
        _trainer(None).run(task)


def test_schedule() -> None:
    config = OptimizerConfig(learning_rate=1.0, warmup_steps=10, final_rate=0.1)
    rates = [learning_rate(config, step, 110) for step in range(110)]
    assert rates[9] == pytest.approx(1.0)
    assert max(rates) == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_moving_average() -> None:
    average, model = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    average.weight.data.fill_(0.0)
    model.weight.data.fill_(1.0)
    update_average(average, model, 0.9, step=10_000)
    assert float(average.weight.detach()) == pytest.approx(0.1)


def test_an_epoch_shows_every_item_once() -> None:
    seen = [i for step in range(5) for i in epoch_batch(0, "x", step, 4, 20)]
    assert sorted(seen) == list(range(20))
    assert [i for step in range(5, 10) for i in epoch_batch(0, "x", step, 4, 20)] != seen
    assert sorted(epoch_batch(0, "x", 7, 64, 20)) == list(range(20))
