"""``leadbench sweep``: trainings and evaluations by the dozen, from one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperOption

from leadbench.cli.console import note
from leadbench.cli.groups import Group, LazyCommand, load
from leadbench.cli.options import ClusterOption
from leadbench.cli.progress import progress
from leadbench.core.errors import ConfigError, LeadbenchError, nearest, unknown_name
from leadbench.core.files import require_output
from leadbench.sweep.crew import LocalCrew
from leadbench.sweep.description import Sweep, read_sweep
from leadbench.sweep.estimate import costs_of
from leadbench.sweep.pieces import Known, Piece, pieces_of
from leadbench.sweep.ray_crew import RayCrew
from leadbench.sweep.run import run_piece, run_sweep
from leadbench.sweep.state import SweepState
from leadbench.sweep.table import levels, list_text, plan_json, plan_text

FileArgument = Annotated[Path, typer.Argument(help="Description of the sweep (TOML).", show_default=False)]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a value of the file: seeds=[0], datasets.bnr.root=DATA.", show_default=False),
]


def plan(
    file: FileArgument,
    set: SetOption = None,
    jobs: Annotated[
        str, typer.Option("--jobs", "-j", help="Estimate the time with so many workers, such as 1,2,8.")
    ] = "1,2,8",
    json: Annotated[bool, typer.Option("--json", help="One JSON object for each piece.")] = False,
) -> None:
    """What a sweep consists of, what is done, and what would run.

    Times and memory are of pieces that were done, or of pieces of the same entry. Nothing is written.

    Example: leadbench sweep plan sweeps/bnr.toml --set seeds=[0]
    """
    sweep, pieces = _opened(file, set)
    state = SweepState(sweep.out)
    stands, costs = state.standing(pieces), costs_of(pieces, state.known())
    if json:
        typer.echo(plan_json(pieces, stands, costs))
        return
    typer.echo(plan_text(pieces, stands, costs, _counts(jobs)))


def list_pieces(
    file: FileArgument,
    set: SetOption = None,
    level: Annotated[
        int | None, typer.Option("--level", min=1, help="Only numbers of this level, with commas.", show_default=False)
    ] = None,
) -> None:
    """Number, level and command of every piece, for a scheduler.

    Pieces of one level are independent of each other. With --level, only numbers are printed, as Slurm's --array takes
    them, and nothing if there is no such level.

    Example: leadbench sweep list sweeps/bnr.toml --level 1
    """
    _, pieces = _opened(file, set)
    if level is None:
        typer.echo(list_text(pieces))
        return
    typer.echo(",".join(str(number) for number, at in enumerate(levels(pieces), start=1) if at == level))


def run(
    file: FileArgument,
    set: SetOption = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Pieces at once [default: 1; on a cluster as many as it has room for].",
            show_default=False,
        ),
    ] = None,
    cluster: ClusterOption = None,
    piece: Annotated[
        str | None,
        typer.Option("--piece", help="Only this piece, by number or name; what it needs is done.", show_default=False),
    ] = None,
) -> None:
    """Run the pieces of a sweep that are not done.

    Safe to interrupt: the same command continues where it stopped. A piece that fails stops only those that need
    it; its log says why. --piece runs a single one, as a job of a scheduler.

    Example: leadbench sweep run sweeps/bnr.toml --jobs 2

    Example: leadbench sweep run sweeps/bnr.toml --cluster auto

    Example: leadbench sweep run sweeps/bnr.toml --piece "$SLURM_ARRAY_TASK_ID"
    """
    sweep, pieces = _opened(file, set)
    require_output(sweep.out, "out")
    if piece is not None:
        chosen = _chosen(pieces, piece)
        run_piece(pieces, sweep.out, chosen)
        note(f"done: {chosen.name}")
        return
    with progress() as reporter:
        crew = LocalCrew(jobs or 1) if cluster is None else RayCrew(cluster, jobs)
        run_sweep(pieces, sweep.out, crew, lambda name, k, n: reporter.show("sweep", k, n, name))
    note(f"results: {sweep.out}")


def _opened(file: Path, changes: list[str] | None) -> tuple[Sweep, tuple[Piece, ...]]:
    sweep = read_sweep(file, changes or ())
    try:
        return sweep, pieces_of(sweep, options_of)
    except LeadbenchError as exc:
        raise ConfigError(f"{file}: {exc}") from exc


def _chosen(pieces: tuple[Piece, ...], given: str) -> Piece:
    names = [piece.name for piece in pieces]
    if given.isdecimal() and 1 <= int(given) <= len(pieces):
        return pieces[int(given) - 1]
    if given not in names:
        guess = nearest(given, names)
        hint = f"; did you mean {guess!r}?" if guess else ""
        raise ConfigError(f"--piece {given}: no such piece (allowed: 1 to {len(pieces)}, or a name{hint})")
    return pieces[names.index(given)]


def _counts(text: str) -> list[int]:
    counts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in counts):
        raise ConfigError(f"--jobs {text}: must be numbers from 1 on, such as 1,8")
    return [int(part) for part in counts]


def options_of(command: str) -> Mapping[str, Known]:
    """Options of a command of leadbench, without hyphens.

    Raises:
        UnknownNameError: there is no such command.
    """
    from leadbench.cli.main import COMMANDS  # which imports none of its commands

    entry: Group | LazyCommand = COMMANDS
    done: list[str] = []
    for word in command.split() or [""]:
        entries = entry.entries if isinstance(entry, Group) else {}
        if word not in entries:
            where = " ".join(["leadbench", *done])
            raise unknown_name("command", word, entries, where=where)
        entry = entries[word]
        done.append(word)
    if isinstance(entry, Group):
        raise unknown_name("command", "", entry.entries, where=f"leadbench {command}")
    return {name: known for parameter in load(done[-1], entry).params for name, known in _known(parameter)}


def _known(parameter: Any) -> list[tuple[str, Known]]:
    if not isinstance(parameter, TyperOption):
        return []
    known = Known(flag=bool(parameter.is_flag), repeated=bool(parameter.multiple))
    return [(name.removeprefix("--"), known) for name in (*parameter.opts, *parameter.secondary_opts) if "--" in name]
