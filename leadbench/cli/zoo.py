"""``leadbench zoo``: models that ship with the package, and official files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.lazy import late
from leadbench.cli.options import RootOption, choose
from leadbench.core.errors import WeightsError

app = typer.Typer(help="Models that ship with leadbench, and official files.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """Shipped model sets with their files.

    Example: leadbench zoo list
    """
    for name in late("leadbench.zoo.embedded:shipped_names")():
        models = late("leadbench.zoo.embedded:shipped")(name)
        typer.echo(f"{name}: {models.bytes / 1e6:.1f} MB in {models.folder}")
        for file, entry in models.files.items():
            if file.endswith(".safetensors"):
                card = late("leadbench.zoo.files:load_card")(models.folder / file)
                size = card.metrics.get("parameters", 0) / 1e6
                typer.echo(f"  {file}: {card.stage}, {size:.1f} M parameters, {entry['bytes'] / 1e6:.1f} MB")


@app.command("verify")
def verify(name: Annotated[str, typer.Argument(help="A shipped set.")] = "micro") -> None:
    """Check the hash of every shipped file, and that all models load and fit together.

    Example: leadbench zoo verify
    """
    models = late("leadbench.zoo.embedded:shipped")(name)
    wrong = late("leadbench.zoo.embedded:changed_files")(models)
    if wrong:
        raise WeightsError(f"{models.folder}: {'; '.join(wrong)}; install leadbench again")
    loaded = late("leadbench.training.build:load_all")(models.folder, name)
    typer.echo(f"{name}: {len(models.files)} files as shipped; loaded {', '.join(loaded)}")


@app.command("build")
def build(
    name: Annotated[str, typer.Argument(help="Preset to build.")] = "micro",
    work: Annotated[Path, typer.Option("--work", help="Corpus, models and checkpoints.")] = Path("build/zoo"),
    out: Annotated[
        Path | None, typer.Option("--out", help="Packed files [default: WORK/packed].", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Trainings at a time.")] = 2,
) -> None:
    """Make a shipped set from nothing: corpus, trainings, packed files. Start it again to go on where it stopped.

    Example: leadbench zoo build micro
    """
    late("leadbench.training.build:build")(name, work, out or work / "packed", jobs=jobs, say=typer.echo)


@app.command("inspect")
def inspect(
    file: Annotated[Path, typer.Argument(help="Checkpoint, safetensors, or the folder of an evaluator or of GloVe.")],
    other: Annotated[
        Path | None, typer.Argument(help="Second file: do both hold one latent space?", show_default=False)
    ] = None,
) -> None:
    """Say what a file is, by what is in it; nothing of it is executed.

    Example: leadbench zoo inspect 1222_mld_humanml3d_FID041.ckpt

    Example: leadbench zoo inspect mld.ckpt motionlcm.ckpt
    """
    if other is None:
        facts = late("leadbench.zoo.inspect:inspect")(file)
    else:
        facts = late("leadbench.zoo.inspect:compare")(file, other)
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name:<{width}}  {value}")


@app.command("import")
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
    """Convert an official file once, to safetensors with a card, in a model folder.

    Example: leadbench zoo import 1222_mld_humanml3d_FID041.ckpt --as mld --root HumanML3D
    """
    kind = kind or late("leadbench.zoo.imports:recognise")(file)
    if kind is None:
        raise WeightsError(f"{file}: neither an evaluator (text_mot_match/) nor a GloVe folder (our_vab_*)")
    if kind == "glove" and models is not None:
        path = late("leadbench.zoo.imports:import_official")(file, kind, models, None, text_encoder)
    else:
        opened = late("leadbench.zoo.assets:open_assets")(choose(dataset, models, root=root))
        motion = opened.dataset.motion
        path = late("leadbench.zoo.imports:import_official")(file, kind, opened.models.folder, motion, text_encoder)
    typer.echo(f"wrote {path}")
