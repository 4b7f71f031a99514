"""Encoders of the sentence-transformers family: ``minilm`` (all-MiniLM-L6-v2) and ``t5`` (sentence-t5-large)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from leadbench.core.device import accelerated, indices
from leadbench.core.errors import WeightsError
from leadbench.core.settings import settings
from leadbench.core.tensors import Condition, full_mask, mask_of
from leadbench.nn.packing import prepare_linear_maps
from leadbench.text.placeholders import check_rows, split_caption, tokens_of, vector_of
from leadbench.text.sentence_bert import SentenceBert, is_sentence_bert
from leadbench.text.sources import REPOSITORIES, local_path, minilm_source


class SentenceEncoder:
    """A pooled sentence encoder: one unit-norm token per caption, tokens [B, 1, C] float32.

    Captions of a model in BERT's layout are embedded by :class:`SentenceBert`; sentence-transformers is loaded for all
    others, and for pseudo-words.

    Args:
        name: name stored in every Condition.
        model: folder of a sentence-transformers model, or its hub name.

    Raises:
        WeightsError: the model can be loaded neither from the folder nor from the hub.
    """

    def __init__(self, name: str, model: str | Path) -> None:
        self.name = name
        self._source = str(model)
        self._device = torch.device("cpu")
        folder = local_path(self._source)
        try:
            self._bert = SentenceBert(folder) if folder is not None and is_sentence_bert(folder) else None
        except Exception as exc:  # safetensors and tokenizers raise types of their own; a tensor may be missing
            raise self._unloadable(exc) from exc
        self.dim = self.encode([""]).tokens.shape[-1] if self._bert is None else self._bert.dim

    @cached_property
    def _model(self) -> Any:
        """sentence-transformers' own, which takes three seconds to import."""
        import transformers
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        # leadbench has its own progress bars; this one would also stand between an error and its single line
        logging.disable_progress_bar()
        # transformers 5 loads weights in the precision of the file unless asked otherwise, and names the option anew
        dtype = "torch_dtype" if int(transformers.__version__.split(".")[0]) < 5 else "dtype"
        try:
            with torch.inference_mode(False):  # pseudo-words need gradients later
                model = SentenceTransformer(self._source, device="cpu", model_kwargs={dtype: torch.float32})
                model = model.to(self._device)
        except Exception as exc:  # the library raises many types: missing files, no network, bad config
            raise self._unloadable(exc) from exc
        model.eval().requires_grad_(False)
        prepare_linear_maps(model)
        return model

    def _unloadable(self, exc: Exception) -> WeightsError:
        return WeightsError(
            f"text encoder {self.name!r}: cannot load {self._source} ({type(exc).__name__}); fetch the repository "
            f"sentence-transformers/{REPOSITORIES.get(self.name, '...')} from the hub on a machine that is connected, "
            f"and set encoders.{self.name} in leadbench.toml, or LEADBENCH_ENCODERS__{self.name.upper()}, to its folder"
        )

    def to(self, device: torch.device | str) -> None:
        """Move the model to a device, where embeddings are from then on."""
        self._device = torch.device(device)
        if self._bert is not None:
            self._bert.to(device)
        if "_model" in vars(self):
            self._model.to(device)

    def encode(self, captions: Sequence[str]) -> Condition:
        """Embed captions, [B, 1, C], on the model's device."""
        if self._bert is not None:
            values = self._bert.embed(captions)
        else:
            with torch.inference_mode():
                values = self._model.encode(
                    list(captions),
                    batch_size=64,
                    convert_to_tensor=True,
                    show_progress_bar=False,
                    device=str(self._device),
                )
        tokens = values.float().clone().unsqueeze(1)
        return Condition(tokens, full_mask(len(tokens), 1, tokens.device), self.name)

    def token_counts(self, captions: Sequence[str]) -> list[int]:
        """How many tokens each caption is computed as."""
        if self._bert is not None:
            return list(map(len, self._bert.ids(captions)))
        read = self._tokenizer(list(captions), truncation=True, max_length=self._model.max_seq_length)
        return [len(ids) for ids in read["input_ids"]]

    def word_embedding(self, word: str) -> Tensor:
        """Mean input embedding [T] of a word's sub-tokens."""
        ids = self._ids(word)
        return self._embedding.weight.detach()[indices(ids, self._device)].mean(dim=0)

    def encode_with(self, captions: Sequence[str], vectors: Mapping[str, Tensor]) -> Condition:
        """Embed captions [B, 1, C] whose placeholders ``<name>`` have the given input embeddings; differentiable."""
        check_rows(captions, vectors)
        before, after = self._markers
        rows = []
        for row, caption in enumerate(captions):
            pieces = [self._embed(before)]
            for part in split_caption(caption):
                if part.placeholder:
                    pieces.append(vector_of(part.text, row, vectors).unsqueeze(0))
                else:
                    pieces.append(self._embed(tokens_of(part, self._ids)))
            rows.append(torch.cat([*pieces, self._embed(after)]))
        mask = mask_of([len(row) for row in rows], self._device).long()
        inputs = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        hidden = self._transformer(inputs_embeds=inputs, attention_mask=self._keys(mask)).last_hidden_state
        features = {"token_embeddings": hidden, "attention_mask": mask}
        for module in list(self._model)[1:]:
            features = module(features)
        tokens = features["sentence_embedding"].unsqueeze(1)
        return Condition(tokens, full_mask(len(tokens), 1, tokens.device), self.name)

    def _keys(self, mask: Tensor) -> Tensor:
        """A mask [B, L] as the transformer takes it. From one of two axes transformers asks the device whether it hides
        anything, which is a wait; BERT takes one [B, 1, L, L] of numbers to add, as it is."""
        if not accelerated(mask.device) or self._transformer.config.model_type != "bert":
            return mask
        hidden = torch.zeros(mask.shape, device=mask.device).masked_fill(mask == 0, torch.finfo(torch.float32).min)
        return hidden[:, None, None, :].expand(-1, 1, mask.shape[1], -1)

    @property
    def _transformer(self) -> Any:
        return self._model[0].auto_model

    @property
    def _tokenizer(self) -> Any:
        return self._model.tokenizer

    @property
    def _embedding(self) -> torch.nn.Embedding:
        embedding: torch.nn.Embedding = self._transformer.get_input_embeddings()
        return embedding

    @property
    def _markers(self) -> tuple[list[int], list[int]]:
        """Ids that the tokenizer puts before and after every text."""
        bare = self._tokenizer("a", add_special_tokens=False)["input_ids"]
        whole = self._tokenizer("a")["input_ids"]
        start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
        return whole[:start], whole[start + len(bare) :]

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _embed(self, ids: list[int]) -> Tensor:
        return self._embedding.weight.detach()[indices(ids, self._device)]

    def null(self, batch: int) -> Condition:
        """Embedding of the empty caption, repeated."""
        return self.encode([""]).expand(batch)


def minilm() -> SentenceEncoder:
    """all-MiniLM-L6-v2, 384 wide: from ``encoders.minilm``, else from the package that carries it, else the hub."""
    return SentenceEncoder("minilm", minilm_source())


def t5() -> SentenceEncoder:
    """sentence-t5-large, 768 wide, as MotionLCM is conditioned: sentence-transformers' final output, of length 1."""
    return SentenceEncoder("t5", settings().encoders.t5)
