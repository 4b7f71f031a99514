from __future__ import annotations

import pytest
import torch
from torch import Tensor

from leadbench.core.contracts import GeneratedMotions, on_any_device
from leadbench.core.device import Compute
from leadbench.plugins.manager import load_plugins
from leadbench.testing.moving import check_moving, moving_part
from leadbench.zoo.assets import model_store
from leadbench.zoo.embedded import shipped


def test_what_stays_behind_is_found() -> None:
    left = torch.ones(3)
    (found,) = check_moving("metric", "mine", lambda compute: torch.ones(3, device=compute.device) + left)
    assert not found.passed
    assert "does not work on another device than the CPU: aten::add: tensors of two devices meet" in found.message


def test_another_number_on_another_device_is_found() -> None:
    def part(compute: Compute) -> Tensor:
        return torch.ones(3, device=compute.device) * (2 if compute.accelerated else 1)

    (found,) = check_moving("metric", "mine", part)
    assert not found.passed
    assert "computes something else on another device (by 1e+00)" in found.message


@pytest.mark.parametrize(
    ("kind", "name"),
    [("backbone", "mld"), ("evaluator", "guo"), ("text_encoder", "wordllama"), ("metric", "jerk")],
)
def test_bundled_parts_move(kind: str, name: str) -> None:
    plugins = load_plugins()
    part = moving_part(kind, name, plugins, model_store(shipped().folder, plugins))
    (found,) = check_moving(kind, name, part)
    assert found.passed, found.message


def test_a_metric_that_asks_for_the_cpu_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def metric(motions: GeneratedMotions) -> Tensor:
        return motions.joints.sum(dim=(1, 2, 3))

    plugins = load_plugins()
    monkeypatch.setattr(type(plugins), "metric", lambda self, name, models: metric)
    models = model_store(shipped().folder, plugins)
    assert moving_part("metric", "mine", plugins, models) is None
    on_any_device(metric)
    assert moving_part("metric", "mine", plugins, models) is not None
