"""Models are what their cards say, whatever their files are called."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from leadbench.core.errors import ConfigError, UnknownNameError, WeightsError
from leadbench.plugins.manager import load_plugins
from leadbench.zoo.assets import model_store
from leadbench.zoo.catalog import Catalog
from leadbench.zoo.embedded import shipped
from leadbench.zoo.files import ModelCard, load_card, save_model
from leadbench.zoo.projectors import content_named, open_projector, open_projectors
from leadbench.zoo.store import ModelStore


class Assets:
    def __init__(self, folder: Path) -> None:
        self.plugins = load_plugins()
        self.models: ModelStore = model_store(folder, self.plugins)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """The shipped set with every file under another name, but for the autoencoder."""
    folder = tmp_path / "models"
    folder.mkdir()
    for number, path in enumerate(sorted(shipped().folder.glob("*.safetensors"))):
        name = path.stem if path.stem == "autoencoder" else f"file-{number}-skip"
        shutil.copyfile(path, folder / f"{name}.safetensors")
        shutil.copyfile(path.with_suffix(".json"), folder / f"{name}.json")
    return folder


def add(folder: Path, name: str, **fields: Any) -> None:
    save_model(folder / f"{name}.safetensors", {"a": torch.zeros(1)}, ModelCard(preset="tiny", config={}, **fields))


def test_backbones_and_projectors_are_found_by_their_cards(models: Path) -> None:
    assets = Assets(models)
    mld = assets.plugins.backbone("mld", assets.models)
    lcm = assets.plugins.backbone("motionlcm", assets.models)
    assert (mld.text_encoder.name, lcm.text_encoder.name) == ("minilm", "wordllama")
    (found,) = open_projectors(assets, mld.autoencoder, "auto")
    assert (found.name, found.variant) == ("lead", None)  # though its file ends in -skip
    assert open_projectors(assets, mld.autoencoder, "none") == []


def test_older_cards_say_the_same() -> None:
    card = load_card(shipped().folder / "projector.safetensors")
    assert (card.kind, card.variant, card.text_encoder) == ("lead", None, "minilm")
    old = {"stage": "projector", "preset": "p", "links": {"latent": "l", "text_encoder": "t"}}
    for config, variant in (
        ({"architecture": {"architecture": "skip"}}, "skip"),
        ({"var_weight": 0.0}, "no-var"),
        ({"var_weight": 0.1, "architecture": {"architecture": "transformer"}}, None),
    ):
        upgraded = ModelCard.model_validate({**old, "config": config})
        assert (upgraded.variant, upgraded.latent) == (variant, "l")
        assert ModelCard.model_validate(upgraded.model_dump()) == upgraded


def test_which_denoiser(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    assert catalog.preferred("diffusion", "minilm") is None
    add(tmp_path, "x", stage="diffusion", text_encoder="clip")
    only = catalog.preferred("diffusion", "minilm")
    assert only is not None
    assert only.card.text_encoder == "clip"
    add(tmp_path, "y", stage="diffusion", text_encoder="wordllama")
    with pytest.raises(WeightsError, match="clip, wordllama; choose one with --text-encoder"):
        catalog.preferred("diffusion", "minilm")
    assert catalog.of_encoder("diffusion", "wordllama").name == "y"
    with pytest.raises(WeightsError, match="there: clip, wordllama"):
        catalog.of_encoder("diffusion", "minilm")
    preferred = catalog.preferred("diffusion", "clip")
    assert preferred is not None
    assert preferred.name == "x"


def test_a_broken_card_is_named(models: Path) -> None:
    (models / "file-1-skip.json").write_text("{")
    with pytest.raises(WeightsError, match=r"file-1-skip\.json: not JSON"):
        list(Catalog(models).all("projector"))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("leed", WeightsError, "no such file"),
        ("leed=x.safetensors", UnknownNameError, "did you mean 'lead'"),
        ("lead=x.safetensors", WeightsError, "x.safetensors"),
        ("auto,", ConfigError, "empty name"),
    ],
)
def test_projectors_that_are_not_there(given: str, error: type[Exception], message: str, models: Path) -> None:
    assets = Assets(models)
    with pytest.raises(error, match=message):
        open_projectors(assets, assets.models.autoencoder(), given)


def test_two_of_a_kind_need_different_names(models: Path, tmp_path: Path) -> None:
    assets = Assets(models)
    space = assets.models.autoencoder()
    (found,) = open_projectors(assets, space, "auto")
    other = tmp_path / "other.safetensors"
    shutil.copyfile(found.path, other)
    shutil.copyfile(found.path.with_suffix(".json"), other.with_suffix(".json"))
    with pytest.raises(ConfigError, match="projector 'lead' twice"):
        open_projectors(assets, space, f"auto,{other}")
    named = open_projector(assets, space, f"lead={other}")
    assert named is not None
    assert named.digest == found.digest
    assert content_named(f"auto,lead={other}") == f"auto,lead={found.digest}"


def test_a_projector_of_another_space_is_not_chosen(models: Path) -> None:
    (path,) = (listed.path for listed in Catalog(models).all("projector"))
    card = json.loads(path.with_suffix(".json").read_text())
    card["links"]["latent"] = "0" * 64
    path.with_suffix(".json").write_text(json.dumps(card))
    assets = Assets(models)
    assert open_projectors(assets, assets.models.autoencoder(), "auto") == []


def test_recipes_are_those_of_older_cards_that_left_out_defaults() -> None:
    """A training is the same one whether or not its card names a setting that came later, at its default."""
    loop = {"steps": 5, "batch": 2, "seed": 0}
    older = ModelCard(stage="projector", preset="tiny", config={"loop": loop, "align_weight": 2.0})
    newer = older.model_copy(update={"config": {"loop": {**loop, "accumulate": 1, "seed": 3}, "align_weight": 2.0}})
    assert older.recipe == newer.recipe
    other = older.model_copy(update={"config": {"loop": {**loop, "accumulate": 2}, "align_weight": 2.0}})
    assert older.recipe != other.recipe
