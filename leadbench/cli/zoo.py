"""``leadbench zoo``: models that ship with the package, and official files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.options import DeviceOption, RootOption
from leadbench.cli.outputs import writable
from leadbench.core.errors import WeightsError
from leadbench.training.build import build as build_set
from leadbench.training.build import load_all
from leadbench.zoo.assets import Choice, open_assets
from leadbench.zoo.embedded import changed_files, shipped, shipped_names
from leadbench.zoo.files import load_card
from leadbench.zoo.imports import import_official, recognise
from leadbench.zoo.inspect import compare
from leadbench.zoo.inspect import inspect as inspect_file


def list_models() -> None:
    """Shipped model sets with their files.

    Example: leadbench zoo list
    """
    for name in shipped_names():
        models = shipped(name)
        typer.echo(f"{name}: {models.bytes / 1e6:.1f} MB in {models.folder}")
        for file, entry in models.files.items():
            if file.endswith(".safetensors"):
                card = load_card(models.folder / file)
                size = card.metrics.get("parameters", 0) / 1e6
                typer.echo(f"  {file}: {card.stage}, {size:.1f} M parameters, {entry['bytes'] / 1e6:.1f} MB")


def verify(name: Annotated[str, typer.Argument(help="A shipped set.")] = "micro") -> None:
    """Check the files of a shipped set.

    The hash of every file, and that all models load and fit together.

    Example: leadbench zoo verify
    """
    models = shipped(name)
    wrong = changed_files(models)
    if wrong:
        raise WeightsError(f"{models.folder}: {'; '.join(wrong)}; install leadbench again")
    loaded = load_all(models.folder, name)
    typer.echo(f"{name}: {len(models.files)} files as shipped; loaded {', '.join(loaded)}")


def build(
    name: Annotated[str, typer.Argument(help="Preset to build.")] = "micro",
    work: Annotated[
        Path, typer.Option("--work", help="Corpus, models and checkpoints.", callback=writable("--work"))
    ] = Path("build/zoo"),
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Packed files [default: WORK/packed].", show_default=False, callback=writable("--out")
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Trainings at a time.")] = 2,
    device: DeviceOption = None,
) -> None:
    """Build a shipped set from scratch.

    Corpus, trainings, packed files. The same command continues where it stopped.

    Example: leadbench zoo build micro
    """
    build_set(name, work, out or work / "packed", jobs=jobs, say=typer.echo, device=device)


def inspect(
    file: Annotated[Path, typer.Argument(help="Checkpoint, safetensors, or the folder of an evaluator or of GloVe.")],
    other: Annotated[
        Path | None, typer.Argument(help="Second file: do both hold one latent space?", show_default=False)
    ] = None,
) -> None:
    """Identify a file without executing anything in it.

    Its content is examined, not its name.

    Example: leadbench zoo inspect 1222_mld_humanml3d_FID041.ckpt

    Example: leadbench zoo inspect mld.ckpt motionlcm.ckpt
    """
    facts = inspect_file(file) if other is None else compare(file, other)
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name:<{width}}  {value}")


def import_file(
    file: Annotated[Path, typer.Argument(help="Official checkpoint, or the folder of an evaluator or of GloVe.")],
    kind: Annotated[
        str | None,
        typer.Option(
            "--as", help="mld, motionlcm, motionlcm-v2, evaluator or glove [default: what it is].", show_default=False
        ),
    ] = None,
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="Dataset that it belongs to, by name or folder.")
    ] = "humanml3d",
    root: RootOption = None,
    models: Annotated[
        Path | None, typer.Option("--models", help="Model folder [default: the dataset's].", show_default=False)
    ] = None,
    text_encoder: Annotated[
        str | None,
        typer.Option(
            "--text-encoder",
            help="clip or t5: what drives a checkpoint [default: inferred, see zoo inspect].",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Convert an official file once.

    It becomes safetensors with a card, in a model folder.

    Example: leadbench zoo import 1222_mld_humanml3d_FID041.ckpt --as mld --root HumanML3D
    """
    kind = kind or recognise(file)
    if kind is None:
        raise WeightsError(f"{file}: neither an evaluator (text_mot_match/) nor a GloVe folder (our_vab_*)")
    if kind == "glove" and models is not None:
        path = import_official(file, kind, models, None, text_encoder)
    else:
        opened = open_assets(Choice(dataset, root=root, models=models))
        path = import_official(file, kind, opened.models.folder, opened.dataset.motion, text_encoder)
    typer.echo(f"wrote {path}")
