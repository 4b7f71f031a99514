"""Each input that a number depends on is perturbed in turn, and the run gets another identity, or is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from folders import write_folder

from leadbench.core.config import T2MConfig
from leadbench.core.errors import WeightsError
from leadbench.tasks.shared.request import RunRequest
from leadbench.tasks.shared.runner import Recipe
from leadbench.zoo.assets import Choice
from leadbench.zoo.embedded import shipped
from leadbench.zoo.files import MANIFEST, load_model, save_model

CONFIG = T2MConfig(replications=1, multimodality_replications=0)
PLUGIN = """
from leadbench import hookimpl
from leadbench.plugins.hookspecs import TextEncoderRegistration
from leadbench.text.static import wordllama


def other():
    return wordllama()


@hookimpl
def leadbench_text_encoders():
    return [TextEncoderRegistration("other", "a copy", other, identity=lambda: "VERSION")]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A dataset, models and a plugin of one's own; models lie without a manifest, as trained ones do."""
    names = [f"{n:06d}" for n in range(12)]
    write_folder(tmp_path / "data", {"test": names[:6], "val": names[6:8], "train": names[8:]})
    shutil.copytree(shipped().folder, tmp_path / "models", ignore=shutil.ignore_patterns(MANIFEST))
    (tmp_path / "plugin.py").write_text(PLUGIN)
    return tmp_path


def identity(root: Path, request: RunRequest | None = None, precision: str | None = None) -> Mapping[str, object]:
    choice = Choice(str(root / "data"), models=root / "models", plugins=(root / "plugin.py",), precision=precision)
    asked = request or RunRequest(("mld", "motionlcm"), {None: [1]}, controls=True, self_test=False, config=CONFIG)
    return Recipe("t2m", asked, choice).open().identity()


def _array(path: Path) -> None:
    values = np.load(path)
    values.flat[0] += 1e-3
    np.save(path, values)


def _text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _weights(root: Path, name: str) -> None:
    path = root / "models" / f"{name}.safetensors"
    tensors, card = load_model(path)
    first = sorted(key for key in tensors if tensors[key].is_floating_point() and "latent" not in key)[0]
    tensors[first] = tensors[first].clone()
    tensors[first].view(-1)[0] += 0.25
    save_model(path, tensors, card)


def _card(root: Path, name: str, table: str, **changes: object) -> None:
    path = root / "models" / f"{name}.safetensors"
    tensors, card = load_model(path)
    save_model(path, tensors, card.model_copy(update={table: {**getattr(card, table), **changes}}))


def _split(root: Path, split: str) -> str:
    return (root / "data" / f"{split}.txt").read_text().split()[0]


PERTURBED: Mapping[str, Callable[[Path], None]] = MappingProxyType(
    {
        "a test motion": lambda r: _array(r / "data" / "new_joint_vecs" / f"{_split(r, 'test')}.npy"),
        "a train motion, which controls draw from": lambda r: _array(
            r / "data" / "new_joint_vecs" / f"{_split(r, 'train')}.npy"
        ),
        "a caption": lambda r: _text(r / "data" / "texts" / f"{_split(r, 'test')}.txt", "person", "parson"),
        "the split": lambda r: _text(r / "data" / "test.txt", f"{_split(r, 'test')}\n", ""),
        "the mean": lambda r: _array(r / "data" / "Mean.npy"),
        "the deviation": lambda r: _array(r / "data" / "Std.npy"),
        "the frame rate": lambda r: _text(r / "data" / "dataset.json", "20.0", "25.0"),
        "the feature mode": lambda r: _text(
            r / "data" / "dataset.json", '"name"', '"feature_mode": "corrected", "name"'
        ),
        "the longest motion": lambda r: _text(r / "data" / "dataset.json", '"name"', '"max_frames": 190, "name"'),
        "a plugin's code": lambda r: _text(r / "plugin.py", "a copy", "another copy"),
        "weights of the evaluator": lambda r: _weights(r, "evaluator"),
        "weights of a denoiser": lambda r: _weights(r, "diffusion-minilm"),
        "weights of the projector": lambda r: _weights(r, "projector"),
        "heads in a card": lambda r: _card(
            r,
            "diffusion-minilm",
            "config",
            architecture={
                **json.loads((r / "models" / "diffusion-minilm.json").read_text())["config"]["architecture"],
                "relu_text": True,
            },
        ),
        "the space that a projector was aligned to": lambda r: _card(r, "projector", "links", text_encoder="wordllama"),
    }
)


@pytest.mark.parametrize("what", PERTURBED)
def test_every_input_is_part_of_the_identity(root: Path, what: str) -> None:
    before = identity(root)
    assert identity(root) == before
    PERTURBED[what](root)
    assert identity(root) != before


def test_so_are_the_weights_of_a_text_encoder(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another encoder by environment variable, and the same one in another place."""
    from leadbench.text.sources import minilm_source

    before = identity(root)
    copy = tmp_path / "minilm"
    shutil.copytree(minilm_source(), copy)
    monkeypatch.setenv("LEADBENCH_ENCODERS__MINILM", str(copy))
    assert identity(root) == before
    raw = bytearray((copy / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (copy / "model.safetensors").write_bytes(raw)
    assert identity(root) != before


def test_and_everything_that_is_asked_for(root: Path) -> None:
    def of(**changes: object) -> Mapping[str, object]:
        options: dict[str, object] = {"steps": {None: [1]}, "self_test": False, "config": CONFIG, **changes}
        return identity(root, RunRequest(("motionlcm",), **options))  # type: ignore[arg-type]

    before = of()
    for changes in (
        {"steps": {None: [2]}},
        {"guidance": (3.0,)},
        {"projector": "none"},
        {"evaluator": "guo", "controls": True},
        {"metrics": ("jerk",)},
        {"config": CONFIG.model_copy(update={"seed": 1})},
        {"config": CONFIG.model_copy(update={"pool": 16})},
    ):
        assert of(**changes) != before, changes
    assert identity(root, precision="bf16") != identity(root)


@pytest.mark.parametrize("suffix", ["safetensors", "json"])
def test_shipped_files_that_changed_are_refused(tmp_path: Path, suffix: str) -> None:
    shutil.copytree(shipped().folder, tmp_path / "models")
    for path in sorted((tmp_path / "models").glob(f"*.{suffix}")):
        if path.name == MANIFEST:
            continue
        whole = path.read_bytes()
        raw = bytearray(whole)
        if suffix == "json":
            raw = bytearray(whole.replace(b"0", b"1", 1))
        else:
            raw[-5] ^= 64
        path.write_bytes(raw)
        with pytest.raises(WeightsError, match=path.name):
            load_model(path.with_suffix(".safetensors"))
        path.write_bytes(whole)
        load_model(path.with_suffix(".safetensors"))


def test_a_model_of_ones_own_that_changed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    tensors, card = load_model(shipped().folder / "projector.safetensors")
    save_model(path, tensors, card)
    assert torch.equal(next(iter(load_model(path)[0].values())), next(iter(tensors.values())))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 128]))
    with pytest.raises(WeightsError, match=r"a\.safetensors: its content changed"):
        load_model(path)
    path.write_bytes(whole)
    _text(path.with_suffix(".json"), '"stage": "projector"', '"stage": "evaluator"')
    with pytest.raises(WeightsError, match="not as they were written together"):
        load_model(path)
