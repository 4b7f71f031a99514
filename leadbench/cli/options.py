"""Options that several commands share, as frozen objects that are built once, and parsers of their values."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from leadbench.cli.console import note
from leadbench.cli.outputs import writable
from leadbench.cli.parsing import parse_checkpoints, parse_chunk, parse_encoders, parse_part
from leadbench.cli.progress import progress
from leadbench.core.config import T2MConfig
from leadbench.core.device import AUTO, EVERY, KINDS, PRECISIONS
from leadbench.core.errors import ConfigError, unknown_name
from leadbench.core.presets import PRESETS
from leadbench.core.remote import local_copy
from leadbench.core.urls import url_of
from leadbench.plugins.manager import load_plugins
from leadbench.plugins.options import parse_options
from leadbench.report.tables.engine import FORMATS, check_format
from leadbench.tasks.shared.protocols import PROTOCOLS
from leadbench.tasks.shared.units import Share
from leadbench.zoo.assets import Choice
from leadbench.zoo.embedded import embedded_dataset, shipped
from leadbench.zoo.official_evaluator import is_essential

Command = Callable[..., None]


def grouped(command: Command) -> Command:
    """A command whose parameters of frozen dataclasses become one option for each field.

    The fields are ``Annotated[type, typer.Option(...)]``, as parameters of commands are; typer sees them side by side,
    the command gets the objects.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, tuple[type[Any], tuple[str, ...]]] = {}
    for parameter in inspect.signature(command).parameters.values():
        kind = hints[parameter.name]
        if not (isinstance(kind, type) and is_dataclass(kind)):
            parameters.append(parameter.replace(annotation=hints[parameter.name], kind=parameter.KEYWORD_ONLY))
            continue
        inner = get_type_hints(kind, include_extras=True)
        groups[parameter.name] = (kind, tuple(field.name for field in fields(kind)))
        for field in fields(kind):
            default = inspect.Parameter.empty if field.default is MISSING else field.default
            parameters.append(
                inspect.Parameter(
                    field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=inner[field.name]
                )
            )

    @functools.wraps(command)
    def called(**given: Any) -> None:
        built = {name: kind(**{key: given.pop(key) for key in keys}) for name, (kind, keys) in groups.items()}
        command(**built, **given)

    # typer reads one or the other of these, by its version
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


def complete_backbones(incomplete: str) -> list[str]:
    """Registered backbones, for shell completion; after a comma the next one."""
    return _complete_list(load_plugins().names("backbone"), incomplete)


def complete_metrics(incomplete: str) -> list[str]:
    """Registered metrics, for shell completion."""
    return _complete_list(load_plugins().names("metric"), incomplete)


def complete_datasets(incomplete: str) -> list[str]:
    """Registered datasets, for shell completion."""
    return _complete_list(load_plugins().names("dataset"), incomplete)


def complete_tasks(incomplete: str) -> list[str]:
    """Tasks of ``leadbench run``, for shell completion."""
    return _complete_list(load_plugins().names("task"), incomplete)


def complete_formats(incomplete: str) -> list[str]:
    """Table formats, for shell completion."""
    return _complete_list(list(FORMATS), incomplete)


def complete_presets(incomplete: str) -> list[str]:
    """Presets, for shell completion."""
    return _complete_list(list(PRESETS), incomplete)


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
ConditionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--text-encoder",
        help="Sample from the trained denoiser of this text encoder: NAME, or BACKBONE=NAME [default: the preset's].",
        show_default=False,
    ),
]
ModelsOption = Annotated[
    Path | None,
    typer.Option("--models", help="Folder of trained models [default: DATASET/models].", show_default=False),
]
PluginOption = Annotated[
    list[Path] | None, typer.Option("--plugin", help="Also load this Python file as a plugin.", show_default=False)
]
PartOption = Annotated[
    list[str] | None,
    typer.Option("--option", help="Option of a plugin's part: NAME.KEY=VALUE, such as mine.k=5.", show_default=False),
]
StrictOption = Annotated[bool, typer.Option("--strict-plugins", help="A plugin that fails to load is an error.")]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        help="Where to compute: auto, cpu, cuda, cuda:N, cuda:all, mps or xpu [default: auto, the accelerator if any].",
        show_default=False,
        autocompletion=lambda: [AUTO, *KINDS, EVERY],
    ),
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help="Precision of the networks: float32, tf32 or bf16; text encoders, evaluators and metrics keep float32 "
        "[default: float32].",
        show_default=False,
        autocompletion=lambda: [*PRECISIONS],
    ),
]
SkipBadOption = Annotated[
    bool, typer.Option("--skip-bad-motions", help="Leave out motions with NaN instead of refusing the dataset.")
]
PresetOption = Annotated[
    str, typer.Option("--preset", help="Sizes and hyperparameters of the models.", autocompletion=complete_presets)
]
ProtocolOption = Annotated[
    str,
    typer.Option("--protocol", help="Rules of the evaluation: guo-2022 or mld.", autocompletion=lambda: [*PROTOCOLS]),
]
SPLITS = ("train", "val", "test")
_FIRST_USE = "generating the embedded corpus, once"


EvaluatorOption = Annotated[
    str,
    typer.Option("--evaluator", help="Evaluator's name (guo, tmr), or folder of the official one; run takes several."),
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        help="Further metrics, such as skating-ratio,kid; all: every one of sets of motions.",
        show_default=False,
        autocompletion=complete_metrics,
    ),
]
BackboneOption = Annotated[str, typer.Option("--backbone", "-b", autocompletion=complete_backbones)]
ProjectorOption = Annotated[
    str,
    typer.Option(
        "--projector",
        help="auto, none, a file, a plugin's NAME or NAME=FILE; several separated by commas.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of every random number.")]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        help="Run on a Ray cluster: local (started here), auto (that of this machine), or its address.",
        show_default=False,
    ),
]
SkipSelfTestOption = Annotated[
    bool, typer.Option("--skip-self-test", help="Continue even if real motions do not score as expected.")
]


@dataclass(frozen=True)
class AssetOptions:
    """Dataset, models and plugins; without a dataset the embedded ones."""

    dataset: OptionalDatasetOption = None
    root: RootOption = None
    models: ModelsOption = None
    checkpoint: CheckpointOption = None
    plugin: PluginOption = None
    option: PartOption = None
    strict_plugins: StrictOption = False
    text_encoder: ConditionOption = None
    device: DeviceOption = None
    precision: PrecisionOption = None

    def choice(self, evaluator: Path | None = None) -> Choice:
        """What the options name; the embedded dataset is made on first use."""
        if self.dataset is None and self.root is not None:
            raise ConfigError(f"--root {self.root}: needs --dataset, the name of what lies there")
        data, models = (self.dataset, self.models) if self.dataset is not None else embedded(self.models)
        return Choice(
            dataset=str(data),
            root=self.root,
            models=models,
            evaluator=evaluator,
            checkpoints=parse_checkpoints(self.checkpoint),
            plugins=tuple(self.plugin or ()),
            encoders=parse_encoders(self.text_encoder),
            device=self.device,
            precision=self.precision,
            options=parse_options(self.option or ()),
        )


@dataclass(frozen=True)
class DatasetOptions:
    """Dataset, models and plugins of commands that need a dataset."""

    dataset: DatasetOption
    root: RootOption = None
    models: ModelsOption = None
    checkpoint: CheckpointOption = None
    plugin: PluginOption = None
    option: PartOption = None
    strict_plugins: StrictOption = False
    device: DeviceOption = None
    precision: PrecisionOption = None

    def choice(self, evaluator: Path | None = None) -> Choice:
        """What the options name."""
        return AssetOptions(**vars(self)).choice(evaluator)


@dataclass(frozen=True)
class OutputOptions:
    """Where records go, and how the table is printed."""

    out: Annotated[Path, typer.Option("--out", help="Folder for the records.", callback=writable("--out"))] = Path(
        "runs"
    )
    format: Annotated[
        str,
        typer.Option("--format", "-f", help="github, latex, csv, json or plain.", autocompletion=complete_formats),
    ] = "github"

    def __post_init__(self) -> None:
        check_format(self.format)


@dataclass(frozen=True)
class WorkOptions:
    """Who does the work."""

    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Worker processes [default: 1; on a cluster one for each GPU, or core].",
            show_default=False,
        ),
    ] = None
    cluster: ClusterOption = None
    part: Annotated[
        str | None,
        typer.Option(
            "--part",
            metavar="K/N",
            help="Do only part K of N, such as 1/8; leadbench results merge joins the parts.",
            show_default=False,
        ),
    ] = None

    def __post_init__(self) -> None:
        parse_part(self.part)

    @property
    def share(self) -> Share:
        """The part as the runner takes it."""
        return parse_part(self.part)


@dataclass(frozen=True)
class ProtocolOptions:
    """What is drawn, how often, and by which rules."""

    quick: Annotated[
        bool | None,
        typer.Option(
            "--quick/--full",
            help="3 replications and reduced MultiModality, or 20 [default: full; quick on the embedded dataset].",
            show_default=False,
        ),
    ] = None
    protocol: ProtocolOption = "guo-2022"
    split: Annotated[str, typer.Option("--split", help="test; or val, to choose guidance and the like.")] = "test"
    replications: Annotated[
        int | None,
        typer.Option(
            "--replications", min=1, help="Number of replications [default: 20, or 3 with --quick].", show_default=False
        ),
    ] = None
    multimodality_replications: Annotated[
        int | None,
        typer.Option(
            "--multimodality-replications", min=0, help="Replications that measure MultiModality [default: all]."
        ),
    ] = None
    chunk: Annotated[
        str, typer.Option("--chunk", help="Motions in a chunk: a number, or auto, by the free memory of a GPU.")
    ] = "auto"
    seed: SeedOption = 0
    skip_bad_motions: SkipBadOption = False
    allow_latent_mismatch: Annotated[
        bool,
        typer.Option("--allow-latent-mismatch", help="Attach a projector even if it belongs to another latent space."),
    ] = False

    def config(self, *, quick: bool) -> T2MConfig:
        """The configuration; ``quick`` unless the options say which."""
        changes: dict[str, Any] = {
            "protocol": check_protocol(self.protocol),
            "split": check_split(self.split),
            "seed": self.seed,
            "chunk": parse_chunk(self.chunk),
            "skip_bad_motions": self.skip_bad_motions,
            "allow_latent_mismatch": self.allow_latent_mismatch,
        }
        given = {
            "replications": self.replications,
            "multimodality_replications": self.multimodality_replications,
        }
        changes |= {name: value for name, value in given.items() if value is not None}
        wanted = quick if self.quick is None else self.quick
        return T2MConfig.quick(**changes) if wanted else T2MConfig(**changes)


def check_split(name: str) -> str:
    """The name itself, if it is a split.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in SPLITS:
        raise unknown_name("split", name, SPLITS, where="--split")
    return name


def check_protocol(name: str) -> str:
    """The name itself, if there is such a protocol.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in PROTOCOLS:
        raise unknown_name("protocol", name, PROTOCOLS, where="--protocol")
    return name


def evaluator_and_folder(evaluator: str) -> tuple[str, Path | None]:
    """``--evaluator`` is a registered name, or a folder or URL of an official one: ``guo``'s or ``guo-essential``'s.

    Raises:
        ConfigError: it is a path where no folder lies.
    """
    folder = Path(evaluator) if url_of(evaluator) is None else local_copy(evaluator)
    if folder.is_dir():
        return "guo-essential" if is_essential(folder) else "guo", folder
    if len(folder.parts) > 1 or folder.is_absolute():
        raise ConfigError(f"--evaluator {evaluator}: no folder here, and no evaluator's name (such as guo or tmr)")
    return evaluator, None


def embedded(models: Path | None) -> tuple[Path, Path]:
    """Folders of the embedded corpus, which is made on first use, and of the models that ship with it."""
    weights = models or shipped().folder
    with progress() as reporter:
        data = embedded_dataset(lambda done, total: reporter.show(_FIRST_USE, done, total), note)
    return data, weights
