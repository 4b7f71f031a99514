"""What a training is of: everything that its weights depend on, as JSON holds it.

A checkpoint carries it and is continued only where all of it is equal (:mod:`leadbench.training.checkpoint`).
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from leadbench.core.config import FrozenModel
from leadbench.core.provenance import fingerprint, sha256_file, sources_digest

_CODE = ("core", "data", "motion", "nn", "training")  # packages that a stage computes with


def training_identity(
    model: nn.Module, stage: FrozenModel, splits: Mapping[str, str], inputs: Mapping[str, str]
) -> dict[str, Any]:
    """Identity of a training.

    Args:
        model: with its initial weights.
        stage: resolved configuration.
        splits: digest of each split that it reads (:func:`leadbench.data.digest.samples_digest`).
        inputs: identities of what else it reads: latent space, text encoder, teacher.
    """
    return {
        "configuration": stage.model_dump(mode="json"),
        "data": dict(splits),
        **inputs,
        "initial weights": fingerprint(dict(model.state_dict())),
        "code": code_digest(type(model)),
        "torch": torch.__version__,
    }


def code_digest(network: type) -> str:
    """SHA-256 over the sources that a stage computes with, and over the file of a plugin's network."""
    digest = hashlib.sha256(sources_digest(_CODE).encode())
    try:
        digest.update(sha256_file(Path(inspect.getfile(network))).encode())
    except (TypeError, OSError):  # a class made at run time has no file
        digest.update(network.__qualname__.encode())
    return digest.hexdigest()
