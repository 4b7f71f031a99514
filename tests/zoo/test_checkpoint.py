"""Reading foreign checkpoints: what official files hold is read, whatever would run code is refused."""

from __future__ import annotations

import argparse
import collections
import os
import pickle
import subprocess
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from leadbench.core.errors import WeightsError
from leadbench.zoo.checkpoint import Inert, read_checkpoint

WEIGHTS = {"state_dict": {"x": torch.arange(3.0)}}


class _Call:
    """Pickles to a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def _attacks(marker: Path) -> dict[str, Any]:
    command = f"touch {marker}"
    return {
        "system": _Call(os.system, command),
        "popen": _Call(subprocess.Popen, ["touch", str(marker)]),
        "eval": _Call(eval, f"open({str(marker)!r}, 'w')"),
        "exec": _Call(exec, f"open({str(marker)!r}, 'w')"),
        "getattr": _Call(getattr, Path, "touch"),
        "touch": _Call(Path.touch, marker),
        "import": _Call(__import__, "antigravity"),
        "hub": _Call(torch.hub.load, "somebody/repository", "model"),
        "nested pickle": _Call(torch.storage._load_from_bytes, pickle.dumps(_Call(os.system, command))),
        "numpy loader": _Call(np.load, str(marker), None, True),
        "runpy": _Call(__import__("runpy").run_path, str(marker)),
    }


NAMES = sorted(_attacks(Path("x")))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", NAMES)
def test_attacks_are_refused_and_do_not_run(tmp_path: Path, name: str, legacy: bool) -> None:
    marker, path = tmp_path / "ran", tmp_path / "model.ckpt"
    attack = _attacks(marker)[name]
    torch.save({**WEIGHTS, "hyper_parameters": [{"deep": attack}]}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match="refused"):
        read_checkpoint(path)
    assert not marker.exists()


def test_an_attack_as_a_tensor_name_or_bare_pickle(tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "model.ckpt"
    for content in ({_Hashable(marker): 1}, _Call(os.system, f"touch {marker}")):
        for protocol in (2, 4):
            path.write_bytes(pickle.dumps(content, protocol=protocol))
            with pytest.raises(WeightsError, match=r"refused|not a readable"):
                read_checkpoint(path)
    assert not marker.exists()


class _Hashable(_Call):
    def __init__(self, marker: Path) -> None:
        super().__init__(os.system, f"touch {marker}")

    def __hash__(self) -> int:
        return 0


def test_an_attack_behind_an_allowed_name(tmp_path: Path) -> None:
    """A harmless library's name gets a placeholder, which calls nothing, even where a real function has that name."""
    marker, path = tmp_path / "ran", tmp_path / "model.ckpt"
    module = types.ModuleType("omegaconf")
    module.evil = lambda command: os.system(command)  # type: ignore[attr-defined]
    module.evil.__module__, module.evil.__qualname__ = "omegaconf", "evil"  # type: ignore[attr-defined]
    sys.modules["omegaconf"] = module
    try:
        torch.save({**WEIGHTS, "hyper_parameters": _Call(module.evil, f"touch {marker}")}, path)  # type: ignore[attr-defined]
        loaded = read_checkpoint(path)
    finally:
        del sys.modules["omegaconf"]
    assert isinstance(loaded["hyper_parameters"], Inert)
    assert not marker.exists()


def test_what_lightning_saves_is_read(tmp_path: Path) -> None:
    config_module = types.ModuleType("omegaconf.dictconfig")

    class DictConfig:
        def __init__(self) -> None:
            self.content = {"type": int, "cache": collections.defaultdict(dict, {"a": {}}), "any": "x"}

    DictConfig.__module__, DictConfig.__qualname__ = "omegaconf.dictconfig", "DictConfig"
    config_module.DictConfig = DictConfig  # type: ignore[attr-defined]
    sys.modules |= {"omegaconf": types.ModuleType("omegaconf"), "omegaconf.dictconfig": config_module}
    path = tmp_path / "model.ckpt"
    try:
        extra = {
            "hyper_parameters": {"cfg": DictConfig(), "args": argparse.Namespace(a=1), "folder": Path("x")},
            "callbacks": {DictConfig: {"best_model_score": np.float64(0.5), "scores": np.zeros(3)}},
        }
        torch.save({**WEIGHTS, **extra, "epoch": 3}, path)
        loaded = read_checkpoint(path)
    finally:
        del sys.modules["omegaconf"], sys.modules["omegaconf.dictconfig"]
    assert torch.equal(loaded["state_dict"]["x"], WEIGHTS["state_dict"]["x"])
    assert loaded["epoch"] == 3


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_plain_files_of_both_formats(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "finest.tar"
    torch.save({**WEIGHTS, "epoch": 3}, path, _use_new_zipfile_serialization=not legacy)
    assert read_checkpoint(path)["state_dict"]["x"].tolist() == [0, 1, 2]


def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "model.ckpt"
    with pytest.raises(WeightsError, match="no such file"):
        read_checkpoint(path)
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match=r"not a readable checkpoint|refused"):
        read_checkpoint(path)
    torch.save(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"not a readable checkpoint|refused"):
        read_checkpoint(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
    with pytest.raises(WeightsError, match=str(path)):
        read_checkpoint(path)
