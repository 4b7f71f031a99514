"""The official GloVe vocabulary: ``our_vab_data.npy``, ``our_vab_words.pkl``, ``our_vab_idx.pkl``."""

from __future__ import annotations

import hashlib
import io
import pickle
import pickletools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leadbench.core.errors import WeightsError
from leadbench.core.reading import read_array, reason

GLOVE_FILES = ("our_vab_data.npy", "our_vab_words.pkl", "our_vab_idx.pkl")


class GloveVectors:
    """Word vectors of the official evaluators; implements ``WordVectors``.

    A word of the list has the row that the index file gives it, which is not its place in the list.

    Args:
        table: vectors [V, W].
        rows: word -> its row; holds ``sos``, ``eos`` and ``unk``.
    """

    name = "glove"

    def __init__(self, table: Tensor, rows: Mapping[str, int]) -> None:
        self.table = table
        self.rows = dict(rows)
        self.width = int(table.shape[1])
        digest = hashlib.sha256(table.numpy().tobytes())
        digest.update("\n".join(f"{word} {row}" for word, row in sorted(self.rows.items())).encode())
        self.identity = digest.hexdigest()

    @classmethod
    def from_folder(cls, folder: Path) -> GloveVectors:
        """Read the three files of the T2M release.

        Raises:
            WeightsError: a file is missing, holds more than lists, dictionaries, text and numbers, or does not fit.
        """
        data, words, index = (Path(folder) / name for name in GLOVE_FILES)
        for path in (data, words, index):
            if not path.is_file():
                raise WeightsError(f"GloVe vocabulary: {path} not found (needs {', '.join(GLOVE_FILES)})")
        table = _table(data)
        return cls(table, _rows(words, index, len(table)))

    def lookup(self, word: str) -> Tensor | None:
        """Vector [300] of a word of the vocabulary, else None."""
        row = self.rows.get(word)
        return None if row is None else self.table[row]

    def special(self, name: str) -> Tensor:
        """Vector of ``sos``, ``eos`` or ``unk``, which are words of the vocabulary."""
        return self.table[self.rows[name]]


class _PlainUnpickler(pickle.Unpickler):
    """Reads containers, text and numbers; refuses everything that would import or call something."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}; only plain lists and dictionaries are read")


def load_plain_pickle(path: Path) -> Any:
    """Contents of a pickle of plain containers, text and numbers.

    Raises:
        WeightsError: the file holds anything else; nothing of it is executed.
    """
    try:
        content = path.read_bytes()
        _require_modest(content)
        return _PlainUnpickler(io.BytesIO(content)).load()
    except Exception as exc:  # a broken pickle makes the unpickler raise anything
        raise WeightsError(f"{path}: cannot be read safely: {reason(exc)}") from exc


def _require_modest(content: bytes) -> None:
    """Refuse places of the memo far beyond the file's length, for which the unpickler would take memory at once."""
    for opcode, argument, _ in pickletools.genops(content):
        if "PUT" in opcode.name and isinstance(argument, int) and not 0 <= argument <= len(content):
            raise pickle.UnpicklingError(f"it asks for place {argument} of a memo")


def _table(path: Path) -> Tensor:
    table = read_array(path, WeightsError)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise WeightsError(f"{path}: must be a finite table [words, width], got shape {list(table.shape)}")
    return torch.from_numpy(table.astype(np.float32))


def _rows(words: Path, index: Path, count: int) -> dict[str, int]:
    listed, rows = load_plain_pickle(words), load_plain_pickle(index)
    if not isinstance(listed, list) or not isinstance(rows, dict):
        raise WeightsError(f"{words.parent}: {words.name} must hold a list and {index.name} a dictionary")
    if not all(isinstance(word, str) for word in listed):
        raise WeightsError(f"{words}: must hold words, all of them text")
    known = {word: rows.get(word) for word in listed}
    bad = [word for word, row in known.items() if not isinstance(row, int) or not 0 <= row < count]
    missing = [name for name in ("sos", "eos", "unk") if name not in known]
    if bad or missing:
        what = f"no row for {[word[:20] for word in bad[:3]]}" if bad else f"no entry {missing}"
        raise WeightsError(f"{index}: does not fit the other files: {what}")
    return {word: row for word, row in known.items() if row is not None}
