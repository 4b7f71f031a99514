from __future__ import annotations

import pytest
import torch

from leadbench.core import device as devices
from leadbench.core.device import CPU, Compute, compute_for, every_device, indices, placed, resolve_device, sent
from leadbench.core.errors import ConfigError, UnknownNameError


def test_auto_is_the_cpu_where_torch_finds_no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "accelerator", lambda: None)
    assert resolve_device("auto") == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gpu", "no such device (allowed: auto, cpu, cuda, mps, xpu, cuda:N, cuda:all"),
        ("cudaa", "did you mean 'cuda'?"),
        ("cpu:1", "no such device"),
        ("cuda:-1", "no such device"),
        ("", "no such device"),
    ],
)
def test_a_name_that_is_no_device_is_told(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as told:
        resolve_device(name)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_a_device_that_is_not_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "device_count", lambda kind: 0)
    monkeypatch.setattr(devices, "accelerator", lambda: None)
    with pytest.raises(ConfigError, match=r"--device cuda: torch finds no such device here \(here: cpu\)"):
        resolve_device("cuda")


def test_numbers_of_devices_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "device_count", lambda kind: 2 if kind == "cuda" else 0)
    assert resolve_device("auto") == torch.device("cuda", 0)
    assert resolve_device("CUDA:1") == torch.device("cuda", 1)
    assert every_device("cuda:all") == [torch.device("cuda", 0), torch.device("cuda", 1)]
    assert every_device("cuda") == [torch.device("cuda", 0)]
    with pytest.raises(ConfigError, match="allowed: cuda:0 to cuda:1"):
        resolve_device("cuda:2")


def test_precisions_have_names() -> None:
    assert compute_for("cpu", "bf16").dtype is torch.bfloat16
    assert compute_for("cpu", "tf32").dtype is torch.float32
    with pytest.raises(UnknownNameError, match="did you mean 'bf16'"):
        compute_for("cpu", "bf15")


def test_a_device_is_described() -> None:
    found = CPU.describe()
    assert found["device"] == "cpu"
    assert found["name"]
    assert found["memory_gib"] > 0
    assert found["precision"] == "float32"


def test_autocast_is_for_bfloat16_alone() -> None:
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    for precision, dtype in (("float32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16)):
        with Compute(precision=precision).autocast():
            assert layer(x).dtype is dtype


def test_what_is_on_the_device_is_not_copied() -> None:
    rows = indices([2, 0], "cpu")
    assert rows.tolist() == [2, 0]
    assert sent(rows, "cpu") is rows


class _Asked:
    def __init__(self) -> None:
        self.where: list[object] = []

    def at(self, compute: Compute) -> None:
        self.where.append(compute.device)


def test_parts_are_placed_by_their_own_method_and_with_their_autoencoder() -> None:
    part = _Asked()
    part.autoencoder = _Asked()  # type: ignore[attr-defined]
    placed(part, CPU)
    assert part.where == part.autoencoder.where == [CPU.device]  # type: ignore[attr-defined]
