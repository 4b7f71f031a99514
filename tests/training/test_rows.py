"""A training step of which this process does a part, without other processes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from leadbench.core.device import CPU
from leadbench.core.shards import ALONE, Place, current_place, gathered, own_rows, sharded
from leadbench.nn.dropout import RowDropout
from leadbench.training.launch import Launch
from leadbench.training.rows import DividedTask


class Regression:
    """A mean over rows."""

    name = "regression"

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Linear(3, 1)
        self.rows = torch.arange(21.0).view(7, 3) / 10

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        loss = self.model(self.rows[own_rows(7)]).square().mean()
        return loss, {"twice": 2 * loss}


def test_alone_a_step_is_the_whole_batch() -> None:
    task = Regression()
    loss, figures = DividedTask(task, 0, CPU, Launch()).backward(0, 2, last=True)
    whole = task.loss(0)[0]
    assert float(loss) == pytest.approx(whole.item())
    assert float(figures["twice"]) == pytest.approx(2 * whole.item())
    (wanted,) = torch.autograd.grad(whole / 2, [task.model.weight])
    torch.testing.assert_close(task.model.weight.grad, wanted)


def test_weighted_parts_are_the_whole() -> None:
    """Of 7 rows by 3 processes, and by 9, of which two own none."""
    task = Regression()
    whole = task.loss(0)[0].item()
    for world in (3, 9):
        parts = []
        for rank in range(world):
            with sharded(Place(rank, world)) as batch:
                parts.append(task.loss(0)[0].item() * batch.weight)
        assert sum(parts) == pytest.approx(whole)
    assert current_place() == ALONE


def test_rows_drop_out_as_in_one_process() -> None:
    x = torch.ones(6, 4)
    layer = RowDropout(0.5)
    torch.manual_seed(3)
    whole = layer(x)
    for rank, rows in enumerate((slice(0, 3), slice(3, 6))):
        with sharded(Place(rank, 2)):
            own_rows(6)
            torch.manual_seed(3)
            torch.testing.assert_close(layer(x[rows]), whole[rows])
    layer.eval()
    assert layer(x) is x


def test_alone_nothing_is_gathered() -> None:
    rows = torch.ones(2, 2, requires_grad=True)
    assert gathered(rows) is rows
