"""Model files: weights as safetensors, beside them a JSON card that says what they are and where they come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from leadbench.core.config import FrozenModel, LoopConfig, OptimizerConfig
from leadbench.core.errors import WeightsError
from leadbench.core.files import replacing, write_text_atomic
from leadbench.core.provenance import fingerprint, sha256_file
from leadbench.core.reading import first_problem, read_json_object, reason

MANIFEST = "manifest.json"
OFFICIAL = "official"  # preset in the cards of what was imported
_NONE = object()
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    part: {name: field.default for name, field in kind.model_fields.items()}
    for part, kind in (("loop", LoopConfig), ("optimizer", OptimizerConfig))
}
DIGEST = "sha256"  # key of a file's own hash in its metadata


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
        digest: SHA-256 over the rest of the card and the tensors, made when both are written; None: an older card.
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
    digest: str | None = None

    @property
    def meaning(self) -> str:
        """SHA-256 over what the numbers of the model depend on: all but what was measured and when."""
        kept = self.model_dump(mode="json", exclude={"metrics", "provenance", "digest"})
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()

    @property
    def seed(self) -> int | None:
        """Of the training; None where the card does not tell."""
        loop = self.config.get("loop")
        found = loop.get("seed") if isinstance(loop, Mapping) else None
        return found if isinstance(found, int) else None

    @property
    def recipe(self) -> str:
        """SHA-256 over how the model is trained, on which data, without the seed and what was trained before it."""
        kept = self.model_dump(mode="json", include={"stage", "kind", "variant", "text_encoder", "backbone", "config"})
        for part, defaults in _DEFAULTS.items():
            # an older card leaves out what came later: there it is what the default does
            if isinstance(kept["config"].get(part), dict):
                kept["config"][part] = {k: v for k, v in kept["config"][part].items() if v != defaults.get(k, _NONE)}
        if isinstance(kept["config"].get("loop"), dict):
            kept["config"]["loop"].pop("seed", None)
        kept["dataset"] = self.links.get("dataset_identity")
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()

    def sealed(self, tensors: str) -> ModelCard:
        """The card with its digest, beside a weights file whose content has a given hash."""
        kept = self.model_dump(mode="json", exclude={"digest"})
        text = json.dumps({"card": kept, "tensors": tensors}, sort_keys=True)
        return self.model_copy(update={"digest": hashlib.sha256(text.encode()).hexdigest()})

    @model_validator(mode="before")
    @classmethod
    def _older(cls, given: Any) -> Any:
        """Cards written before these fields existed say the same in links and configuration."""
        return upgraded(given) if isinstance(given, dict) and "kind" not in given else given


def upgraded(card: dict[str, Any]) -> dict[str, Any]:
    """An older card with the fields that tell what a model is."""
    links, config = card.get("links") or {}, card.get("config") or {}
    if not isinstance(links, Mapping) or not isinstance(config, Mapping):
        return card  # no card at all, as the fields will say
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
    architecture = config.get("architecture")
    shape = architecture.get("architecture") if isinstance(architecture, Mapping) else None
    if shape in ("mlp", "skip"):
        return str(shape)
    for loss in ("var", "align", "rec"):
        if config.get(f"{loss}_weight") == 0:
            return f"no-{loss}"
    return None


def card_path(weights: Path) -> Path:
    """Where the card of a weights file lies."""
    return weights.with_suffix(".json")


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> str:
    """Write a safetensors file with the hash of its content, which is returned; in one step, never half of it.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {**(metadata or {}), DIGEST: _content_digest(tensors, metadata or {})}
    with replacing(path) as temporary:
        try:
            save_file({name: _own(tensor) for name, tensor in tensors.items()}, temporary, about)
        except SafetensorError as exc:  # its own kind of error for a full disk
            raise OSError(f"{path}: cannot be written ({reason(exc)})") from exc
        temporary.chmod(0o644)  # safetensors writes files that nobody else may read
    return about[DIGEST]


def read_tensors(path: Path, *, sealed: bool = False) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file; where it carries a hash, they are what was written.

    Args:
        sealed: whether it must carry one.

    Raises:
        WeightsError: it is missing, no safetensors file, or its content changed after it was written.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            about = dict(stored.metadata() or {})
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 -- no mapping
    except Exception as exc:  # a broken header makes the reader raise anything
        raise WeightsError(f"{path}: not a readable safetensors file ({reason(exc)})") from exc
    written = about.pop(DIGEST, None)
    if written is None and sealed:
        raise WeightsError(f"{path}: carries no hash, as all such files of this version do; make it again")
    if written is not None and written != _content_digest(tensors, about):
        raise WeightsError(f"{path}: its content changed after it was written (SHA-256 differs); make it again")
    return tensors, about


def _content_digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 over tensors and metadata."""
    types = {name: str(tensors[name].dtype) for name in sorted(tensors)}
    return fingerprint(tensors, {"types": types, "metadata": dict(sorted(metadata.items()))})


def _written_digest(path: Path) -> str:
    """The hash that a file says of itself; empty: it says none."""
    try:
        with safe_open(path, framework="pt") as stored:
            return str((stored.metadata() or {}).get(DIGEST, ""))
    except Exception as exc:  # a broken header makes the reader raise anything
        raise WeightsError(f"{path}: not a readable safetensors file ({reason(exc)})") from exc


def save_model(path: Path, tensors: Mapping[str, Tensor], card: ModelCard) -> None:
    """Write weights and card; each replaces its predecessor in one step."""
    sealed = card.sealed(save_tensors(path, tensors))
    write_text_atomic(card_path(path), json.dumps(sealed.model_dump(), indent=2, sort_keys=True) + "\n")


def _own(tensor: Tensor) -> Tensor:
    """The tensor, copied only where others share its memory (safetensors refuses those)."""
    tensor = tensor.detach().cpu().contiguous()
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole else tensor.clone()


def load_model(path: Path) -> tuple[dict[str, Tensor], ModelCard]:
    """Read weights and card.

    Raises:
        WeightsError: a file is missing, is not safetensors, or its card is not valid; or one of them is not as it was
            written or shipped.
    """
    card = load_card(path)
    tensors, _ = read_tensors(path)
    if card.digest is None:
        check_listed(path)
    return tensors, card


def check_listed(path: Path) -> None:
    """A file of a folder with a manifest is what the manifest says.

    Raises:
        WeightsError: it is not.
    """
    manifest = path.with_name(MANIFEST)
    if not manifest.is_file():
        return
    files = read_json_object(manifest, WeightsError).get("files")
    entry = files.get(path.name) if isinstance(files, dict) else None
    if isinstance(entry, dict) and entry.get("sha256") != sha256_file(path):
        raise WeightsError(
            f"{path}: its content is not what was shipped (SHA-256 differs from {MANIFEST}); install leadbench again"
        )


def load_card(path: Path) -> ModelCard:
    """Read the card of a weights file.

    Raises:
        WeightsError: weights or card are missing, the card is not valid, or not as it was written or shipped.
    """
    for needed in (path, card_path(path)):
        if not needed.is_file():
            raise WeightsError(f"missing model file {needed}")
    try:
        card = ModelCard.model_validate(read_json_object(card_path(path), WeightsError))
    except ValidationError as exc:
        raise WeightsError(f"{card_path(path)}: not a valid model card ({first_problem(exc)})") from exc
    if card.digest is None:
        check_listed(card_path(path))
    elif card.sealed(_written_digest(path)).digest != card.digest:
        raise WeightsError(
            f"{card_path(path)}: it and {path.name} are not as they were written together (SHA-256 differs); train or "
            f"import the model again"
        )
    return card
