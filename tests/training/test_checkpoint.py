"""Checkpoints: whose they are, and what becomes of damaged ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from leadbench.core.errors import CheckpointError
from leadbench.training.checkpoint import CheckpointFile

OF = {"configuration": {"steps": 3}, "latent space": "a"}


def _state(step: int) -> dict[str, object]:
    return {"state": {"step": step}, "model": {"w": torch.full((64,), float(step))}}


def test_it_gives_back_what_was_saved(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "a.pt", OF)
    assert file.load() is None
    file.save(_state(1))
    loaded = file.load()
    assert loaded is not None
    assert loaded["state"] == {"step": 1}
    assert torch.equal(loaded["model"]["w"], torch.ones(64))


def test_that_of_another_training_is_not_continued(tmp_path: Path) -> None:
    CheckpointFile(tmp_path / "a.pt", OF).save(_state(1))
    other = {"configuration": {"steps": 4}, "latent space": "b"}
    with pytest.raises(CheckpointError, match=r"a\.pt.*configuration\.steps, latent space.*--restart"):
        CheckpointFile(tmp_path / "a.pt", other).load()
    said: list[str] = []
    assert CheckpointFile(tmp_path / "a.pt", other, replace=True, say=said.append).load() is None
    assert "of another training (configuration.steps, latent space differ); beginning anew" in said[0]
    assert CheckpointFile(tmp_path / "a.pt", other, restart=True).load() is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign"])
def test_a_damaged_one_gives_way_to_the_one_before(tmp_path: Path, damage: str) -> None:
    said: list[str] = []
    file = CheckpointFile(tmp_path / "a.pt", OF, say=said.append)
    for step in (1, 2):
        file.save(_state(step))
    raw = bytearray(file.path.read_bytes())
    if damage == "cut":
        raw = raw[: len(raw) // 2]
    elif damage == "flipped":
        raw[len(raw) // 2] ^= 4
    else:
        raw = bytearray(b"something else")
    file.path.write_bytes(raw)
    loaded = file.load()
    assert loaded is not None
    assert loaded["state"] == {"step": 1}
    assert len(said) == 1
    assert "a.pt" in said[0]
    assert "a.previous.pt" in said[0]
    file.previous.unlink()
    with pytest.raises(CheckpointError, match=r"a\.pt.*--restart"):
        file.load()
