"""Options that several commands share, and parsers of their values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from leadbench.cli.lazy import late
from leadbench.cli.progress import progress
from leadbench.core.errors import ConfigError, unknown_name


def complete_backbones(incomplete: str) -> list[str]:
    """Registered backbones, for shell completion; after a comma the next one."""
    return _complete_list(late("leadbench.plugins.manager:load_plugins")().names("backbone"), incomplete)


def complete_metrics(incomplete: str) -> list[str]:
    """Registered metrics, for shell completion."""
    return _complete_list(late("leadbench.plugins.manager:load_plugins")().names("metric"), incomplete)


def complete_datasets(incomplete: str) -> list[str]:
    """Registered datasets, for shell completion."""
    return _complete_list(late("leadbench.plugins.manager:load_plugins")().names("dataset"), incomplete)


def complete_formats(incomplete: str) -> list[str]:
    """Table formats, for shell completion."""
    return _complete_list(["github", "latex", "csv", "json", "plain"], incomplete)


def complete_presets(incomplete: str) -> list[str]:
    """Presets, for shell completion."""
    return _complete_list(list(late("leadbench.core.presets:PRESETS")), incomplete)


def _complete_list(names: list[str], incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(last)]


DatasetOption = Annotated[
    str,
    typer.Option(
        "--dataset",
        "-d",
        help="Dataset: a folder in HumanML3D's on-disk format, or a name such as humanml3d.",
        show_default=False,
        autocompletion=complete_datasets,
    ),
]
OptionalDatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        "-d",
        help="Dataset: a folder, or a name such as humanml3d [default: the embedded one].",
        show_default=False,
        autocompletion=complete_datasets,
    ),
]
RootOption = Annotated[
    Path | None,
    typer.Option("--root", help="Folder of a dataset given by name [default: leadbench.toml].", show_default=False),
]
CheckpointOption = Annotated[
    list[str] | None,
    typer.Option("--checkpoint", help="Official checkpoint of a backbone, such as mld=FILE.ckpt.", show_default=False),
]
ModelsOption = Annotated[
    Path | None,
    typer.Option("--models", help="Folder of trained models [default: DATASET/models].", show_default=False),
]
PresetOption = Annotated[str, typer.Option("--preset", help="Size of the models.", autocompletion=complete_presets)]
PluginOption = Annotated[
    list[Path] | None, typer.Option("--plugin", help="Also load this Python file as a plugin.", show_default=False)
]
StrictOption = Annotated[bool, typer.Option("--strict-plugins", help="A plugin that fails to load is an error.")]
SkipBadOption = Annotated[
    bool, typer.Option("--skip-bad-motions", help="Leave out motions with NaN instead of refusing the dataset.")
]
ProtocolOption = Annotated[
    str,
    typer.Option(
        "--protocol", help="Rules of the evaluation: guo-2022 or mld.", autocompletion=lambda: ["guo-2022", "mld"]
    ),
]


def check_protocol(name: str) -> str:
    """The name itself, if there is such a protocol.

    Raises:
        UnknownNameError: there is none.
    """
    known = late("leadbench.tasks.shared.protocols:PROTOCOLS")
    if name not in known:
        raise unknown_name("protocol", name, known, where="--protocol")
    return name


def parse_checkpoints(values: list[str] | None) -> dict[str, Path]:
    """Parse ``NAME=FILE``.

    Raises:
        ConfigError: no name or no file.

    >>> parse_checkpoints(["mld=a.ckpt"])
    {'mld': PosixPath('a.ckpt')}
    """
    found: dict[str, Path] = {}
    for value in values or []:
        name, _, file = value.partition("=")
        if not name or not file:
            raise ConfigError(f"--checkpoint {value}: must be NAME=FILE, such as mld=mld_humanml3d.ckpt")
        found[name] = Path(file)
    return found


def evaluator_and_folder(evaluator: str) -> tuple[str, Path | None]:
    """``--evaluator`` is a registered name, or the folder of the official evaluator, which is ``guo``'s.

    Raises:
        ConfigError: it is a path where no folder lies.
    """
    folder = Path(evaluator)
    if folder.is_dir():
        return "guo", folder
    if len(folder.parts) > 1 or folder.is_absolute():
        raise ConfigError(f"--evaluator {evaluator}: no folder here, and no evaluator's name (such as guo or tmr)")
    return evaluator, None


def choose(
    dataset: str | None,
    models: Path | None,
    plugin: list[Path] | None = None,
    root: Path | None = None,
    **official: Any,
) -> Any:
    """The user's dataset and models as a Choice, or the embedded ones, which are made on first use."""
    if dataset is None:
        if root is not None:
            raise ConfigError(f"--root {root}: needs --dataset, the name of what lies there")
        data, models = embedded(models)
        dataset = str(data)
    return late("leadbench.zoo.assets:Choice")(
        dataset=dataset, root=root, models=models, plugins=tuple(plugin or ()), **official
    )


def parse_numbers(text: str, kind: type[int] | type[float], option: str) -> list[Any]:
    """Parse ``1,2,4``.

    Raises:
        ConfigError: not a comma-separated list of numbers.

    >>> parse_numbers("1,2,4", int, "--steps")
    [1, 2, 4]
    """
    try:
        values = [kind(part) for part in text.split(",") if part.strip()]
    except ValueError as exc:
        raise ConfigError(f"{option} {text!r}: must be numbers separated by commas, such as 1,2,4") from exc
    if not values:
        raise ConfigError(f"{option}: no value given")
    return values


def parse_steps(text: str | None) -> dict[str | None, list[int]]:
    """Parse ``--steps``: ``1,2,4`` speaks to few-step backbones (key None), ``mld=10,50`` to one by name.

    Several parts are separated by semicolons or spaces.

    Raises:
        ConfigError: not whole numbers of at least 1.

    >>> parse_steps("1,2,4;mld=10,50")
    {None: [1, 2, 4], 'mld': [10, 50]}
    """
    steps: dict[str | None, list[int]] = {}
    for part in (text or "").replace(";", " ").split():
        name, equals, values = part.rpartition("=")
        numbers = parse_numbers(values, int, "--steps")
        if min(numbers) < 1:
            raise ConfigError(f"--steps {part}: steps must be at least 1")
        steps[name if equals else None] = numbers
    return steps


def embedded(models: Path | None) -> tuple[Path, Path]:
    """Folders of the embedded corpus, which is made on first use, and of the models that ship with it."""
    weights = models or late("leadbench.zoo.embedded:shipped")().folder
    with progress() as reporter:
        data = late("leadbench.zoo.embedded:embedded_dataset")(
            lambda done, total: reporter.show("generating the embedded corpus, once", done, total)
        )
    return data, weights
