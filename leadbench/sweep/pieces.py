"""The pieces of a sweep: one command each, with the pieces that come before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from leadbench.core.errors import ConfigError, unknown_name
from leadbench.core.settings import dataset_settings
from leadbench.sweep.description import (
    Dataset,
    Finish,
    Options,
    Resources,
    Scalar,
    Sweep,
    Training,
    Value,
    Work,
    entry_name,
)

HIDDEN = ".sweep"
"""Folder below the results that holds what is known of the pieces."""

SHARED = "shared"
"""Model folder of the trainings that all seeds share."""

NEEDS: Mapping[str, tuple[str, ...]] = {
    "diffusion": ("autoencoder",),
    "consistency": ("autoencoder", "diffusion"),
    "projector": ("autoencoder",),
}
"""Stages that read what other stages wrote."""


@dataclass(frozen=True)
class Known:
    """An option of a command.

    Attributes:
        flag: takes no value.
        repeated: may be given several times.
    """

    flag: bool = False
    repeated: bool = False


OptionsOf = Callable[[str], Mapping[str, Known]]
"""Options of a command by its words, without hyphens; raises UnknownNameError where there is no such command."""


@dataclass(frozen=True)
class Piece:
    """One command.

    Attributes:
        name: unique in the sweep, and a file's name where ``/`` is allowed.
        entry: the entry of the description that it is of; pieces of one entry cost alike.
        arguments: of ``leadbench``.
        needs: names of the pieces that come first.
        dataset: folder whose files it reads, to notice that they changed.
        models: model folder; what needed trainings wrote elsewhere is put there.
        made: folder that makes the piece superfluous where it is there already.
        resources: what it takes.
        stdout: file for what it prints.
        exit_codes: that count as done.
        expected: seconds that the description says it takes.
        processes: that work on it together.
    """

    name: str
    entry: str
    arguments: tuple[str, ...]
    needs: tuple[str, ...] = ()
    dataset: Path | None = None
    models: Path | None = None
    made: Path | None = None
    resources: Resources = field(default_factory=Resources)
    stdout: Path | None = None
    exit_codes: tuple[int, ...] = (0,)
    expected: float | None = None
    processes: int = 1

    @property
    def command(self) -> tuple[str, ...]:
        """Words of the command, for people and for schedulers."""
        launcher = ("torchrun", *launched(self.processes), "-m") if self.processes > 1 else ()
        return (*launcher, "leadbench", *self.arguments)


def launched(processes: int) -> tuple[str, ...]:
    """Arguments of ``torchrun`` for processes of one machine, which find each other on a port of their own."""
    return ("--standalone", "--nproc-per-node", str(processes))


def pieces_of(sweep: Sweep, options_of: OptionsOf) -> tuple[Piece, ...]:
    """All pieces, each after those that it needs.

    Raises:
        ConfigError, UnknownNameError: a command, option, dataset or training of the description does not exist, or two
            entries have one name; the message says where.
    """
    made = _Maker(sweep, options_of)
    found = [piece for name, dataset in sweep.datasets.items() for piece in made.of_dataset(name, dataset)]
    found += made.finishing(tuple(piece.name for piece in found))
    made.check_options()
    return tuple(found)


class _Maker:
    def __init__(self, sweep: Sweep, options_of: OptionsOf) -> None:
        self._sweep, self._options_of = sweep, options_of
        self._known: set[str] = set()  # options of all commands
        self._trainings = {entry_name(one, number): one for number, one in enumerate(sweep.train)}
        self._tasks = {entry_name(one, number): one for number, one in enumerate(sweep.task)}
        entries: list[Training | Work | Finish] = [*sweep.train, *sweep.task, *sweep.finish]
        names = [entry_name(entry, number) for number, entry in enumerate(entries)]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two entries are called {name!r}: give one of them another name")
        for name, training in self._trainings.items():
            self._check(name, training)
        for name, task in self._tasks.items():
            self._check(name, task)

    def of_dataset(self, key: str, dataset: Dataset) -> Iterator[Piece]:
        """Preparation, trainings and tasks on a dataset."""
        place = _Place(self._sweep, key, dataset, any(map(_on(key), self._trainings.values())))
        before: tuple[str, ...] = ()
        if dataset.prepare is not None:
            words = self._command(dataset.prepare.command, dataset.prepare.options, {}, place.replacing(None))
            arguments = (*words, *map(place.replacing(None), dataset.prepare.arguments))
            before = (f"{key}/prepare",)
            yield Piece(before[0], "prepare", arguments, made=place.folder, resources=self._sweep.resources)
        trained: dict[tuple[str, int | None], str] = {}
        for name, training in self._ordered(key):
            for seed in (None,) if training.shared else self._sweep.seeds:
                piece = self._training(name, training, place, seed, trained, before)
                trained[name, seed] = piece.name
                yield piece
        for name, task in self._tasks.items():
            if _on(key)(task):
                yield from self._task(name, task, place, trained, before)

    def finishing(self, before: tuple[str, ...]) -> Iterator[Piece]:
        """What comes after everything, in the order of the description."""
        for number, entry in enumerate(self._sweep.finish):
            name = f"finish/{entry_name(entry, number)}"
            fill = _filling({"out": str(self._sweep.out)})
            words = self._command(entry.command, entry.options, {}, fill, arguments=map(fill, entry.arguments))
            stdout = Path(fill(entry.stdout)) if entry.stdout else None
            yield Piece(name, name, words, before, stdout=stdout, exit_codes=entry.exit_codes)
            before = (*before, name)

    def check_options(self) -> None:
        """Raise UnknownNameError for an option of the whole sweep that none of its commands has."""
        for name in self._sweep.options:
            if name not in self._known:
                raise unknown_name("option", name, self._known, where="options of the sweep")

    def _training(
        self,
        name: str,
        entry: Training,
        place: _Place,
        seed: int | None,
        trained: Mapping[tuple[str, int | None], str],
        before: tuple[str, ...],
    ) -> Piece:
        fill = place.replacing(seed)
        number = self._sweep.seeds[0] if seed is None else seed
        given = dict(entry.options)
        given["set"] = (*_several(given.get("set", ())), f"loop.seed={number}")
        given.setdefault("replace", True)  # the description says what is wanted
        arguments = self._command(f"train {entry.stage}", given, place.options(seed), fill)
        needs = [
            trained[need, at] for need in self._needed(name, entry) for at in (seed, None) if (need, at) in trained
        ]
        return Piece(
            f"{place.key}/{place.model_folder(seed)}/{name}",
            name,
            arguments,
            (*before, *needs),
            place.folder,
            place.models(seed),
            resources=entry.resources or self._sweep.resources,
            expected=entry.seconds,
            processes=entry.processes,
        )

    def _task(
        self,
        name: str,
        entry: Work,
        place: _Place,
        trained: Mapping[tuple[str, int | None], str],
        before: tuple[str, ...],
    ) -> Iterator[Piece]:
        seeds: Sequence[int | None] = (entry.seeds or self._sweep.seeds) if place.trains else (None,)
        for seed in seeds:
            needed = [each for each in trained if each[1] in (seed, None)]
            if entry.needs is not None:
                needed = [each for each in needed if each[0] in self._with_needs(entry.needs)]
            needs = (*before, *(trained[each] for each in needed))
            base = f"{place.key}/{place.model_folder(seed)}/{name}" if place.trains else f"{place.key}/{name}"
            yield from self._parts(base, name, entry, place, seed, needs)

    def _parts(
        self, base: str, name: str, entry: Work, place: _Place, seed: int | None, needs: tuple[str, ...]
    ) -> Iterator[Piece]:
        resources = entry.resources or self._sweep.resources
        folders = [self._sweep.out]
        if entry.parts > 1:
            folders = [self._sweep.out / HIDDEN / "parts" / base / str(k + 1) for k in range(entry.parts)]
        parts: list[str] = []
        for number, folder in enumerate(folders, start=1):
            common = {**place.options(seed), "out": str(folder)}
            given = dict(entry.options)
            if entry.parts > 1:
                given["part"] = f"{number}/{entry.parts}"
            parts.append(base if entry.parts == 1 else f"{base}.{number}")
            arguments = self._command(entry.command, given, common, place.replacing(seed))
            yield Piece(
                parts[-1],
                name,
                arguments,
                needs,
                place.folder,
                place.models(seed),
                resources=resources,
                expected=None if entry.seconds is None else entry.seconds / entry.parts,
            )
        if entry.parts > 1:
            arguments = ("results", "merge", *map(str, folders), "--out", str(self._sweep.out))
            yield Piece(base, "merge", arguments, tuple(parts))

    def _check(self, name: str, entry: Training | Work) -> None:
        for dataset in entry.datasets or ():
            if dataset not in self._sweep.datasets:
                raise unknown_name("dataset", dataset, self._sweep.datasets, where=f"{name}: datasets")
        for need in entry.needs or ():
            if need not in self._trainings:
                raise unknown_name("training", need, self._trainings, where=f"{name}: needs")
        if isinstance(entry, Work):
            for seed in entry.seeds or ():
                if seed not in self._sweep.seeds:
                    raise ConfigError(f"{name}: seeds: {seed} is none of the sweep's ({self._sweep.seeds})")
        elif entry.shared:
            for need in self._needed(name, entry):
                if not self._trainings[need].shared:
                    raise ConfigError(f"{name}: is shared by all seeds, but needs {need}, which is not")

    def _needed(self, name: str, entry: Training) -> tuple[str, ...]:
        """Trainings that one reads: those it names, or those of the stages that its stage reads."""
        if entry.needs is not None:
            return entry.needs
        found = {
            other: training
            for other, training in self._trainings.items()
            if training.stage in NEEDS.get(entry.stage, ()) and other != name
        }
        encoder = entry.options.get("text-encoder")
        teachers = {other: one.options.get("text-encoder") for other, one in found.items() if one.stage == "diffusion"}
        if encoder is not None and teachers:
            wanted = encoder if encoder in teachers.values() else None
            found = {other: one for other, one in found.items() if teachers.get(other, wanted) == wanted}
        return tuple(found)

    def _with_needs(self, names: Sequence[str]) -> set[str]:
        """Trainings with all that they need."""
        found: set[str] = set()
        left = [*names]
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += self._needed(name, self._trainings[name])
        return found

    def _ordered(self, key: str) -> Iterator[tuple[str, Training]]:
        """Trainings on a dataset, each after those that it needs.

        Raises:
            ConfigError: they need each other in a circle.
        """
        left = {name: one for name, one in self._trainings.items() if _on(key)(one)}
        while left:
            ready = [name for name, one in left.items() if not any(need in left for need in self._needed(name, one))]
            if not ready:
                raise ConfigError(f"trainings need each other: {', '.join(left)}")
            yield ready[0], left.pop(ready[0])

    def _command(
        self,
        command: str,
        given: Options,
        common: Options,
        fill: Callable[[str], str],
        arguments: Iterator[str] | tuple[str, ...] = (),
    ) -> tuple[str, ...]:
        """Words of a command: of the sweep's options those that it has, and all that the entry gives it."""
        known = self._options_of(command)
        self._known.update(known)
        for name in given:
            if name not in known:
                raise unknown_name("option", name, known, where=command)
        wider = {name: value for name, value in {**self._sweep.options, **common}.items() if name in known}
        words = [word for name, value in {**wider, **given}.items() for word in _words(name, value, known[name], fill)]
        return (*command.split(), *arguments, *words)


@dataclass(frozen=True)
class _Place:
    """Where a dataset and its models lie."""

    sweep: Sweep
    key: str
    dataset: Dataset
    trains: bool

    @property
    def folder(self) -> Path:
        """The dataset's files."""
        name = self.dataset.dataset or self.key
        return self.dataset.root or dataset_settings(name).root or Path(name)

    @property
    def base(self) -> Path:
        """Above the model folders."""
        return self.dataset.models or self.folder / "models"

    def model_folder(self, seed: int | None) -> str:
        """Name of a seed's model folder; without a seed, of what all share."""
        return SHARED if seed is None else f"seed-{seed}"

    def models(self, seed: int | None) -> Path:
        """Model folder of a seed."""
        return self.base / self.model_folder(seed) if self.trains else self.base

    def options(self, seed: int | None) -> dict[str, Value]:
        """What every command on this dataset is given."""
        found: dict[str, Value] = {"dataset": self.dataset.dataset or self.key}
        if self.dataset.root is not None:
            found["root"] = str(self.dataset.root)
        return {**found, "models": str(self.models(seed))}

    def replacing(self, seed: int | None) -> Callable[[str], str]:
        """Puts values in the place of ``{name}`` (the key), ``{dataset}``, ``{models}``, ``{out}`` and ``{seed}``."""
        values = {
            "name": self.key,
            "out": str(self.sweep.out),
            "dataset": str(self.folder),
            "models": str(self.models(seed)),
        }
        return _filling({**values, **({} if seed is None else {"seed": str(seed)})})


def _on(key: str) -> Callable[[Training | Work], bool]:
    return lambda entry: entry.datasets is None or key in entry.datasets


def _filling(values: Mapping[str, str]) -> Callable[[str], str]:
    def fill(text: str) -> str:
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    return fill


def _several(value: Value) -> tuple[Scalar, ...]:
    return value if isinstance(value, tuple) else (value,)


def _words(name: str, value: Value, known: Known, fill: Callable[[str], str]) -> list[str]:
    """An option as on the command line.

    >>> _words("steps", (1, 2, 4), Known(), str), _words("set", ("a=1", "b=2"), Known(repeated=True), str)
    (['--steps', '1,2,4'], ['--set', 'a=1', '--set', 'b=2'])
    >>> _words("controls", True, Known(flag=True), str), _words("controls", False, Known(flag=True), str)
    (['--controls'], [])
    """
    if known.flag:
        if not isinstance(value, bool):
            raise ConfigError(f"option {name!r}: is a flag (allowed: true, false; given: {value!r})")
        return [f"--{name}"] if value else []
    values = [fill(str(one)) for one in _several(value)]
    if any(isinstance(one, bool) for one in _several(value)):
        raise ConfigError(f"option {name!r}: needs a value (given: {value!r})")
    if known.repeated:
        return [word for one in values for word in (f"--{name}", one)]
    return [f"--{name}", ",".join(values)]
