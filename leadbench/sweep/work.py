"""A piece done: its command in a process of its own, with a log, and what it wrote."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from leadbench.core.files import locked, replacing
from leadbench.core.outputs import VARIABLE
from leadbench.core.processes import PARENT
from leadbench.core.provenance import git_revision, hardware
from leadbench.sweep.pieces import Piece, launched
from leadbench.sweep.state import SweepState, digest_of

_WAIT_SECONDS = 0.05
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Order:
    """All that somebody needs who does a piece, on any machine that sees the same files; it can be pickled.

    Attributes:
        piece: what is to be done.
        out: folder of results of the sweep.
        wanted: models of other folders that it reads; they are put into its own.
        folder: working folder of the command.
    """

    piece: Piece
    out: Path
    wanted: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """How a piece ended.

    Attributes:
        code: exit code of its command; 0 where that counts as done.
        outputs: what it wrote, with digests.
        seconds, peak_mib: time and most memory of its process.
        said: last line of its log.
        machine, revision: processor or accelerator, and leadbench's revision, of where it was done.
    """

    code: int
    outputs: Mapping[str, str]
    seconds: float
    peak_mib: float | None = None
    said: str = ""
    machine: str = ""
    revision: str | None = None


def do_piece(order: Order, stop: Callable[[], bool] = lambda: False) -> Outcome:
    """Do a piece here, alone: whoever else is asked for it meanwhile waits, and then finds most of it done.

    Args:
        order: the piece.
        stop: asked often; once it says so, the command is interrupted.
    """
    state = SweepState(order.out)
    with locked(state.lock(order.piece.name)):
        _put_models(order)
        log = state.log(order.piece.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as temporary:
            journal = Path(temporary) / "outputs"
            printed = None if order.piece.stdout is None else Path(temporary) / "printed"
            code, peak = _called(order, log, _Files(journal, printed), stop)
            done = code in order.piece.exit_codes
            if printed is not None and order.piece.stdout is not None and done:
                _put(printed, order.piece.stdout)
            paths = journal.read_text(encoding="utf-8").split("\n") if journal.is_file() else []
        seconds = round(time.monotonic() - began, 1)
        outputs = {path: digest_of(Path(path)) for path in dict.fromkeys(paths) if path}
        for made in (order.piece.made, order.piece.stdout):
            if made is not None and done:
                outputs[str(made.absolute())] = digest_of(made)
        found, revision = hardware(), git_revision(Path(__file__).parent)
        machine = found["gpu"] or found["cpu"]
        return Outcome(0 if done else code or 1, outputs, seconds, peak, _last_line(log), machine, revision)


@dataclass(frozen=True)
class _Files:
    """What a command writes beside its log: where its outputs are, and what it prints, where that is wanted."""

    journal: Path
    printed: Path | None


def _called(order: Order, log: Path, files: _Files, stop: Callable[[], bool]) -> tuple[int, float | None]:
    """Exit code and peak memory (MiB) of the command; where this process is interrupted, it ends the command too."""
    threads = str(max(1, order.piece.resources.cpus // order.piece.processes))
    environment = {
        **os.environ,
        VARIABLE: str(files.journal),
        PARENT: str(os.getpid()),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "COLUMNS": "200",
    }
    together = order.piece.processes
    launcher = ["torch.distributed.run", *launched(together), "-m"] if together > 1 else []
    command = [sys.executable, "-m", *launcher, "leadbench", *order.piece.arguments]
    with ExitStack() as stack:
        said = stack.enter_context(log.open("w", encoding="utf-8"))
        printed = files.printed
        standard = said if printed is None else stack.enter_context(printed.open("w", encoding="utf-8"))
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=standard, stderr=said, env=environment, cwd=order.folder
        )
        try:
            return _waited(child, stop)
        except BaseException:
            _interrupt(child)
            raise


def _interrupt(child: subprocess.Popen[bytes]) -> None:
    """End a command as Ctrl-C does, and a little later as ``kill`` does; it has stored what it has."""
    child.send_signal(signal.SIGINT)
    try:
        child.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        child.terminate()
        child.wait()


def _waited(child: subprocess.Popen[bytes], stop: Callable[[], bool]) -> tuple[int, float | None]:
    """Exit code and peak memory of a process, where the system tells it."""
    while not hasattr(os, "wait4"):
        if child.poll() is not None:
            return child.returncode, None
        if stop():
            _interrupt(child)
        time.sleep(_WAIT_SECONDS)
    while True:
        if stop():
            _interrupt(child)
            return child.returncode, None
        ended, status, usage = os.wait4(child.pid, os.WNOHANG)
        if ended:
            child.returncode = os.waitstatus_to_exitcode(status)
            kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
            return child.returncode, round(kilobytes / 1024, 1)
        time.sleep(_WAIT_SECONDS)


def _put_models(order: Order) -> None:
    """Models that needed trainings wrote into other folders, put into the piece's own."""
    for name in order.wanted:
        weights = Path(name)
        if order.piece.models is None or weights.suffix != ".safetensors":
            continue
        for source in (weights, weights.with_suffix(".json")):
            target = order.piece.models / source.name
            if source.parent.absolute() == target.parent.absolute() or digest_of(source) == digest_of(target):
                continue
            _put(source, target)


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def _last_line(log: Path) -> str:
    """What a log ends with; where a launcher of several processes adds a report of its own, the error before it."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").split("\n") if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or [""])[-1]
