"""``clip``: the text tower of CLIP ViT-L/14 with OpenAI's weights, as MLD feeds it to its denoiser.

The feature is the projected end token, not normalised, one token a caption. The tower is open_clip's; weights come from
the hub, from a file or folder of open_clip, or from a folder of transformers (``clip-vit-large-patch14``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.pretrained import download_pretrained, get_pretrained_cfg
from open_clip.transformer import QuickGELU, TextTransformer
from safetensors.torch import load_file
from torch import Tensor, nn

from leadbench.core.device import indices, sent
from leadbench.core.errors import WeightsError
from leadbench.core.reading import read_json
from leadbench.core.settings import settings
from leadbench.core.tensors import Condition, full_mask
from leadbench.nn.packing import prepared
from leadbench.text.clip_tower import PackedTower, packable
from leadbench.text.placeholders import check_rows, split_caption, vector_of

HEAD_WIDTH = 64  # of every published CLIP text tower; for weights without a configuration
_FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
)
_TRANSFORMERS = (
    ("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("text_model.final_layer_norm.", "ln_final."),
    ("text_model.encoder.layers.", "transformer.resblocks."),
    (".layer_norm1.", ".ln_1."),
    (".layer_norm2.", ".ln_2."),
    (".self_attn.out_proj.", ".attn.out_proj."),
    (".mlp.fc1.", ".mlp.c_fc."),
    (".mlp.fc2.", ".mlp.c_proj."),
)


class ClipTextEncoder:
    """CLIP's text tower: tokens [B, 1, C] float32.

    Tokens after the end token are left out: attention is causal, so they change nothing.

    Args:
        tower: on which device it is to run.
        name: stored in every Condition.
    """

    def __init__(self, tower: TextTransformer, name: str = "clip") -> None:
        self.name = name
        self.tower = tower.eval().requires_grad_(False)
        self.dim = int(tower.text_projection.shape[1])
        self._packable = packable(self.tower)
        self._tokenizer = open_clip.SimpleTokenizer(context_length=tower.context_length)

    def to(self, device: torch.device | str) -> None:
        """Move the tower to a device, where embeddings are from then on."""
        self.tower.to(device)

    def encode(self, captions: Sequence[str]) -> Condition:
        """Embed captions, [B, 1, C], on the tower's device; truncated to 77 tokens."""
        with torch.inference_mode():
            pooled = self._pooled(self._tokenizer(list(captions)))
        values = pooled.float().clone().unsqueeze(1)
        return Condition(values, full_mask(len(values), 1, values.device), self.name)

    def null(self, batch: int) -> Condition:
        """Embedding of the empty caption, repeated."""
        return self.encode([""]).expand(batch)

    def token_counts(self, captions: Sequence[str]) -> list[int]:
        """How many tokens each caption is computed as: up to its end token, which has the largest id."""
        counts: list[int] = (self._tokenizer(list(captions)).argmax(dim=1) + 1).tolist()
        return counts

    def word_embedding(self, word: str) -> Tensor:
        """Mean token embedding [W] of a word's sub-tokens."""
        ids = indices(self._tokenizer.encode(word), self._device)
        embedding: Tensor = self.tower.token_embedding.weight[ids].mean(dim=0)
        return embedding

    def encode_with(self, captions: Sequence[str], vectors: Mapping[str, Tensor]) -> Condition:
        """Embed captions [B, 1, C] whose placeholders ``<name>`` have the given token embeddings; differentiable."""
        check_rows(captions, vectors)
        length = self.tower.context_length
        ids = torch.zeros(len(captions), length, dtype=torch.int64)
        embeddings = []
        for row, caption in enumerate(captions):
            pieces: list[tuple[list[int], Tensor | None]] = [([self._tokenizer.sot_token_id], None)]
            for part in split_caption(caption):
                if part.placeholder:
                    pieces.append(([0], vector_of(part.text, row, vectors)))
                else:
                    pieces.append((self._tokenizer.encode(part.text), None))
            tokens = [token for piece, _ in pieces for token in piece][: length - 1]
            tokens.append(self._tokenizer.eot_token_id)
            ids[row, : len(tokens)] = torch.tensor(tokens)
            known = self.tower.token_embedding(sent(ids[row], self._device))
            place = 0
            for piece, vector in pieces:
                if vector is not None and place < length - 1:
                    known = torch.cat([known[:place], vector.unsqueeze(0), known[place + 1 :]])
                place += len(piece)
            embeddings.append(known)
        values = self._pooled(ids, torch.stack(embeddings)).unsqueeze(1)
        return Condition(values, full_mask(len(values), 1, values.device), self.name)

    @property
    def _device(self) -> torch.device:
        device: torch.device = self.tower.positional_embedding.device
        return device

    def _pooled(self, ids: Tensor, embeddings: Tensor | None = None) -> Tensor:
        """Projected feature [B, C] of the end token of ids on the CPU, which has the largest id."""
        tower, ends = self.tower, ids.argmax(dim=1)
        length = int(ends.max()) + 1
        ids, ends = sent(ids, self._device), sent(ends, self._device)
        if embeddings is None and self._packable and not torch.is_grad_enabled():
            return prepared(tower, PackedTower).pooled(ids[:, :length], ends)
        known = tower.token_embedding(ids[:, :length]) if embeddings is None else embeddings[:, :length]
        values = known + tower.positional_embedding[:length]
        values = tower.ln_final(tower.transformer(values, attn_mask=tower.attn_mask[:length, :length]))
        pooled: Tensor = values[torch.arange(len(ids), device=ids.device), ends] @ tower.text_projection
        return pooled


def clip() -> ClipTextEncoder:
    """The tower that ``encoders.clip`` of the settings names.

    Raises:
        WeightsError: it can neither be found nor fetched, or is no CLIP text tower.
    """
    return ClipTextEncoder(load_tower(settings().encoders.clip))


def load_tower(source: str) -> TextTransformer:
    """Text tower from a folder, a file, ``MODEL/PRETRAINED`` of open_clip, or a hub name of transformers' CLIP.

    Raises:
        WeightsError: see :func:`clip`.
    """
    path = Path(source)
    if path.is_dir():
        found = next((path / name for name in _FILES if (path / name).is_file()), None)
        if found is None:
            raise WeightsError(f"text encoder 'clip': {path} holds none of {', '.join(_FILES)}")
        path = found
    elif not path.is_file():
        path = _fetch(source)
    state = _read(path)
    layout = "config.json" if any(name.startswith("text_model.") for name in state) else "open_clip_config.json"
    return _tower(state, _config([path.parent / layout, path.parent / "config.json"]), path)


def _fetch(source: str) -> Path:
    """Weights file from the hub, or from its cache."""
    model, _, tag = source.rpartition("/")
    try:
        known = get_pretrained_cfg(model, tag)
        if known:
            return Path(download_pretrained(known))
        from huggingface_hub import snapshot_download

        folder = Path(snapshot_download(source, allow_patterns=["config.json", "model.safetensors"]))
        return folder / "model.safetensors"
    except Exception as exc:  # no network, no such repository, a full disk: the hub's libraries raise many types
        raise WeightsError(
            f"text encoder 'clip': {source} is no file or folder here and cannot be fetched ({type(exc).__name__}); "
            "fetch timm/vit_large_patch14_clip_224.openai (open_clip_model.safetensors) or "
            "openai/clip-vit-large-patch14 from the hub on a machine that is connected, and set encoders.clip in "
            "leadbench.toml, or LEADBENCH_ENCODERS__CLIP, to its folder"
        ) from exc


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as exc:  # a broken or hostile file can make the readers raise anything
        reason = " ".join(str(exc).split())[:120]
        raise WeightsError(
            f"text encoder 'clip': {path} cannot be read safely ({reason}); safetensors or a state dict is needed, not "
            "OpenAI's TorchScript archive"
        ) from exc
    return dict(loaded.get("state_dict", loaded))


@dataclass(frozen=True)
class _Config:
    """What tensors do not tell: heads (None: unknown) and whether the activation is the quick GELU."""

    heads: int | None = None
    quick_gelu: bool = True  # as OpenAI's weights were trained


def _config(files: Sequence[Path]) -> _Config:
    """The first configuration that is there, of open_clip or of transformers."""
    path = next((file for file in files if file.is_file()), None)
    if path is None:
        return _Config()
    try:
        values: Any = read_json(path, WeightsError)
    except WeightsError as exc:
        raise WeightsError(f"text encoder 'clip': {path} is no configuration of CLIP ({exc})") from exc
    try:
        values = values.get("model_cfg", values)
        if "text_cfg" in values:  # open_clip; its default is the plain GELU
            return _Config(_heads(values["text_cfg"].get("heads"), path), bool(values.get("quick_gelu", False)))
        text = values.get("text_config", values)
        quick_gelu = text.get("hidden_act", "quick_gelu") == "quick_gelu"
        return _Config(_heads(text.get("num_attention_heads"), path), quick_gelu)
    except (ValueError, AttributeError, TypeError) as exc:
        reason = " ".join(str(exc).split())[:120]
        raise WeightsError(f"text encoder 'clip': {path} is no configuration of CLIP ({reason})") from exc


def _heads(value: object, path: Path) -> int | None:
    if value is None or (isinstance(value, int) and value > 0):
        return value
    raise WeightsError(f"text encoder 'clip': {path}: {value!r} heads, a positive whole number is needed")


def _tower(state: Mapping[str, Tensor], config: _Config, path: Path) -> TextTransformer:
    text = _text_tensors(state)
    needed = ("token_embedding.weight", "positional_embedding", "text_projection")
    missing = [name for name in needed if name not in text]
    if missing:
        raise WeightsError(f"text encoder 'clip': {path} is no CLIP text tower: missing {', '.join(missing)}")
    vocabulary, width = text["token_embedding.weight"].shape
    blocks = {match[1] for name in text if (match := re.match(r"transformer\.resblocks\.(\d+)\.", name))}
    heads = config.heads or max(1, width // HEAD_WIDTH)
    if width % heads:
        raise WeightsError(f"text encoder 'clip': {path}: a width of {width} cannot be split into {heads} heads")
    tower = TextTransformer(
        context_length=text["positional_embedding"].shape[0],
        vocab_size=vocabulary,
        width=width,
        heads=heads,
        layers=len(blocks),
        mlp_ratio=text["transformer.resblocks.0.mlp.c_fc.weight"].shape[0] / width,
        output_dim=text["text_projection"].shape[1],
        act_layer=QuickGELU if config.quick_gelu else nn.GELU,
    )
    try:
        tower.load_state_dict({name: tensor.float() for name, tensor in text.items()})
    except RuntimeError as exc:
        raise WeightsError(f"text encoder 'clip': {path}: {' '.join(str(exc).split())[:300]}") from exc
    return tower


def _text_tensors(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The text tower's tensors in open_clip's names; the image tower's are dropped."""
    if any(name.startswith("text_model.") for name in state):
        return _from_transformers(state)
    bare = {name.removeprefix("text."): tensor for name, tensor in state.items()}
    own = ("token_embedding.", "positional_embedding", "transformer.", "ln_final.", "text_projection")
    return {name: tensor for name, tensor in bare.items() if name.startswith(own)}


def _from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    text: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name == "text_projection.weight":
            text["text_projection"] = tensor.T
        elif name.startswith("text_model.") and "position_ids" not in name and ".self_attn.q_proj." in name:
            parts = [state[name.replace("q_proj", f"{kind}_proj")] for kind in "qkv"]
            ours = _renamed(name).replace(".self_attn.q_proj.", ".attn.in_proj_")
            text[ours] = torch.cat(parts)
        elif name.startswith("text_model.") and not re.search(r"position_ids|\.self_attn\.[kv]_proj\.", name):
            text[_renamed(name)] = tensor
    return text


def _renamed(name: str) -> str:
    for theirs, ours in _TRANSFORMERS:
        name = name.replace(theirs, ours)
    return name
