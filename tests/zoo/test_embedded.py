"""Building, packing, checking and loading a shipped set, with the smallest preset."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from leadbench.core.errors import LatentMismatchError, UnknownNameError, WeightsError
from leadbench.core.presets import get_preset
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.training import build as building
from leadbench.training.build import build, load_all, pack, shipped_models
from leadbench.training.workshop import round_to_half
from leadbench.zoo import embedded
from leadbench.zoo.files import load_model, save_model

SMALL = SynthesisOptions(clips=60, workers=1)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("zoo")
    build("tiny", root / "work", root / "weights" / "tiny", jobs=1, corpus=SMALL, say=lambda text: None)
    return root


@pytest.fixture
def shipped(built: Path, monkeypatch: pytest.MonkeyPatch) -> embedded.Shipped:
    monkeypatch.setattr(embedded, "WEIGHTS", built / "weights")
    return embedded.shipped("tiny")


def test_a_packed_set_is_complete_and_loads(shipped: embedded.Shipped) -> None:
    names = {name.removesuffix(".safetensors") for name in shipped.files if name.endswith(".safetensors")}
    assert names == set(shipped_models(get_preset("tiny")))
    assert embedded.changed_files(shipped) == []
    assert set(load_all(shipped.folder, "tiny")) == names
    assert shipped.bytes == sum((shipped.folder / name).stat().st_size for name in shipped.files)


def test_building_again_trains_nothing(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "_train", lambda arguments: pytest.fail(f"trained {arguments[0].model} again"))
    said: list[str] = []
    build("tiny", built / "work", built / "again", jobs=1, corpus=SMALL, say=said.append)
    assert sum("is there" in line for line in said) == 8
    assert (built / "again" / "manifest.json").read_text() == (built / "weights/tiny/manifest.json").read_text()


def test_a_model_of_a_preset_that_changed_is_trained_again(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = get_preset("tiny")
    loop = preset.consistency.loop.model_copy(update={"steps": preset.consistency.loop.steps + 1})
    changed = preset.model_copy(update={"consistency": preset.consistency.model_copy(update={"loop": loop})})
    trained: list[str] = []

    def train(arguments: tuple[building.Job, str, Path, Path, str | None]) -> Path:
        trained.append(arguments[0].model)
        return arguments[3] / f"{arguments[0].model}.safetensors"

    monkeypatch.setattr(building, "get_preset", lambda name: changed)
    monkeypatch.setattr(building, "_train", train)
    build("tiny", built / "work", built / "changed", jobs=1, corpus=SMALL, say=lambda text: None)
    assert trained == [f"consistency-{preset.student_encoder}"]


def test_a_changed_or_missing_file_is_named(shipped: embedded.Shipped) -> None:
    path = shipped.folder / "projector.safetensors"
    good = path.read_bytes()
    try:
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        assert embedded.changed_files(shipped) == [
            "projector.safetensors: its content is not what was shipped (SHA-256 differs)"
        ]
        path.unlink()
        assert embedded.changed_files(shipped) == ["projector.safetensors: missing"]
    finally:
        path.write_bytes(good)


def test_models_of_two_latent_spaces_do_not_pass(built: Path, tmp_path: Path) -> None:
    pack(built / "work" / "models", tmp_path, shipped_models(get_preset("tiny")))
    tensors, card = load_model(tmp_path / "projector.safetensors")
    save_model(
        tmp_path / "projector.safetensors",
        tensors,
        card.model_copy(update={"links": {**card.links, "latent": "0" * 64}}),
    )
    with pytest.raises(LatentMismatchError, match="another latent space"):
        load_all(tmp_path, "tiny")


def test_an_unknown_set_and_a_broken_manifest(shipped: embedded.Shipped) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'tiny'"):
        embedded.shipped("tyny")
    manifest = shipped.folder / "manifest.json"
    good = manifest.read_text()
    try:
        manifest.write_text("{}")
        with pytest.raises(WeightsError, match="not a manifest"):
            embedded.shipped("tiny")
    finally:
        manifest.write_text(good)


def test_rounded_weights_are_what_float16_holds() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(5, 3)
    round_to_half(model)
    assert torch.equal(model.weight, model.weight.half().float())
    assert model.weight.dtype == torch.float32


def test_the_shipped_micro_models_are_whole_and_small() -> None:
    models = embedded.shipped("micro")
    assert models.bytes < 18e6
    assert embedded.changed_files(models) == []
    assert set(load_all(models.folder, "micro")) == set(shipped_models(get_preset("micro")))
    weights = load_file(models.folder / "diffusion-minilm.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}


def test_the_cache_folder_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEADBENCH_CACHE", str(tmp_path))
    assert embedded.cache_folder() == tmp_path
    monkeypatch.delenv("LEADBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert embedded.cache_folder() == tmp_path / "leadbench"
