"""Embeddings of captions that stay in a file: between trainings of a model folder, and between a user's runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from leadbench.core.files import replacing


class KeptEmbeddings:
    """A file of embeddings; one that is missing or cannot be read holds nothing, and is made anew.

    Args:
        path: the file; its folder is made when something is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @property
    def dim(self) -> int | None:
        """Width C of what is kept; None: nothing is."""
        try:
            with safe_open(self.path, framework="pt") as stored:
                return int(stored.get_slice("rows").get_shape()[1])
        except (OSError, SafetensorError):
            return None

    def read(self, wanted: Collection[str] | None = None) -> dict[str, Tensor]:
        """Tokens [L, C] by caption, of all captions or of those ``wanted`` that are kept."""
        try:
            with safe_open(self.path, framework="pt") as stored:
                rows, lengths = stored.get_tensor("rows"), stored.get_tensor("lengths").tolist()
                captions = json.loads(stored.metadata()["captions"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):  # no such file, or another kind of one
            return {}
        kept = zip(captions, rows.split(lengths), strict=True)
        return {caption: row.clone() for caption, row in kept if wanted is None or caption in wanted}

    def write(self, rows: Mapping[str, Tensor]) -> None:
        """Keep these rows and no others; the file is never half-written. Raises OSError where it cannot be."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lengths = torch.tensor([len(row) for row in rows.values()])
        tensors = {"rows": torch.cat(list(rows.values())), "lengths": lengths}
        with replacing(self.path) as temporary:
            save_file(tensors, temporary, metadata={"captions": json.dumps(list(rows))})

    def add(self, rows: Mapping[str, Tensor]) -> None:
        """Keep these rows too; of two processes that add at the same time, one may lose what it added."""
        self.write({**self.read(), **rows})
