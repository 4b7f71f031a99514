"""A sweep worked on: what is ready is handed out, what is done is kept, what fails stops only what needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from leadbench.core.errors import ConfigError, LeadbenchError, WorkerError
from leadbench.core.files import locked
from leadbench.sweep.crew import Crew
from leadbench.sweep.estimate import chains_behind, costs_of
from leadbench.sweep.pieces import Piece
from leadbench.sweep.state import Marker, SweepState, inputs_of
from leadbench.sweep.work import Order, Outcome, do_piece

Report = Callable[[str, int, int], None]
"""Called with a piece that has ended, how many have, and of how many."""


class PieceError(LeadbenchError):
    """A piece of a sweep failed; its log says why."""


@dataclass(frozen=True)
class Failure:
    """A piece that failed.

    Attributes:
        piece: its name.
        code: exit code.
        log: where everything that it said is.
        said: the last line of that.
    """

    piece: str
    code: int
    log: Path
    said: str


def run_sweep(pieces: Sequence[Piece], out: Path, crew: Crew, report: Report = lambda *_: None) -> None:
    """Do all pieces that are not done.

    Args:
        pieces: each after those that it needs.
        out: folder of results.
        crew: who does them.
        report: called when a piece has ended.

    Raises:
        WorkerError: another process runs a sweep there.
        PieceError: pieces failed; all that do not need them are done first.
    """
    state = SweepState(out)
    try:
        with locked(state.folder / "sweep.lock", _refuse(out)):
            _Foreman(pieces, state, out, crew, report).work()
    finally:
        crew.stop()


def run_piece(pieces: Sequence[Piece], out: Path, chosen: Piece) -> None:
    """Do one piece, in this process's place in a scheduler's queue.

    Raises:
        ConfigError: a piece that it needs is not done.
        PieceError: it failed.
    """
    state = SweepState(out)
    standing = state.standing(pieces)
    missing = [need for need in chosen.needs if standing.status[need] not in ("done", "found")]
    if missing:
        raise ConfigError(f"{chosen.name}: needs pieces that are not done: {', '.join(missing)}")
    if standing.status[chosen.name] in ("done", "found"):
        return
    outcome = do_piece(_order(chosen, pieces, state, out))
    if outcome.code:
        raise _failed([_failure(chosen.name, outcome, state)], 0)
    state.write(_marker(chosen, outcome, standing.inputs[chosen.name]))


class _Foreman:
    def __init__(self, pieces: Sequence[Piece], state: SweepState, out: Path, crew: Crew, report: Report) -> None:
        self._pieces = {piece.name: piece for piece in pieces}
        self._state, self._out, self._crew, self._report = state, out, crew, report
        standing = state.standing(pieces)
        self._folders: dict[Path, str] = {}
        self._inputs: dict[str, str] = {}
        self._left = {piece.name for piece in standing.left(pieces)}
        self._total = len(pieces)
        self._begun: set[str] = set()
        self._failed: list[Failure] = []
        # what most waits for comes first
        costs = costs_of(pieces, state.known())
        self._behind = chains_behind(pieces, {name: cost.seconds or 1.0 for name, cost in costs.items()})

    def work(self) -> None:
        """Until nothing is left that could be done."""
        while self._left:
            for piece in self._ready():
                self._begun.add(piece.name)
                self._inputs[piece.name] = inputs_of([*self._pieces.values()], self._folders)[piece.name]
                self._crew.begin(_order(piece, [*self._pieces.values()], self._state, self._out))
            if not self._begun:
                break  # what is left needs what failed
            for name, outcome in self._crew.ended().items():
                self._end(name, outcome)
        if self._failed:
            raise _failed(self._failed, len(self._left) - len(self._failed))

    def _ready(self) -> list[Piece]:
        failed = {failure.piece for failure in self._failed}
        waiting = [piece for name, piece in self._pieces.items() if name in self._left - self._begun - failed]
        ready = [piece for piece in waiting if not any(need in self._left for need in piece.needs)]
        return sorted(ready, key=lambda piece: -self._behind[piece.name])

    def _end(self, name: str, outcome: Outcome) -> None:
        self._begun.discard(name)
        if outcome.code:
            self._failed.append(_failure(name, outcome, self._state))
        else:
            self._left.discard(name)
            self._state.write(_marker(self._pieces[name], outcome, self._inputs[name]))
            if self._pieces[name].made is not None:
                self._folders.clear()  # a dataset is there that was not
        self._report(name, self._total - len(self._left), self._total)


def _order(piece: Piece, pieces: Sequence[Piece], state: SweepState, out: Path) -> Order:
    by_name = {one.name: one for one in pieces}
    wanted = []
    for need in piece.needs:
        marker = state.read(need)
        if marker is not None and piece.models is not None and by_name[need].models is not None:
            wanted += [path for path in marker.outputs if Path(path).suffix == ".safetensors"]
    return Order(piece, out, tuple(wanted), Path.cwd())


def _marker(piece: Piece, outcome: Outcome, inputs: str) -> Marker:
    return Marker(
        piece=piece.name,
        entry=piece.entry,
        inputs=inputs,
        outputs=dict(outcome.outputs),
        seconds=outcome.seconds,
        peak_mib=outcome.peak_mib,
        machine=outcome.machine,
        revision=outcome.revision,
    )


def _failure(name: str, outcome: Outcome, state: SweepState) -> Failure:
    return Failure(name, outcome.code, state.log(name), outcome.said)


def _failed(failures: Sequence[Failure], waiting: int) -> PieceError:
    """One line: what failed first and why, and how much waits for it."""
    first = failures[0]
    how = f"was killed by signal {-first.code}" if first.code < 0 else f"ended with {first.code}"
    more = f"; {len(failures) - 1} more failed" if len(failures) > 1 else ""
    waits = f"; {waiting} pieces wait for it" if waiting > 0 else ""
    said = first.said.removeprefix("error: ")
    return PieceError(f"{first.piece}: {how}: {said} (all of it: {first.log}){more}{waits}")


def _refuse(out: Path) -> Callable[[], None]:
    def refuse() -> None:
        raise WorkerError(f"--out {out}: another process runs a sweep there")

    return refuse
