"""Model files: weights as safetensors, beside them a JSON card that says what they are and where they come from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from leadbench.core.config import FrozenModel
from leadbench.core.errors import WeightsError
from leadbench.core.files import replacing, write_text_atomic


class ModelCard(FrozenModel):
    """Card of a model file: what a model is stands here, and nothing is read from file names.

    Attributes:
        stage: ``autoencoder``, ``diffusion``, ``consistency``, ``backbone``, ``projector``, ``evaluator``,
            ``motionclip``, or ``official`` for an imported checkpoint.
        kind: registered name of the projector, evaluator or backbone that reads the file.
        variant: of an ablation; None: the whole model.
        text_encoder: that it was trained with or aligned to.
        latent: fingerprint of the latent space that it belongs to.
        backbone: whose latent space a projector was trained for, by registered name; None: the folder's.
        config: resolved configuration of architecture and training.
        links: what the weights depend on (latent fingerprint, text encoder, dataset, evaluator's words...).
        metrics: measured when the training ended, on the validation split unless the key says otherwise.
        provenance: versions, hardware, revision, seconds.
        overrides: what was changed of the preset, by dotted key.
    """

    stage: str
    preset: str
    config: dict[str, Any]
    kind: str | None = None
    variant: str | None = None
    text_encoder: str | None = None
    latent: str | None = None
    backbone: str | None = None
    links: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)
    overrides: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _older(cls, given: Any) -> Any:
        """Cards written before these fields existed say the same in links and configuration."""
        return upgraded(given) if isinstance(given, dict) and "kind" not in given else given


def upgraded(card: dict[str, Any]) -> dict[str, Any]:
    """An older card with the fields that tell what a model is."""
    links, config = card.get("links") or {}, card.get("config") or {}
    found = {"text_encoder": links.get("text_encoder"), "latent": links.get("latent"), **card}
    stage = card.get("stage")
    if stage == "projector":
        found |= {"kind": "lead", "variant": projector_variant(config)}
    elif stage == "evaluator":
        found["kind"] = "tmr" if "paraphrase" in config else "guo"
    return found


def projector_variant(config: Mapping[str, Any]) -> str | None:
    """Variant of the ablation that a LEAD projector's configuration describes; None: the whole projector.

    >>> projector_variant({"architecture": {"architecture": "mlp"}})
    'mlp'
    >>> projector_variant({"align_weight": 0.0})
    'no-align'
    """
    shape = (config.get("architecture") or {}).get("architecture", "transformer")
    if shape in ("mlp", "skip"):
        return str(shape)
    for loss in ("var", "align", "rec"):
        if config.get(f"{loss}_weight") == 0:
            return f"no-{loss}"
    return None


def card_path(weights: Path) -> Path:
    """Where the card of a weights file lies."""
    return weights.with_suffix(".json")


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        save_file({name: _own(tensor) for name, tensor in tensors.items()}, temporary, metadata)
        temporary.chmod(0o644)  # safetensors writes files that nobody else may read


def save_model(path: Path, tensors: Mapping[str, Tensor], card: ModelCard) -> None:
    """Write weights and card; each replaces its predecessor in one step."""
    save_tensors(path, tensors)
    write_text_atomic(card_path(path), json.dumps(card.model_dump(), indent=2, sort_keys=True) + "\n")


def _own(tensor: Tensor) -> Tensor:
    """The tensor, copied only where others share its memory (safetensors refuses those)."""
    tensor = tensor.detach().cpu().contiguous()
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole else tensor.clone()


def load_model(path: Path) -> tuple[dict[str, Tensor], ModelCard]:
    """Read weights and card.

    Raises:
        WeightsError: a file is missing, is not safetensors, or its card is not valid.
    """
    card = load_card(path)
    try:
        return load_file(path), card
    except (OSError, SafetensorError) as exc:
        raise WeightsError(f"{path}: not a readable safetensors file ({exc})") from exc


def load_card(path: Path) -> ModelCard:
    """Read the card of a weights file.

    Raises:
        WeightsError: weights or card are missing, or the card is not valid.
    """
    for needed in (path, card_path(path)):
        if not needed.is_file():
            raise WeightsError(f"missing model file {needed}")
    try:
        return ModelCard.model_validate(json.loads(card_path(path).read_text(encoding="utf-8")))
    except (ValidationError, json.JSONDecodeError) as exc:
        raise WeightsError(f"{card_path(path)}: not a valid model card ({str(exc).splitlines()[0]})") from exc
