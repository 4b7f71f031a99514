"""Descriptions of sweeps, and crews that do nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from leadbench.sweep.description import Sweep
from leadbench.sweep.pieces import Known, Piece
from leadbench.sweep.work import Order, Outcome

SMALL: dict[str, Any] = {
    "out": "runs",
    "seeds": [0, 1],
    "options": {"preset": "tiny", "device": "cpu"},
    "datasets": {"bnr": {"dataset": "data/bnr"}},
    "train": [
        {"stage": "projector"},
        {"stage": "autoencoder", "shared": True},
        {"stage": "diffusion"},
        {"stage": "diffusion", "options": {"text-encoder": "wordllama"}},
        {"stage": "consistency", "options": {"text-encoder": "wordllama"}},
    ],
    "task": [{"command": "run", "parts": 2, "options": {"backbone": "mld", "steps": [1, 2], "controls": True}}],
    "finish": [{"command": "claims", "arguments": ["{out}"], "stdout": "{out}/claims.md", "exit_codes": [0, 1]}],
}

OPTIONS = {
    "preset": Known(),
    "device": Known(),
    "dataset": Known(),
    "root": Known(),
    "models": Known(),
    "out": Known(),
    "part": Known(),
    "backbone": Known(),
    "steps": Known(),
    "text-encoder": Known(),
    "controls": Known(flag=True),
    "replace": Known(flag=True),
    "set": Known(repeated=True),
}


def options_of(command: str) -> Mapping[str, Known]:
    """Some options, of any command."""
    known = {"claims": [], "data": ["out"]}.get(command.partition(" ")[0], [*OPTIONS])
    return {name: OPTIONS[name] for name in known}


def described(**changes: Any) -> Sweep:
    """The small sweep, with some tables replaced."""
    return Sweep.model_validate({**SMALL, **changes})


class FakeCrew:
    """Does every piece at once by calling ``work``, in the order in which they are handed out, one at each look."""

    def __init__(self, work: Callable[[Order], Outcome] = lambda order: Outcome(0, {}, 1.0)) -> None:
        self.work = work
        self.orders: list[str] = []
        self.waiting: list[Order] = []
        self.stopped = False

    def begin(self, order: Order) -> None:
        """Put it at the end."""
        self.orders.append(order.piece.name)
        self.waiting.append(order)

    def ended(self) -> Mapping[str, Outcome]:
        """Do the first."""
        order = self.waiting.pop(0)
        return {order.piece.name: self.work(order)}

    def stop(self) -> None:
        """Remember it."""
        self.stopped = True


def chain(*names: str) -> list[Piece]:
    """Pieces of which each needs the one before."""
    return [Piece(name, name, (name,), names[k - 1 : k] if k else ()) for k, name in enumerate(names)]


def touching(folder: Path) -> Callable[[Order], Outcome]:
    """Work that writes a file of the piece's name, and says so."""
    from leadbench.sweep.state import digest_of

    def work(order: Order) -> Outcome:
        file = folder / order.piece.name.replace("/", "-")
        file.write_text(order.piece.name)
        return Outcome(0, {str(file): digest_of(file)}, 2.0, 100.0)

    return work
