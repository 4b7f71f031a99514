from __future__ import annotations

from pathlib import Path

import pytest

from leadbench.sweep import work
from leadbench.sweep.pieces import Piece
from leadbench.sweep.work import Order, do_piece


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("step 1\nerror: no such file\n\n", "error: no such file"),
        ("error: loss is nan\nChildFailedError:\n=====\n", "error: loss is nan"),
        ("step 1\nKilled\n", "Killed"),
        ("", ""),
    ],
)
def test_what_a_piece_said_last(text: str, said: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(text)
    assert work._last_line(log) == said


def test_a_training_that_several_processes_fail_at_says_why(tmp_path: Path) -> None:
    """By torchrun, whose own report comes last in the log."""
    arguments = ("train", "autoencoder", "--dataset", "nowhere", "--device", "cpu")
    piece = Piece("seed-0/autoencoder", "autoencoder", arguments, processes=2)
    assert piece.command[:5] == ("torchrun", "--standalone", "--nproc-per-node", "2", "-m")
    outcome = do_piece(Order(piece, tmp_path / "runs", (), tmp_path))
    assert outcome.code != 0
    assert outcome.said.startswith("error: dataset nowhere: no such folder")
