"""A text-embedding cache: one caption is encoded once per run, whoever asks and however often."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

import torch
from torch import Tensor

from leadbench.core.content import content_digest
from leadbench.core.contracts import TextEncoder
from leadbench.core.device import CPU, Compute, indices, placed, sent
from leadbench.core.tensors import Condition, mask_of
from leadbench.text.identity import probe_identity
from leadbench.text.kept import KeptEmbeddings


@dataclass(frozen=True)
class LazyEncoder:
    """An encoder that is made when something new is to be embedded; what it is called and how wide is known."""

    name: str
    dim: int
    make: Callable[[], TextEncoder]


class _Bank:
    """Embeddings by caption on a device, one behind the other; a batch of them is one gather."""

    def __init__(self, dim: int, device: torch.device) -> None:
        self._packed = torch.empty(0, dim, device=device)
        self._places: dict[str, tuple[int, int]] = {}  # caption -> first row and number of rows

    def get(self, captions: Sequence[str], rows: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Tokens [B, L, C] with their mask; captions that are new here are taken from ``rows``, all that it has."""
        if any(caption not in self._places for caption in captions):
            self._add({caption: row for caption, row in rows.items() if caption not in self._places})
        device = self._packed.device
        starts, lengths = zip(*(self._places[caption] for caption in captions), strict=True)
        mask = mask_of(lengths, device)
        if mask.shape[1] == 1:
            return self._packed[indices(starts, device)].unsqueeze(1), mask
        places = sent(torch.tensor(starts), device)[:, None] + torch.arange(mask.shape[1], device=device)
        tokens = self._packed[places.clamp(max=len(self._packed) - 1)]
        return tokens * mask[..., None], mask

    def _add(self, new: Mapping[str, Tensor]) -> None:
        place = len(self._packed)
        for caption, row in new.items():
            self._places[caption] = (place, len(row))
            place += len(row)
        self._packed = torch.cat([self._packed, sent(torch.cat(list(new.values())), self._packed.device)])


class CachedTextEncoder:
    """Wraps a text encoder; keeps every embedding, on the CPU for files and other processes, and on the device for use.

    Captions are encoded one by one unless :meth:`together` or :meth:`warm` is given many: a row then never depends on
    the padding of its neighbours, so a resumed run sees the same bits as an uninterrupted one. Threads may ask at once.

    Args:
        encoder: what is wrapped.
        file: where :meth:`warm` keeps embeddings between trainings where ``kept`` is None; None: nowhere.
        kept: where embeddings are kept between runs and trainings; None: nowhere.
        identity: what tells this encoder from others of its name; None: found by a probe when it is asked for.
        compute: where captions are embedded, and embeddings are given.

    Attributes:
        encoded: how many captions the wrapped encoder has really embedded.
        known: how many an earlier run had embedded.
    """

    def __init__(
        self,
        encoder: TextEncoder | LazyEncoder,
        file: Path | None = None,
        kept: KeptEmbeddings | None = None,
        identity: str | None = None,
        compute: Compute = CPU,
    ) -> None:
        self._encoder = encoder
        self._compute = compute
        self._content = ""
        if not isinstance(encoder, LazyEncoder):
            self._content = "" if identity else content_digest(encoder)  # before it is used, which may fill caches
            placed(encoder, compute)
        self._path = file
        self._identity = identity
        self._kept = kept
        self.name = encoder.name
        self.dim = encoder.dim
        self.encoded = 0
        self.known = 0
        self._rows: dict[str, Tensor] = {}
        self._bank = _Bank(encoder.dim, compute.device)
        self._encoding = RLock()

    def __getstate__(self) -> dict[str, Any]:
        """For copies and other processes: everything but the lock, of which each has its own."""
        return {name: value for name, value in vars(self).items() if name != "_encoding"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _encoding=RLock())

    @property
    def identity(self) -> str:
        """What tells this encoder from others of its name: what was declared, else all that it holds, and a probe
        (:mod:`leadbench.text.identity`)."""
        if self._identity is None:
            probed = probe_identity(self.wrapped)
            self._identity = hashlib.sha256(f"{self._content} {probed}".encode()).hexdigest()
        return self._identity

    @property
    def wrapped(self) -> TextEncoder:
        """The encoder itself, made now if it was not."""
        with self._encoding:
            if isinstance(self._encoder, LazyEncoder):
                self._encoder = self._encoder.make()
                self._content = "" if self._identity else content_digest(self._encoder)
                placed(self._encoder, self._compute)
            return self._encoder

    def warm(self, captions: Sequence[str], batch: int = 64) -> None:
        """:meth:`together`, with a file of the model folder for encoders whose embeddings are not kept elsewhere: for
        training, where the last bit does not matter."""
        if self._kept is None:
            self._read(set(captions))
        if self.together(captions, batch) and self._kept is None:
            self._write()

    def together(self, captions: Sequence[str], batch: int = 64) -> int:
        """Embed many captions in batches of one length, or of like length where the encoder does not tell
        ``token_counts(captions)``; returns how many were new.

        A new cache that is asked for the same captions first gives the same bits; so does one that finds them kept.
        """
        with self._encoding:
            self._recall({c for c in captions if c not in self._rows})
            new = list({c: None for c in captions if c not in self._rows})
            for group in self._of_one_length(new):
                for start in range(0, len(group), batch):
                    self._store(group[start : start + batch])
            if self._kept is not None and new:
                self._keep(lambda kept: kept.add({caption: self._rows[caption] for caption in new}), self._kept)
        return len(new)

    def _recall(self, wanted: set[str]) -> None:
        if self._kept is not None and wanted:
            found = self._kept.read(wanted)
            self._rows.update(found)
            self.known += len(found)

    def _of_one_length(self, captions: Sequence[str]) -> Iterator[list[str]]:
        """Captions grouped by their number of tokens, so that none is padded; else all, sorted by characters."""
        by_characters = sorted(captions, key=lambda c: (len(c), c))
        count = getattr(self.wrapped, "token_counts", None) if captions else None
        if count is None:
            yield by_characters
            return
        groups: dict[int, list[str]] = {}
        for caption, tokens in zip(by_characters, count(by_characters), strict=True):
            groups.setdefault(tokens, []).append(caption)
        for tokens in sorted(groups):
            yield groups[tokens]

    @property
    def rows(self) -> Mapping[str, Tensor]:
        """Caption -> tokens [L, C], of all captions embedded so far."""
        return dict(self._rows)

    def preload(self, rows: Mapping[str, Tensor]) -> None:
        """Take embeddings that another process made."""
        self._rows.update(rows)

    def encode(self, captions: Sequence[str]) -> Condition:
        """Embed captions [B, L, C]; rows are padded to the longest, with a mask."""
        for caption in dict.fromkeys(captions):
            if caption not in self._rows:
                with self._encoding:
                    if caption not in self._rows:
                        self._store([caption])
        with self._encoding:
            tokens, mask = self._bank.get(captions, self._rows)
        return Condition(tokens, mask, self.name)

    def null(self, batch: int) -> Condition:
        """The encoder's own embedding of the empty caption, encoded once."""
        return self.encode([""]).expand(batch)

    def _store(self, captions: Sequence[str]) -> None:
        condition = self.wrapped.encode(captions).to("cpu")
        self.encoded += len(captions)
        for caption, tokens, mask in zip(captions, condition.tokens, condition.mask, strict=True):
            self._rows[caption] = tokens[mask].clone()

    @property
    def _file(self) -> KeptEmbeddings | None:
        """The model folder's file, which is of this encoder as it is now."""
        return None if self._path is None else KeptEmbeddings(self._path, self.identity)

    def _read(self, wanted: set[str]) -> None:
        """Take embeddings from the model folder's file."""
        if self._file is not None:
            self._rows.update(self._file.read(wanted - self._rows.keys()))

    def _write(self) -> None:
        if self._file is not None:
            self._keep(lambda kept: kept.write(self._rows), self._file)

    @staticmethod
    def _keep(write: Callable[[KeptEmbeddings], None], kept: KeptEmbeddings) -> None:
        with suppress(OSError):  # a full or closed folder is no reason to stop: only time is lost
            write(kept)
