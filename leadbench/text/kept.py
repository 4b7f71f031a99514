"""Embeddings of captions that stay in a file: between trainings of a model folder, and between a user's runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from leadbench.core.files import replacing
from leadbench.core.provenance import fingerprint

_PATIENCE = 30.0  # seconds that a writer waits for another


class KeptEmbeddings:
    """A file of embeddings with their hash; one that is missing, damaged or of another encoder holds nothing, and is
    made anew.

    Args:
        path: the file; its folder is made when something is written.
        identity: of the encoder that made them; None: the path says which.
    """

    def __init__(self, path: Path, identity: str | None = None) -> None:
        self.path = Path(path)
        self._identity = identity or ""

    @property
    def dim(self) -> int | None:
        """Width C of what is kept; None: nothing is."""
        try:
            with safe_open(self.path, framework="pt") as stored:
                return int(stored.get_slice("rows").get_shape()[1])
        except (OSError, SafetensorError, IndexError):
            return None

    def read(self, wanted: Collection[str] | None = None) -> dict[str, Tensor]:
        """Tokens [L, C] by caption, of all captions or of those ``wanted`` that are kept."""
        try:
            with safe_open(self.path, framework="pt") as stored:
                rows, lengths = stored.get_tensor("rows"), stored.get_tensor("lengths").tolist()
                about = stored.metadata() or {}
                captions = json.loads(about["captions"])
                split = rows.split(lengths)
            if about.get("sha256") != self._digest(captions, rows, lengths) or len(split) != len(captions):
                return {}
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError, RecursionError):
            return {}  # no such file, or another kind of one
        kept = zip(captions, split, strict=True)
        return {caption: row.clone() for caption, row in kept if wanted is None or caption in wanted}

    def write(self, rows: Mapping[str, Tensor]) -> None:
        """Keep these rows and no others; the file is never half-written. Raises OSError where it cannot be."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lengths = [len(row) for row in rows.values()]
        captions, joined = list(rows), torch.cat(list(rows.values()))
        about = {"captions": json.dumps(captions), "sha256": self._digest(captions, joined, lengths)}
        with replacing(self.path) as temporary:
            try:
                save_file({"rows": joined, "lengths": torch.tensor(lengths)}, temporary, metadata=about)
            except SafetensorError as exc:  # its own kind of error for a full disk
                raise OSError(str(exc)) from exc

    def add(self, rows: Mapping[str, Tensor]) -> None:
        """Keep these rows too, whoever else adds at the same time. Raises OSError where it cannot be."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock", timeout=_PATIENCE):
            self.write({**self.read(), **rows})

    def _digest(self, captions: list[str], rows: Tensor, lengths: list[int]) -> str:
        return fingerprint({"rows": rows}, {"captions": captions, "lengths": lengths, "of": self._identity})
