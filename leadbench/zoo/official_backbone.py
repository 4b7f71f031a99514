"""Whole checkpoints of MLD and MotionLCM: which of them a file is, and its two networks in our names.

Every tensor is used, or left out for a reason that is reported; anything else is an error that lists it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import Tensor

from leadbench.core.config import AutoencoderConfig, DenoiserConfig
from leadbench.core.errors import WeightsError
from leadbench.zoo.checkpoint import read_checkpoint
from leadbench.zoo.official import IGNORED, WHERE, autoencoder_from_official, denoiser_from_official
from leadbench.zoo.state_dict import common_prefix, find_state_dict, require_finite

HEADS = 4  # attention heads of every published configuration; they leave no trace in tensors

_AUTOENCODER, _DENOISER = "vae.", "denoiser."
_LEFT_OUT: Mapping[str, str] = {
    "t2m_textencoder.": "a copy of the evaluator, which is read from its own release",
    "t2m_moveencoder.": "a copy of the evaluator, which is read from its own release",
    "t2m_motionencoder.": "a copy of the evaluator, which is read from its own release",
    "ema_": "moving-average weights, which lie beside the weights that are used",
    "ema.": "moving-average weights, which lie beside the weights that are used",
    "model_ema.": "moving-average weights, which lie beside the weights that are used",
    "text_encoder.": "the frozen text tower, which is read from its own release",
}
KINDS: Mapping[str, str] = {
    "mld": "MLD, or a model that MotionLCM was distilled from",
    "motionlcm": "MotionLCM, version 1",
    "motionlcm-v2": "MotionLCM, version 2",
}


@dataclass(frozen=True, eq=False)
class OfficialBackbone:
    """A checkpoint in our names.

    Attributes:
        kind: name of the backbone that it drives.
        text_encoder: what it was trained with, by the official configurations; ``reason`` says what tells it.
        autoencoder, denoiser: configurations; the states are for ``load_state_dict``.
        left_out: tensor or prefix -> reason, for what was not used.
    """

    kind: str
    text_encoder: str
    reason: str
    autoencoder: AutoencoderConfig
    autoencoder_state: Mapping[str, Tensor]
    denoiser: DenoiserConfig
    denoiser_state: Mapping[str, Tensor]
    left_out: Mapping[str, str]

    @property
    def parameters(self) -> int:
        """Numbers in both networks."""
        states = (self.autoencoder_state, self.denoiser_state)
        return sum(tensor.numel() for state in states for name, tensor in state.items() if "latent_s" not in name)


def read_official_backbone(path: Path) -> OfficialBackbone:
    """Read a checkpoint of MLD or MotionLCM; nothing of it is executed.

    Raises:
        WeightsError: it is missing, unsafe, another thing, or has tensors that are missing, misshapen or unexpected.
    """
    return backbone_of(read_checkpoint(path), path)


def backbone_of(checkpoint: Any, path: Path) -> OfficialBackbone:
    """Recognise and convert what a file held; raises as :func:`read_official_backbone`."""
    found = find_state_dict(checkpoint, path)
    return official_backbone(found.tensors, str(path), beside=found.left_out)


def official_backbone(
    state: Mapping[str, Tensor], where: str, heads: int = HEADS, beside: Mapping[str, str] = MappingProxyType({})
) -> OfficialBackbone:
    """Recognise and convert the tensors of a checkpoint.

    Args:
        state: named tensors.
        where: begins messages.
        heads: of attention.
        beside: what of the file is not among the tensors, and why; reported with what is left out.

    Raises:
        WeightsError: see :func:`read_official_backbone`.
    """
    kind = kind_of(state)
    if kind is None:
        shared = common_prefix(state)
        wrapped = f"; all names begin with {shared!r}, which is no wrapper known here" if shared else ""
        raise WeightsError(f"{where}: not a checkpoint of MLD or MotionLCM (no tensors vae.* and denoiser.*{wrapped})")
    require_finite(state, where)
    used, left_out = {}, dict(beside)
    unknown = []
    for name, tensor in state.items():
        prefix = next((prefix for prefix in _LEFT_OUT if name.startswith(prefix)), None)
        if prefix is not None:
            left_out[prefix + "*"] = _LEFT_OUT[prefix]
        elif name.startswith((_AUTOENCODER, _DENOISER)):
            used[name] = tensor
            bare = name.removeprefix(_DENOISER)
            left_out.update({name: IGNORED[bare]} if name != bare and bare in IGNORED else {})
        else:
            unknown.append(name)
    if unknown:
        raise WeightsError(f"{where}: unexpected tensors {', '.join(sorted(unknown)[:5])}")
    (autoencoder, autoencoder_state), (denoiser, denoiser_state) = _networks(used, heads)
    if denoiser.latent_width != autoencoder.latent_width:
        raise WeightsError(
            f"{where}: latents of width {autoencoder.latent_width} (vae) and {denoiser.latent_width} (denoiser)"
        )
    encoder, reason = _text_encoder(state, kind)
    return OfficialBackbone(kind, encoder, reason, autoencoder, autoencoder_state, denoiser, denoiser_state, left_out)


_Networks = tuple[tuple[AutoencoderConfig, dict[str, Tensor]], tuple[DenoiserConfig, dict[str, Tensor]]]


def _networks(used: Mapping[str, Tensor], heads: int) -> _Networks:
    """Both networks; what is wrong with either is reported together."""
    problems = []
    autoencoder: tuple[AutoencoderConfig, dict[str, Tensor]] | None = None
    denoiser: tuple[DenoiserConfig, dict[str, Tensor]] | None = None
    try:
        autoencoder = autoencoder_from_official(used, heads=heads, prefix=_AUTOENCODER)
    except WeightsError as exc:
        problems.append(exc)
    relu = not any(f"{_DENOISER}latent_pre.{part}" in used for part in ("weight", "bias"))
    tokens = autoencoder[0].latent_tokens if autoencoder else 1  # of which no shape of the denoiser depends
    try:
        denoiser = denoiser_from_official(used, heads=heads, latent_tokens=tokens, relu_text=relu, prefix=_DENOISER)
        if not denoiser[0].project_text:
            # no text tower of a published model is as narrow as its denoiser
            names = ", ".join(f"{_DENOISER}emb_proj.1.{part}" for part in ("weight", "bias"))
            raise WeightsError(f"{WHERE}: missing {names}")
    except WeightsError as exc:
        problems.append(exc)
    if problems or autoencoder is None or denoiser is None:
        raise WeightsError(f"{WHERE}: " + "; ".join(str(exc).removeprefix(f"{WHERE}: ") for exc in problems))
    return autoencoder, denoiser


def _text_encoder(state: Mapping[str, Tensor], kind: str) -> tuple[str, str]:
    """The text tower that drives a model, and what tells it: tensors do not hold its name."""
    unread = f"{_DENOISER}mem_pos.pe"
    if unread in state:
        return "clip", f"inferred: it holds {unread}, as MLD's own releases do"
    if kind == "mld":
        return "t5", f"inferred: it lacks {unread}, so it is one of MotionLCM's teachers and not of MLD's own releases"
    return "t5", "inferred: every published MotionLCM is conditioned on it"


def kind_of(state: Mapping[str, Tensor]) -> str | None:
    """Which backbone the names of a state dict belong to; None for none of them."""
    if not all(any(name.startswith(prefix) for name in state) for prefix in (_AUTOENCODER, _DENOISER)):
        return None
    if f"{_DENOISER}time_embedding.cond_proj.weight" not in state:
        return "mld"
    mapped = any(f"{_DENOISER}latent_pre.{part}" in state for part in ("weight", "bias"))
    return "motionlcm-v2" if mapped else "motionlcm"
