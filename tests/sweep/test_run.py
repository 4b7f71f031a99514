from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from leadbench.core.errors import ConfigError, ResultsError, WorkerError
from leadbench.core.files import locked
from leadbench.sweep.crew import LocalCrew
from leadbench.sweep.pieces import Piece, pieces_of
from leadbench.sweep.run import PieceError, run_piece, run_sweep
from leadbench.sweep.state import SweepState, digest_of
from leadbench.sweep.work import Order, Outcome, do_piece
from sweeps import FakeCrew, chain, described, options_of, touching


def test_every_piece_is_done_once_after_those_that_it_needs(tmp_path: Path) -> None:
    pieces = pieces_of(described(), options_of)
    crew = FakeCrew()
    run_sweep(pieces, tmp_path, crew)
    assert sorted(crew.orders) == sorted(piece.name for piece in pieces)
    position = {name: number for number, name in enumerate(crew.orders)}
    assert all(position[need] < position[piece.name] for piece in pieces for need in piece.needs)
    assert crew.stopped


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    pieces = chain("a", "b", "c")
    run_sweep(pieces, tmp_path, FakeCrew())
    again = FakeCrew()
    run_sweep(pieces, tmp_path, again)
    assert again.orders == []


def test_a_changed_command_is_done_again_with_all_that_need_it(tmp_path: Path) -> None:
    run_sweep([*chain("a", "b", "c"), Piece("d", "d", ("d",))], tmp_path, FakeCrew())
    changed = [Piece("a", "a", ("a",)), Piece("b", "b", ("b", "--more"), ("a",)), Piece("c", "c", ("c",), ("b",))]
    stands = SweepState(tmp_path).standing(changed)
    assert stands.status == {"a": "done", "b": "changed", "c": "changed"}
    crew = FakeCrew()
    run_sweep(changed, tmp_path, crew)
    assert crew.orders == ["b", "c"]


def test_changed_data_and_lost_or_changed_outputs_are_noticed(tmp_path: Path) -> None:
    data, out, written = tmp_path / "data", tmp_path / "out", tmp_path / "written"
    (data / "models").mkdir(parents=True)
    written.mkdir()
    (data / "Mean.npy").write_text("1")
    pieces = [Piece("a", "a", ("a",), dataset=data), Piece("b", "b", ("b",), ("a",))]
    run_sweep(pieces, out, FakeCrew(touching(written)))
    state = SweepState(out)
    assert set(state.standing(pieces).status.values()) == {"done"}
    (data / "models" / "x.safetensors").write_text("a model in the dataset's folder is no part of it")
    assert set(state.standing(pieces).status.values()) == {"done"}
    (written / "b").write_text("changed")
    assert state.standing(pieces).status == {"a": "done", "b": "changed"}
    (written / "b").unlink()
    assert state.standing(pieces).status == {"a": "done", "b": "changed"}
    (data / "Mean.npy").write_text("12")
    assert state.standing(pieces).status == {"a": "changed", "b": "changed"}


def test_a_failure_stops_only_what_needs_it_and_is_told_with_its_log(tmp_path: Path) -> None:
    pieces = [*chain("a", "b", "c"), Piece("d", "d", ("d",))]
    broken = FakeCrew(lambda order: Outcome(2 if order.piece.name == "b" else 0, {}, 1.0, said="error: no such thing"))
    with pytest.raises(
        PieceError, match=r"b: ended with 2: no such thing \(all of it: .*b\.log\); 1 pieces wait for it"
    ):
        run_sweep(pieces, tmp_path, broken)
    assert sorted(broken.orders) == ["a", "b", "d"]
    mended = FakeCrew()
    run_sweep(pieces, tmp_path, mended)
    assert mended.orders == ["b", "c"]


def test_an_interrupted_sweep_keeps_what_is_done(tmp_path: Path) -> None:
    def work(order: Order) -> Outcome:
        if order.piece.name == "b":
            raise KeyboardInterrupt
        return Outcome(0, {}, 1.0)

    crew = FakeCrew(work)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(chain("a", "b", "c"), tmp_path, crew)
    assert crew.stopped
    assert SweepState(tmp_path).standing(chain("a", "b", "c")).status == {"a": "done", "b": "to do", "c": "to do"}


def test_a_crew_that_stops_interrupts_what_runs_and_drops_what_waits(tmp_path: Path) -> None:
    data = ("data", "synthesize", "--clips", "4000", "--out", str(tmp_path / "data"))
    crew = LocalCrew(1)
    for name in ("a", "b"):
        crew.begin(Order(Piece(name, name, data), tmp_path, (), tmp_path))
    log = SweepState(tmp_path).log("a")
    deadline = time.monotonic() + 60
    while not (log.is_file() and log.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)  # at work
    crew.stop()
    assert "wrote" not in log.read_text()
    assert not SweepState(tmp_path).log("b").exists()
    assert not (tmp_path / "data").exists()


def test_two_sweeps_in_one_folder_are_refused(tmp_path: Path) -> None:
    state = SweepState(tmp_path)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(state.folder / "sweep.lock"):
            held.set()
            release.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(30)
    try:
        with pytest.raises(WorkerError, match="another process runs a sweep there"):
            run_sweep(chain("a"), tmp_path, FakeCrew())
    finally:
        release.set()
        other.join()


def test_a_damaged_marker_is_named(tmp_path: Path) -> None:
    run_sweep(chain("a"), tmp_path, FakeCrew())
    (tmp_path / ".sweep" / "done" / "a.done.json").write_text("{}")
    with pytest.raises(ResultsError, match="no marker of a piece; remove it"):
        SweepState(tmp_path).standing(chain("a"))


def test_one_piece_needs_those_before_it(tmp_path: Path) -> None:
    pieces = [Piece("a", "a", ("zoo", "list")), Piece("b", "b", ("zoo", "list"), ("a",))]
    with pytest.raises(ConfigError, match="b: needs pieces that are not done: a"):
        run_piece(pieces, tmp_path, pieces[1])
    run_piece(pieces, tmp_path, pieces[0])
    assert SweepState(tmp_path).standing(pieces).status == {"a": "done", "b": "to do"}
    with pytest.raises(PieceError, match="c: ended with 2"):
        run_piece([Piece("c", "c", ("zoo", "lst"))], tmp_path, Piece("c", "c", ("zoo", "lst")))


def test_a_piece_keeps_what_it_prints_and_gets_the_models_that_it_needs(tmp_path: Path) -> None:
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    for name in ("autoencoder.safetensors", "autoencoder.json"):
        (shared / name).write_text(name)
    printed = tmp_path / "made" / "printed.txt"
    piece = Piece("a", "a", ("config", "preset", "tiny"), models=own, stdout=printed)
    wanted = (str(shared / "autoencoder.safetensors"), str(tmp_path / "runs"))
    outcome = do_piece(Order(piece, tmp_path / "out", wanted, tmp_path))
    assert outcome.code == 0
    assert "[autoencoder" in printed.read_text()
    assert outcome.outputs == {str(printed): digest_of(printed)}
    assert (own / "autoencoder.json").read_text() == "autoencoder.json"
    assert outcome.peak_mib is None or outcome.peak_mib > 10


def test_a_piece_that_fails_leaves_no_half_of_what_it_prints(tmp_path: Path) -> None:
    printed = tmp_path / "printed.txt"
    printed.write_text("before")
    piece = Piece("a", "a", ("config", "preset", "tinny"), stdout=printed)
    outcome = do_piece(Order(piece, tmp_path / "out", (), tmp_path))
    assert outcome.code == 2
    assert "did you mean 'tiny'" in outcome.said
    assert printed.read_text() == "before"
