"""``leadbench zoo import``: an official file, once, to safetensors with a card."""

from __future__ import annotations

import time
from pathlib import Path

from torch import Tensor

from leadbench.core.errors import ConfigError, WeightsError, unknown_name
from leadbench.core.files import require_output
from leadbench.core.provenance import collect_provenance, sha256_file
from leadbench.core.tensors import MotionSpec
from leadbench.text.glove import GLOVE_FILES, GloveVectors
from leadbench.zoo.evaluators import GLOVE
from leadbench.zoo.files import OFFICIAL, ModelCard, save_model
from leadbench.zoo.loaded import space_fingerprint
from leadbench.zoo.official_backbone import KINDS, read_official_backbone
from leadbench.zoo.official_evaluator import evaluator_name, find_evaluator, read_evaluator
from leadbench.zoo.store import ESSENTIAL, EVALUATOR, with_statistics

IMPORTS = (*KINDS, EVALUATOR, GLOVE)
TOWERS = ("clip", "t5")


def import_official(
    path: Path, kind: str, folder: Path, motion: MotionSpec | None, text_encoder: str | None = None
) -> Path:
    """Convert an official file into a model folder; returns the file written.

    Args:
        path: a checkpoint; for ``evaluator`` and ``glove`` the folder of the release.
        kind: one of ``IMPORTS``.
        folder: model folder.
        motion: statistics of the dataset; checkpoints and evaluators need one.
        text_encoder: what a checkpoint is driven by; None: inferred from what it holds.

    Raises:
        WeightsError: the file is missing, unsafe, or does not fit; nothing is written.
        ConfigError: it is of another kind, or ``motion`` is needed.
        UnknownNameError: no such kind, or no text encoder of a published model.
    """
    if kind not in IMPORTS:
        raise unknown_name("kind of official file", kind, IMPORTS, where="--as")
    if text_encoder is not None and kind not in KINDS:
        raise ConfigError(f"--text-encoder {text_encoder}: only checkpoints have one, not --as {kind}")
    if text_encoder not in (None, *TOWERS):
        raise unknown_name("text encoder of a published model", str(text_encoder), TOWERS, where="--text-encoder")
    require_output(folder, "--models")
    if kind == GLOVE:
        return _import_glove(path, folder)
    if motion is None:
        raise ConfigError(f"--as {kind}: needs --dataset and --root, whose Mean.npy and Std.npy it belongs to")
    if kind == EVALUATOR:
        return _import_evaluator(path, folder, motion)
    return _import_backbone(path, kind, folder, motion, text_encoder)


def recognise(path: Path) -> str | None:
    """The kind of an official file or folder by its names; None: not an official one.

    Raises:
        WeightsError: a checkpoint cannot be read safely.
    """
    if path.is_dir():
        if all((path / name).is_file() for name in GLOVE_FILES):
            return GLOVE
        found = any(find_evaluator(path, skeleton).weights.is_file() for skeleton in ("humanml3d", "kit"))
        return EVALUATOR if found else None
    return read_official_backbone(path).kind


def _import_backbone(path: Path, kind: str, folder: Path, motion: MotionSpec, text_encoder: str | None) -> Path:
    found = read_official_backbone(path)
    if found.kind != kind:
        raise ConfigError(f"{path}: a checkpoint of {KINDS[found.kind]} (--as {found.kind}), not of {KINDS[kind]}")
    if found.autoencoder.features != motion.width:
        raise WeightsError(f"{path}: for {found.autoencoder.features} features a frame, the dataset has {motion.width}")
    tensors: dict[str, Tensor] = {f"autoencoder.{name}": tensor for name, tensor in found.autoencoder_state.items()}
    tensors |= {f"denoiser.{name}": tensor for name, tensor in found.denoiser_state.items()}
    card = ModelCard(
        stage=kind,
        preset=OFFICIAL,
        config={
            "autoencoder": found.autoencoder.model_dump(mode="json"),
            "denoiser": found.denoiser.model_dump(mode="json"),
        },
        links={
            "latent": space_fingerprint(found.autoencoder_state, found.autoencoder, motion),
            "text_encoder": text_encoder or found.text_encoder,
            "skeleton": motion.skeleton,
            "fps": str(motion.fps),
        },
        metrics={"parameters": found.parameters},
        provenance=_provenance(
            path, {"left_out": dict(found.left_out), "text_encoder": "as given" if text_encoder else found.reason}
        ),
    )
    return _save(folder / f"{kind}.safetensors", with_statistics(tensors, motion), card)


def _import_evaluator(path: Path, folder: Path, motion: MotionSpec) -> Path:
    network, own, files = read_evaluator(path, motion)
    card = ModelCard(
        stage=EVALUATOR,
        preset=OFFICIAL,
        config={"architecture": network.config.model_dump(mode="json"), "word_vectors": GLOVE, "max_tokens": 20},
        links={
            "name": evaluator_name(motion.skeleton, essential=files.essential),
            "skeleton": motion.skeleton,
            "fps": str(motion.fps),
        },
        metrics={"parameters": sum(p.numel() for p in network.parameters())},
        provenance=_provenance(files.weights, {}),
    )
    name = ESSENTIAL if files.essential else EVALUATOR
    return _save(folder / f"{name}.safetensors", with_statistics(dict(network.state_dict()), own), card)


def _import_glove(path: Path, folder: Path) -> Path:
    glove = GloveVectors.from_folder(path)
    card = ModelCard(
        stage=GLOVE,
        preset=OFFICIAL,
        config={"rows": glove.rows},
        links={"identity": glove.identity},
        metrics={"words": len(glove.rows)},
        provenance=_provenance(path / GLOVE_FILES[0], {}),
    )
    return _save(folder / f"{GLOVE}.safetensors", {"table": glove.table}, card)


def _provenance(path: Path, more: dict[str, object]) -> dict[str, object]:
    source = {"source": path.name, "source_sha256": sha256_file(path), "finished": time.strftime("%Y-%m-%d")}
    return {**source, **more, **collect_provenance()}


def _save(path: Path, tensors: dict[str, Tensor], card: ModelCard) -> Path:
    save_model(path, tensors, card)
    return path
