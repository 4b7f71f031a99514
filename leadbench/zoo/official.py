"""Official tensor names of MLD and MotionLCM (v1, v2) to our modules: configuration from shapes, then a strict map.

:mod:`leadbench.zoo.official_backbone` reads whole checkpoints with it.

Every official tensor is used, or named in ``IGNORED`` with the reason; anything else is an error that lists it.
Heads and the ReLU on text leave no trace in tensors, so the caller says them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from leadbench.core.config import AutoencoderConfig, DenoiserConfig, TransformerConfig
from leadbench.core.errors import WeightsError
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.zoo.shapes import Axes, require_tensors

WHERE = "official weights"
IGNORED: Mapping[str, str] = {
    "mem_pos.pe": "MLD builds positions for a decoder-style denoiser; its encoder-style denoiser never reads them",
}
"""Official denoiser tensors that no forward pass reads, with the reason."""

_BLOCK = {
    "attention.qkv.weight": "self_attn.in_proj_weight",
    "attention.qkv.bias": "self_attn.in_proj_bias",
    "attention.out": "self_attn.out_proj",
    "cross.query.weight": "multihead_attn.in_proj_weight",
    "cross.query.bias": "multihead_attn.in_proj_bias",
    "cross.key_value.weight": "multihead_attn.in_proj_weight",
    "cross.key_value.bias": "multihead_attn.in_proj_bias",
    "cross.out": "multihead_attn.out_proj",
    "feedforward.expand": "linear1",
    "feedforward.contract": "linear2",
    "norm_attention": "norm1",
}
_STACK = {"down.": "input_blocks.", "middle.": "middle_block.", "up.": "output_blocks.", "merge.": "linear_blocks."}
_AUTOENCODER = {
    "distribution_tokens": "global_motion_token",
    "encoder_positions.table": "query_pos_encoder.pe",
    "decoder_positions.table": "query_pos_decoder.pe",
    "frames_in": "skel_embedding",
    "frames_out": "final_layer",
    "to_latent": "latent_pre",
    "from_latent": "latent_post",
}
# The same two official names point the other way round in the denoiser.
_DENOISER = {
    "from_latent": "latent_pre",
    "to_latent": "latent_post",
    "time_in": "time_embedding.linear_1",
    "time_out": "time_embedding.linear_2",
    "guidance_in": "time_embedding.cond_proj",
    "text_in": "emb_proj.1",
    "positions.table": "query_pos.pe",
}
_OURS = {"latent_shift", "latent_scale"}
_FEEDFORWARD = "encoder.middle_block.linear1.bias"
_BLOCKS = re.compile(r"(?:encoder|decoder)\.(?:input_blocks|output_blocks|linear_blocks)\.(\d{1,6})\.")


def autoencoder_from_official(
    state: Mapping[str, Tensor], *, heads: int, prefix: str = "", dropout: float = 0.1
) -> tuple[AutoencoderConfig, dict[str, Tensor]]:
    """Configuration of a :class:`MotionVAE` and its state for ``load_state_dict``, from official tensors.

    ``prefix`` selects the autoencoder within a whole checkpoint (``"vae."``); tensors outside are not looked at.
    Raises WeightsError that lists missing, misshapen and unexpected tensors.
    """
    official = _select(state, prefix)
    tokens, width, features = "global_motion_token", "skel_embedding.weight", "final_layer.bias"
    mapped = _either(official, "latent_pre")
    needed: dict[str, Axes] = {
        tokens: (2,),
        width: (2,),
        features: (1,),
        "query_pos_encoder.pe": (2, 3),
        _FEEDFORWARD: (1,),
    }
    if mapped:
        needed["latent_pre.weight"] = (2,)
    require_tensors(official, needed, WHERE, prefix)
    hidden = official[width].shape[0]
    config = _checked(
        AutoencoderConfig,
        features=official[features].shape[0],
        latent_tokens=official[tokens].shape[0] // 2,
        latent_width=official["latent_pre.weight"].shape[0] if mapped else hidden,
        project_latent=mapped,
        positions=official["query_pos_encoder.pe"].shape[0],
        transformer=_transformer(official, hidden, heads, dropout, prefix),
    )
    with torch.device("meta"):
        module = MotionVAE(config)
    ours = _convert(module, official, _AUTOENCODER, prefix)
    shape = (config.latent_tokens, config.latent_width)
    return config, {**ours, "latent_shift": torch.zeros(shape), "latent_scale": torch.ones(shape)}


def denoiser_from_official(
    state: Mapping[str, Tensor],
    *,
    heads: int,
    latent_tokens: int,
    relu_text: bool,
    prefix: str = "",
    dropout: float = 0.1,
) -> tuple[DenoiserConfig, dict[str, Tensor]]:
    """Configuration of a :class:`Denoiser` and its state for ``load_state_dict``, from official tensors.

    ``relu_text`` is True for MLD and MotionLCM v1, False for v2. ``prefix`` selects the denoiser within a whole
    checkpoint (``"denoiser."``). Raises WeightsError that lists missing, misshapen and unexpected tensors.
    """
    official = _select(state, prefix)
    time, positions = "time_embedding.linear_1.weight", "query_pos.pe"
    mapped, guided = _either(official, "latent_pre"), "time_embedding.cond_proj.weight"
    needed: dict[str, Axes] = {time: (2,), positions: (2, 3), _FEEDFORWARD: (1,), f"{guided}?": (2,)}
    optional = {"latent_pre.weight": mapped, "emb_proj.1.weight": _either(official, "emb_proj.1")}
    needed.update({name: (2,) for name, there in optional.items() if there})
    require_tensors(official, needed, WHERE, prefix)
    hidden, time_width = official[time].shape
    text, guidance = official.get("emb_proj.1.weight"), official.get(guided)
    config = _checked(
        DenoiserConfig,
        latent_tokens=latent_tokens,
        latent_width=official["latent_pre.weight"].shape[-1] if mapped else hidden,
        text_width=hidden if text is None else text.shape[-1],
        time_width=time_width,
        guidance_width=None if guidance is None else guidance.shape[-1],
        relu_text=relu_text,
        project_text=text is not None,
        project_latent=mapped,
        positions=official[positions].shape[0],
        transformer=_transformer(official, hidden, heads, dropout, prefix),
    )
    with torch.device("meta"):
        module = Denoiser(config)
    return config, _convert(module, official, _DENOISER, prefix)


def _select(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in state.items() if name.startswith(prefix)}


def _either(official: Mapping[str, Tensor], layer: str) -> bool:
    """Whether any tensor of a linear map is there: then both must be."""
    return any(f"{layer}.{part}" in official for part in ("weight", "bias"))


def _checked(model: Any, **fields: Any) -> Any:
    try:
        return model(**fields)
    except ValidationError as error:
        raise WeightsError(f"{WHERE}: {error.errors()[0]['msg']}") from error


def _transformer(
    official: Mapping[str, Tensor], width: int, heads: int, dropout: float, prefix: str
) -> TransformerConfig:
    # the largest number in any stack, so that a block which one of them lacks is missing, not a smaller network; a
    # number beyond the count of tensors cannot be a block's, and its tensor is listed as unexpected
    numbers = [int(m[1]) for name in official if (m := _BLOCKS.match(name)) and int(m[1]) < len(official)]
    config: TransformerConfig = _checked(
        TransformerConfig,
        width=width,
        layers=2 * (max(numbers, default=-1) + 1) + 1,
        heads=heads,
        feedforward=official[_FEEDFORWARD].shape[0],
        dropout=dropout,
        attention_dropout=dropout,
    )
    return config


def _official_name(ours: str, table: Mapping[str, str], cross: bool) -> str:
    """The official name of one of our tensors; ``cross``: within blocks that have cross-attention."""
    block = {**_BLOCK, "norm_cross": "norm2", "norm_feedforward": "norm3" if cross else "norm2"}
    stack = re.match(r"(encoder|decoder)\.(.*)", ours)
    if stack is None:
        return next(official + ours[len(name) :] for name, official in table.items() if ours.startswith(name))
    rest = stack[2]
    for name, official in {**_STACK, **block}.items():
        rest = re.sub(rf"(^|\.){re.escape(name)}", rf"\g<1>{official}", rest)
    return f"{stack[1]}.{rest}"


def _part(ours: str, official: Tensor) -> Tensor:
    """What our tensor takes of the official one: rows of a packed q/k/v, positions without their batch axis."""
    width = official.shape[0] // 3
    if ".cross.query." in ours:
        return official[:width]
    if ".cross.key_value." in ours:
        return official[width:]
    if ours.endswith("positions.table") and official.ndim == 3 and official.shape[1] == 1:
        return official[:, 0]
    return official


def _convert(
    module: nn.Module, official: Mapping[str, Tensor], table: Mapping[str, str], prefix: str
) -> dict[str, Tensor]:
    """Our state dict in float32, without copies where it can; raises WeightsError with all that does not fit."""
    ours: dict[str, Tensor] = {}
    problems: list[str] = []
    unused = set(official) - set(IGNORED)
    for name, like in module.state_dict().items():
        if name in _OURS:
            continue
        source = _official_name(name, table, cross=name.startswith("decoder."))
        unused.discard(source)
        if source not in official:
            problems.append(f"missing {prefix}{source}")
            continue
        part = _part(name, official[source]) if official[source].ndim else official[source]
        if part.shape != like.shape:
            problems.append(f"{prefix}{source} is {list(official[source].shape)}, {name} needs {list(like.shape)}")
        ours[name] = part.detach().float()
    problems += [f"unexpected {prefix}{name}" for name in sorted(unused)]
    if problems:
        raise WeightsError(f"{WHERE}: " + "; ".join(dict.fromkeys(problems)))
    return ours
