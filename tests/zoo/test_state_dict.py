"""Checkpoints as trainings wrap them: the right table, names without prefixes, averages named, NaN refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from leadbench.core.errors import WeightsError
from leadbench.zoo.inspect import inspect
from leadbench.zoo.official_backbone import read_official_backbone
from leadbench.zoo.state_dict import find_state_dict


@pytest.fixture(scope="module")
def state(golden: Path) -> dict[str, Tensor]:
    shapes = json.loads((golden / "manifests" / "mld_humanml3d.json").read_text())
    return {name: torch.full(shape, 0.01) for name, shape in shapes.items()}


def within(state: dict[str, Tensor], group: str, prefix: str) -> dict[str, Tensor]:
    return {
        n.replace(f"{group}.", f"{group}.{prefix}", 1) if n.startswith(f"{group}.") else n: t for n, t in state.items()
    }


@pytest.mark.parametrize(
    "how", ["module.", "_orig_mod.", "module._orig_mod.", "denoiser/module.", "vae/_orig_mod.", "model", "bare"]
)
def test_wrappers_are_taken_off(state: dict[str, Tensor], tmp_path: Path, how: str) -> None:
    group, _, prefix = how.partition("/")
    if prefix:
        content: object = {"state_dict": within(state, group, prefix)}
    elif how in ("model", "bare"):
        content = {"model": state, "optimizer": {}} if how == "model" else state
    else:
        content = {"state_dict": {how + name: tensor for name, tensor in state.items()}}
    path = tmp_path / "x.ckpt"
    torch.save(content, path)
    found = read_official_backbone(path)
    assert found.kind == "mld"
    assert found.parameters > 0


def test_safetensors_with_official_names(state: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(state, tmp_path / "x.safetensors")
    assert inspect(tmp_path / "x.safetensors")["is"].startswith("checkpoint of MLD")


def test_an_unknown_prefix_is_named(state: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save({"state_dict": {f"student.{name}": tensor for name, tensor in state.items()}}, tmp_path / "x.ckpt")
    with pytest.raises(WeightsError, match=r"all names begin with 'student\.'"):
        read_official_backbone(tmp_path / "x.ckpt")


@pytest.mark.parametrize("where", ["table", "names", "callback"])
def test_moving_averages_are_named(state: dict[str, Tensor], tmp_path: Path, where: str) -> None:
    doubled = {name: 2 * tensor for name, tensor in state.items()}
    content: dict[str, object] = {"state_dict": state, "ema_state_dict": doubled}
    if where == "names":
        content = {"state_dict": {**state, **{f"ema_{name}": tensor for name, tensor in doubled.items()}}}
    if where == "callback":
        content = {"state_dict": state, "callbacks": {"EMACallback": {"ema_weights": doubled}}}
    torch.save(content, tmp_path / "x.ckpt")
    facts = inspect(tmp_path / "x.ckpt")
    assert "moving-average weights" in facts["left out"]
    found = read_official_backbone(tmp_path / "x.ckpt")
    assert float(next(iter(found.denoiser_state.values())).flatten()[0]) == pytest.approx(0.01)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_is_refused(state: dict[str, Tensor], tmp_path: Path, bad: float) -> None:
    name = "denoiser.time_embedding.linear_1.weight"
    broken = state[name].clone()
    broken[0, 0] = bad
    torch.save({"state_dict": {**state, name: broken}}, tmp_path / "x.ckpt")
    with pytest.raises(WeightsError, match=rf"{name}.* holds NaN or infinity \(1 of"):
        inspect(tmp_path / "x.ckpt")


def test_what_holds_no_state_dict_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds list"):
        find_state_dict([1], tmp_path / "x")
    with pytest.raises(WeightsError, match=r"keys: epoch, optimizer; looked for: state_dict"):
        find_state_dict({"epoch": 1, "optimizer": {}}, tmp_path / "x")
