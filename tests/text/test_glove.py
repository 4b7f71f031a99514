from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from leadbench.core.errors import WeightsError
from leadbench.text.glove import GloveVectors, load_plain_pickle

WORDS = ["walk", "sos", "eos", "unk"]
ROWS = {"walk": 3, "sos": 0, "eos": 1, "unk": 2}


def write(folder: Path, words: object = WORDS, rows: object = ROWS, table: np.ndarray | None = None) -> Path:
    np.save(folder / "our_vab_data.npy", np.arange(12.0).reshape(4, 3) if table is None else table)
    (folder / "our_vab_words.pkl").write_bytes(pickle.dumps(words))
    (folder / "our_vab_idx.pkl").write_bytes(pickle.dumps(rows))
    return folder


def test_rows_come_from_the_index_not_from_the_list(tmp_path: Path) -> None:
    glove = GloveVectors.from_folder(write(tmp_path))
    walk = glove.lookup("walk")
    assert walk is not None
    assert walk.tolist() == [9.0, 10.0, 11.0]
    assert glove.special("unk").tolist() == [6.0, 7.0, 8.0]
    assert glove.lookup("dumbbell") is None
    assert glove.width == 3


def test_identity_changes_with_words_and_vectors(tmp_path: Path) -> None:
    first = GloveVectors.from_folder(write(tmp_path)).identity
    assert GloveVectors.from_folder(write(tmp_path)).identity == first
    assert GloveVectors.from_folder(write(tmp_path, table=np.ones((4, 3)))).identity != first
    assert GloveVectors.from_folder(write(tmp_path, rows={**ROWS, "walk": 0})).identity != first


@pytest.mark.parametrize(
    ("words", "rows", "message"),
    [
        (WORDS, {**ROWS, "walk": 4}, "no row for"),
        ([*WORDS, "jump"], ROWS, "no row for"),
        (["walk"], ROWS, "no entry"),
        ("walk", ROWS, "must hold a list"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, words: object, rows: object, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        GloveVectors.from_folder(write(tmp_path, words, rows))


def test_missing_file(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "our_vab_idx.pkl").unlink()
    with pytest.raises(WeightsError, match="our_vab_idx"):
        GloveVectors.from_folder(tmp_path)


class _Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (Path.touch, (self.target,))


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    target, file = tmp_path / "ran", tmp_path / "attack.pkl"
    file.write_bytes(pickle.dumps({"walk": _Attack(target)}))
    with pytest.raises(WeightsError, match="cannot be read safely"):
        load_plain_pickle(file)
    assert not target.exists()
