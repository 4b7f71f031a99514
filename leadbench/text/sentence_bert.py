"""Sentence encoders of BERT's layout, as all-MiniLM-L6-v2 is one: the mean of the last hidden states, of unit length.

Computed here because importing sentence-transformers takes three seconds, longer than most prompts.

Layout facts: Devlin et al., 2019 (post-norm blocks, exact GELU, learned positions), and the configuration files of
sentence-transformers, which computes everything that is laid out otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from leadbench.core.device import indices, sent
from leadbench.nn.packing import PackedLinear

_MODULES = ["Transformer", "Pooling", "Normalize"]
BATCH = 64
"""Captions of one length computed together."""


class SentenceBert:
    """Unit-norm embeddings of captions, without gradients; those of one length together, so that nothing is padded.

    Args:
        folder: of a sentence-transformers model that :func:`is_sentence_bert` accepts.
    """

    def __init__(self, folder: Path) -> None:
        config = _json(folder / "config.json")
        state = {name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()}
        self.dim = int(config["hidden_size"])
        eps = float(config["layer_norm_eps"])
        self._words = state["embeddings.word_embeddings.weight"]
        # every token is of the first segment
        self._places = (
            state["embeddings.position_embeddings.weight"] + state["embeddings.token_type_embeddings.weight"][0]
        )
        self._norm = _Norm(state, "embeddings.LayerNorm", eps)
        heads, layers = int(config["num_attention_heads"]), int(config["num_hidden_layers"])
        self._blocks = [_Block(state, f"encoder.layer.{i}", heads, eps) for i in range(layers)]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_json(folder / "sentence_bert_config.json")["max_seq_length"])

    def ids(self, captions: Sequence[str]) -> list[list[int]]:
        """Tokens of each caption, those that mark its start and end included."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(captions))]

    def to(self, device: torch.device | str) -> None:
        """Move the weights to a device."""
        self._words, self._places = self._words.to(device), self._places.to(device)
        self._norm.to(device)
        for block in self._blocks:
            block.to(device)

    def embed(self, captions: Sequence[str]) -> Tensor:
        """Embeddings [B, C] on the device of the weights."""
        with torch.inference_mode():
            return self._embedded(self.ids(captions))

    def _embedded(self, ids: list[list[int]]) -> Tensor:
        by_length: dict[int, list[int]] = {}
        for row, tokens in enumerate(ids):
            by_length.setdefault(len(tokens), []).append(row)
        device = self._words.device
        out = torch.empty(len(ids), self.dim, device=device)
        for rows in by_length.values():
            for start in range(0, len(rows), BATCH):
                some = rows[start : start + BATCH]
                read = sent(torch.tensor([ids[row] for row in some]), device)
                out.index_copy_(0, indices(some, device), self._mean(read))
        return out

    def _mean(self, ids: Tensor) -> Tensor:
        """[B, C] of tokens [B, L]."""
        x = self._norm(self._words[ids] + self._places[: ids.shape[1]])
        for block in self._blocks:
            x = block(x)
        return F.normalize(x.mean(dim=1), dim=-1)


class _Norm:
    def __init__(self, state: Mapping[str, Tensor], name: str, eps: float) -> None:
        self.weight, self.bias, self.eps = state[f"{name}.weight"], state[f"{name}.bias"], eps

    def to(self, device: torch.device | str) -> None:
        self.weight, self.bias = self.weight.to(device), self.bias.to(device)

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class _Block:
    """Attention and feed-forward, each added and then normalised: [B, L, W] to [B, L, W]."""

    def __init__(self, state: Mapping[str, Tensor], name: str, heads: int, eps: float) -> None:
        def linear(*parts: str) -> PackedLinear:
            weights, biases = ([state[f"{name}.{part}.{kind}"] for part in parts] for kind in ("weight", "bias"))
            return PackedLinear(torch.cat(weights), torch.cat(biases))

        self.heads = heads
        self.qkv = linear(*(f"attention.self.{part}" for part in ("query", "key", "value")))
        self.out = linear("attention.output.dense")
        self.expand, self.contract = linear("intermediate.dense"), linear("output.dense")
        self.norm_attention = _Norm(state, f"{name}.attention.output.LayerNorm", eps)
        self.norm_feedforward = _Norm(state, f"{name}.output.LayerNorm", eps)

    def to(self, device: torch.device | str) -> None:
        for part in (self.qkv, self.out, self.expand, self.contract, self.norm_attention, self.norm_feedforward):
            part.to(device)

    def __call__(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        rows = x.view(-1, width)
        q, k, v = self.qkv(rows).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, width)
        rows = self.norm_attention(self.out(mixed).add_(rows))
        rows = self.norm_feedforward(self.contract(self.expand(rows, gelu=True)).add_(rows))
        return rows.view(x.shape)


def is_sentence_bert(folder: Path) -> bool:
    """Whether a folder holds a model of exactly this layout, its files named by sentence-transformers' own names."""
    needed = ("modules.json", "config.json", "sentence_bert_config.json", "model.safetensors", "tokenizer.json")
    if not all((folder / name).is_file() for name in needed):
        return False
    try:
        modules = _json(folder / "modules.json")
        config, pooling = _json(folder / "config.json"), _json(folder / modules[1]["path"] / "config.json")
        lower = _json(folder / "sentence_bert_config.json").get("do_lower_case", False)
        prompted = folder / "config_sentence_transformers.json"
        prompt = _json(prompted).get("default_prompt_name") if prompted.is_file() else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return False
    means = {key for key, value in pooling.items() if key.startswith("pooling_mode_") and value}
    return (
        [str(module.get("type", "")).rpartition(".")[2] for module in modules] == _MODULES
        and modules[0].get("path") == ""
        and not lower
        and prompt is None
        and means == {"pooling_mode_mean_tokens"}
        and (config.get("model_type"), config.get("hidden_act")) == ("bert", "gelu")
        and config.get("position_embedding_type", "absolute") == "absolute"
    )


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
