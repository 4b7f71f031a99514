"""Options that several commands share, and parsers of their values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from leadbench.cli.lazy import late
from leadbench.cli.progress import progress
from leadbench.errors import ConfigError, unknown_name


def complete_backbones(incomplete: str) -> list[str]:
    """Registered backbones, for shell completion; after a comma the next one."""
    return _complete_list(late("leadbench.plugins:load_plugins")().names("backbone"), incomplete)


def complete_metrics(incomplete: str) -> list[str]:
    """Registered metrics, for shell completion."""
    return _complete_list(late("leadbench.plugins:load_plugins")().names("metric"), incomplete)


def complete_formats(incomplete: str) -> list[str]:
    """Table formats, for shell completion."""
    return _complete_list(["github", "latex", "csv", "json", "plain"], incomplete)


def complete_presets(incomplete: str) -> list[str]:
    """Presets, for shell completion."""
    return _complete_list(list(late("leadbench.presets:PRESETS")), incomplete)


def _complete_list(names: list[str], incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(last)]


DatasetOption = Annotated[
    Path, typer.Option("--dataset", "-d", help="Dataset folder in HumanML3D's on-disk format.", show_default=False)
]
OptionalDatasetOption = Annotated[
    Path | None,
    typer.Option("--dataset", "-d", help="Dataset folder [default: the embedded one].", show_default=False),
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
    known = late("leadbench.benchmarks.protocols:PROTOCOLS")
    if name not in known:
        raise unknown_name("protocol", name, known, where="--protocol")
    return name


def open_store(models: Path, plugin: list[Path] | None, strict: bool) -> tuple[Any, Any]:
    """Load plugins; return (plugins, model store) with text encoders from the plugins."""
    plugins = late("leadbench.plugins:load_plugins")(plugin or (), strict=strict)
    store = late("leadbench.zoo.store:ModelStore")(models, lambda name: plugins.create("text_encoder", name))
    return plugins, store


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


def data_and_models(dataset: Path | None, models: Path | None) -> tuple[Path, Path]:
    """The user's folders, or the embedded ones, which are made on first use."""
    if dataset is not None:
        return dataset, models or dataset / "models"
    weights = models or late("leadbench.zoo.embedded:shipped")().folder
    with progress() as reporter:
        data = late("leadbench.zoo.embedded:embedded_dataset")(
            lambda done, total: reporter.show("generating the embedded corpus, once", done, total)
        )
    return data, weights
