"""What a sweep is, as its TOML file says: datasets, training seeds, trainings, tasks, and what comes after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from leadbench.core.config import FrozenModel
from leadbench.core.errors import ConfigError, nearest
from leadbench.core.files import require_name
from leadbench.core.reading import first_problem
from leadbench.core.toml import parse_value, read_toml

Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...]
Options = Mapping[str, Value]
Stage = Literal["autoencoder", "motionclip", "diffusion", "consistency", "projector", "length", "evaluator"]
Seed = Annotated[int, Field(ge=0)]


class Resources(FrozenModel):
    """What a piece takes of a machine while it runs.

    Attributes:
        cpus: cores; torch gets as many threads.
        gpus: accelerators; on a cluster the piece sees these alone.
        memory_gib: of the host; 0: not looked at.
    """

    cpus: Annotated[int, Field(ge=1)] = 1
    gpus: Annotated[float, Field(ge=0)] = 0
    memory_gib: Annotated[float, Field(ge=0)] = 0


class Command(FrozenModel):
    """A command with its options, as on the command line but without the hyphens.

    Attributes:
        command: such as ``data prepare bnr``.
        arguments: what has no option's name.
        options: ``true`` sets a flag, a list is joined by commas or repeats the option.
    """

    command: str
    arguments: tuple[str, ...] = ()
    options: Options = Field(default_factory=dict)


class Dataset(FrozenModel):
    """A dataset, and where its models are.

    Attributes:
        dataset: ``--dataset``, a folder or a registered name; default: the key of the table.
        root: ``--root``.
        models: folder of models. Trainings write to ``seed-N`` and ``shared`` below it; without trainings it is used
            as it is. Default: ``models`` in the dataset's folder.
        prepare: the command that makes the dataset's folder, where it is not there.
    """

    dataset: str | None = None
    root: Path | None = None
    models: Path | None = None
    prepare: Command | None = None


class Entry(FrozenModel):
    """What trainings and tasks have in common.

    Attributes:
        name: of the entry, unique; default: the stage or command, with what sets it apart.
        datasets: only on these; default: all.
        needs: names of the trainings that come first; default: what the stage needs, or, for a task, all.
        options: of the command; they win over those of the whole sweep.
        resources: default: those of the whole sweep.
        seconds: that one takes, as far as is known, for plans before one was done.
    """

    seconds: Annotated[float, Field(gt=0)] | None = None
    name: str | None = None
    datasets: tuple[str, ...] | None = None
    needs: tuple[str, ...] | None = None
    options: Options = Field(default_factory=dict)
    resources: Resources | None = None


class Training(Entry):
    """A training, once for each seed, or once for all.

    Attributes:
        stage: of ``leadbench train``.
        shared: one training, with the first seed, whose weights all seeds use.
        processes: that train it together, by ``torchrun`` on one machine; cores are divided among them, and GPUs
            are one for each.
    """

    stage: Stage
    shared: bool = False
    processes: Annotated[int, Field(ge=1)] = 1


class Work(Entry):
    """A task, once for each seed.

    Attributes:
        command: such as ``run`` or ``mti run``.
        seeds: only models of these trainings; default: all.
        parts: pieces that the task is cut into (``--part``), merged when all are done.
    """

    command: str
    seeds: tuple[Seed, ...] | None = None
    parts: Annotated[int, Field(ge=1)] = 1


class Finish(Command):
    """A command on the results, when everything else is done.

    Attributes:
        name: default: the command.
        stdout: file for what it prints.
        exit_codes: that count as done; ``claims`` ends with 1 where a claim fails.
    """

    name: str | None = None
    stdout: str | None = None
    exit_codes: tuple[int, ...] = (0,)


class Sweep(FrozenModel):
    """Everything that a file describes.

    Attributes:
        out: folder of results; what is known of the pieces lies in ``.sweep`` below it.
        seeds: of trainings.
        options: given to every command that has them.
        resources: of every piece that says nothing else.
        datasets, train, task, finish: see there.
    """

    out: Path = Path("runs")
    seeds: tuple[Seed, ...] = (0,)
    options: Options = Field(default_factory=dict)
    resources: Resources = Resources()
    datasets: dict[str, Dataset]
    train: tuple[Training, ...] = ()
    task: tuple[Work, ...] = ()
    finish: tuple[Finish, ...] = ()

    @model_validator(mode="after")
    def _possible(self) -> Sweep:
        if not self.datasets:
            raise ValueError("datasets: needs at least one, such as [datasets.bnr]")
        if not self.train and not self.task:
            raise ValueError("nothing to do: needs [[train]] or [[task]]")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: at least one, each once")
        for name in self.datasets:
            require_name(name, "datasets")
        return self


def read_sweep(path: Path, changes: Sequence[str] = ()) -> Sweep:
    """A description from its file.

    Args:
        path: TOML.
        changes: ``KEY=VALUE`` each, such as ``seeds=[0]`` or ``datasets.bnr.root=DATA``; they win over the file.

    Raises:
        ConfigError: it cannot be read, or a key or value is not allowed; the message says where.
    """
    content = read_toml(path)
    for change in changes:
        _change(content, change)
    try:
        return Sweep.model_validate(content)
    except ValidationError as exc:
        raise ConfigError(f"{path}: {_problem(exc)}") from exc
    except ConfigError as exc:
        raise ConfigError(f"{path}: {exc}") from exc


def entry_name(entry: Training | Work | Finish, position: int) -> str:
    """Name of an entry: its own, or made of its stage or command and what sets it apart."""
    if entry.name is not None:
        return require_name(entry.name, f"entry {position}: name")
    if not isinstance(entry, Training):
        return entry.command.replace(" ", "-")
    apart = [str(entry.options[key]) for key in ("backbone", "text-encoder", "kind", "variant") if key in entry.options]
    return "-".join([entry.stage, *apart])


def _change(content: dict[str, Any], change: str) -> None:
    key, equals, value = change.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {change}: must be KEY=VALUE, such as seeds=[0]")
    place: Any = content
    *above, last = key.strip().split(".")
    for part in above:
        if isinstance(place, list):
            if not part.isdecimal() or int(part) >= len(place):
                raise ConfigError(f"--set {key}: {part} is none of the {len(place)} entries (counted from 0)")
            place = place[int(part)]
        else:
            place = place.setdefault(part, {})
        if not isinstance(place, dict | list):
            raise ConfigError(f"--set {key}: {part} is a value, not a table")
    if isinstance(place, list):
        raise ConfigError(f"--set {key}: needs a key of one of the {len(place)} entries, such as {above[-1]}.0.{last}")
    place[last] = parse_value(value.strip())


def _problem(error: ValidationError) -> str:
    """What is wrong first, with the nearest name of a key that there is not."""
    first = error.errors(include_url=False)[0]
    if first["type"] != "extra_forbidden":
        return first_problem(error)
    *parents, last = (str(part) for part in first["loc"])
    allowed = sorted(_model_at(parents).model_fields)
    guess = nearest(last, allowed)
    hint = f"; did you mean {guess!r}?" if guess else ""
    where = f"{'.'.join(parents)}: " if parents else ""
    return f"{where}unknown key {last!r} (allowed: {', '.join(allowed)}{hint})"


def _model_at(parents: Sequence[str]) -> type[BaseModel]:
    kinds: dict[str, type[BaseModel]] = {
        "datasets": Dataset,
        "train": Training,
        "task": Work,
        "finish": Finish,
        "resources": Resources,
        "prepare": Command,
    }
    return next((kinds[part] for part in reversed(parents) if part in kinds), Sweep)
