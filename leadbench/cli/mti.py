"""``leadbench mti``: motion textual inversion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from leadbench.cli.console import note
from leadbench.cli.lazy import late
from leadbench.cli.options import (
    CheckpointOption,
    DatasetOption,
    ModelsOption,
    OptionalDatasetOption,
    PluginOption,
    RootOption,
    SkipBadOption,
    choose,
    evaluator_and_folder,
    parse_checkpoints,
    parse_numbers,
)
from leadbench.cli.progress import progress
from leadbench.core.errors import unknown_name

_LOSSES = ("feat", "mld", "lead")

app = typer.Typer(help="Motion textual inversion: learn a word from a motion.", no_args_is_help=True)


@app.command("run")
def run(
    dataset: OptionalDatasetOption = None,
    root: RootOption = None,
    backbone: Annotated[str, typer.Option("--backbone", "-b", help="Backbone that is inverted.")] = "mld",
    models: ModelsOption = None,
    checkpoint: CheckpointOption = None,
    evaluator: Annotated[
        str, typer.Option("--evaluator", help="Evaluator's name, or folder of the official one.")
    ] = "guo",
    losses: Annotated[str, typer.Option("--losses", help="feat, mld, lead.")] = "feat,mld,lead",
    learning_rates: Annotated[
        str, typer.Option("--learning-rates", help="Candidates; each loss takes the best on validation.")
    ] = "0.1,0.3,1",
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Also projectors without a loss (Table 4), from leadbench ablate.")
    ] = False,
    motions: Annotated[int, typer.Option("--motions", min=2, help="Test motions to learn a word of.")] = 100,
    replications: Annotated[int, typer.Option("--replications", min=1, help="Generations of each word.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random number.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Where records go.")] = Path("runs"),
    format: Annotated[str, typer.Option("--format", "-f", help="github, latex, csv, json or plain.")] = "github",
    plugin: PluginOption = None,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """Tables 3 and 4: words learnt from single test motions, generated with and without the projector.

    Example: leadbench mti run --dataset data/bnr
    """
    late("leadbench.report.tables.t2m:check_format")(format)
    name, official = evaluator_and_folder(evaluator)
    choice = choose(dataset, models, plugin, root, evaluator=official, checkpoints=parse_checkpoints(checkpoint))
    opened = late("leadbench.zoo.assets:open_assets")(choice)
    config = late("leadbench.core.config:MTIConfig")(
        losses=_parse_losses(losses),
        learning_rates=tuple(parse_numbers(learning_rates, float, "--learning-rates")),
        motions=motions,
        replications=replications,
        seed=seed,
        skip_bad_motions=skip_bad_motions,
    )
    notes = () if dataset is not None else (late("leadbench.zoo.embedded:NOTE"),)
    wanted = late("leadbench.tasks.mti.assemble:Wanted")(backbone, name, ablation, notes)
    _run(opened, wanted, config, out, format)


@app.command("styles")
def styles(
    dataset: DatasetOption,
    style: Annotated[
        list[str] | None, typer.Option("--style", help="Only these styles of the split.", show_default=False)
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Where the unseen styles are.")] = "held_out",
    root: RootOption = None,
    backbone: Annotated[str, typer.Option("--backbone", "-b", help="Backbone that is inverted.")] = "mld",
    models: ModelsOption = None,
    evaluator: Annotated[str, typer.Option("--evaluator", help="Evaluator's name.")] = "guo",
    losses: Annotated[str, typer.Option("--losses", help="feat, mld, lead.")] = "mld,lead",
    learning_rates: Annotated[
        str, typer.Option("--learning-rates", help="Candidates; each loss takes the best on validation.")
    ] = "0.1,0.3,1",
    motions: Annotated[int, typer.Option("--motions", min=2, help="Motions to learn a word of.")] = 64,
    replications: Annotated[int, typer.Option("--replications", min=1, help="Generations of each word.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random number.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Where records go.")] = Path("runs"),
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Also draw exemplars and what their words make (PNG).")
    ] = None,
    format: Annotated[str, typer.Option("--format", "-f", help="github, latex, csv, json or plain.")] = "github",
    plugin: PluginOption = None,
) -> None:
    """The question of Figure 7 in numbers: words learnt from motions of styles that no model was trained on.

    A classifier of styles, fitted on real motions, says whether what a word generates has its exemplar's style.

    Example: leadbench mti styles --dataset data/bnr-without-elderly --style elderly
    """
    late("leadbench.report.tables.t2m:check_format")(format)
    opened = late("leadbench.zoo.assets:open_assets")(choose(dataset, models, plugin, root))
    config = late("leadbench.core.config:MTIConfig")(
        protocol="styles",
        losses=_parse_losses(losses),
        learning_rates=tuple(parse_numbers(learning_rates, float, "--learning-rates")),
        motions=motions,
        replications=replications,
        seed=seed,
        split=split,
    )
    wanted = late("leadbench.tasks.mti.assemble:Wanted")(backbone, evaluator, styles=tuple(style or ()))
    benchmark = _run(opened, wanted, config, out, format)
    if figure is not None:
        note(f"wrote {late('leadbench.tasks.mti.strips:draw_words')(benchmark, figure)}")


def _run(opened: Any, wanted: Any, config: Any, out: Path, form: str) -> Any:
    """Start or resume a run, print its table and where the records are; returns the benchmark."""
    benchmark = late("leadbench.tasks.mti.assemble:assemble_mti")(opened, wanted, config, out)
    with progress() as reporter:
        records = benchmark.run(lambda label, done, total: reporter.show(config.protocol, done, total, label))
    typer.echo(late("leadbench.tasks.mti.table:render_inversion")(records, form))
    note(f"records: {benchmark.store.folder}")
    return benchmark


def _parse_losses(text: str) -> tuple[str, ...]:
    chosen = tuple(loss.strip() for loss in text.split(","))
    for loss in chosen:
        if loss not in _LOSSES:
            raise unknown_name("loss", loss, _LOSSES, where="--losses")
    return chosen


@app.command("learn")
def learn(
    exemplar: Annotated[
        list[Path], typer.Option("--exemplar", help="Motions of one kind: .bvh, or .npy of features or joints.")
    ],
    init: Annotated[str, typer.Option("--init", help="Coarse word to start from, such as walk.")],
    name: Annotated[str, typer.Option("--name", help="Name of the concept: <NAME> in captions.")],
    loss: Annotated[str, typer.Option("--loss", help="feat, mld or lead.")] = "lead",
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of Adam.")] = 20,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", help="Share of the initial vector's root mean square.")
    ] = 0.3,
    seed: Annotated[int, typer.Option("--seed", help="Seed of every random number.")] = 0,
    backbone: Annotated[str, typer.Option("--backbone", "-b", help="Backbone that is inverted.")] = "mld",
    out: Annotated[Path, typer.Option("--out", help="Folder of learnt concepts.")] = Path("concepts"),
    dataset: OptionalDatasetOption = None,
    root: RootOption = None,
    models: ModelsOption = None,
    checkpoint: CheckpointOption = None,
    plugin: PluginOption = None,
) -> None:
    """Learn a word from motions and keep it as a small file that `leadbench generate --concept` uses.

    Example: leadbench mti learn --exemplar clip.bvh --init walk --name superman
    """
    late("leadbench.generate.concepts:check_name")(name)
    if loss not in _LOSSES:
        raise unknown_name("loss", loss, _LOSSES, where="--loss")
    config = late("leadbench.core.config:InversionConfig")(
        loss=loss, steps=steps, learning_rate=learning_rate, seed=seed
    )
    choice = choose(dataset, models, plugin, root, checkpoints=parse_checkpoints(checkpoint))
    opened = late("leadbench.zoo.assets:open_assets")(choice)
    assets = late("importlib:import_module")("leadbench.tasks.mti.assemble")
    motions = assets.read_exemplar(opened, exemplar, init)
    concept = assets.learn_concept(opened, assets.Wanted(backbone), config, motions, name)
    path = out / f"{name}.safetensors"
    late("leadbench.generate.concepts:save_concept")(path, concept)
    typer.echo(f"wrote {path}")
