"""``leadbench mti``: motion textual inversion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

import typer

from leadbench.cli.console import note
from leadbench.cli.options import (
    AssetOptions,
    DatasetOptions,
    EvaluatorOption,
    OutputOptions,
    ProjectorOption,
    SeedOption,
    SkipBadOption,
    complete_backbones,
    evaluator_and_folder,
    grouped,
)
from leadbench.cli.outputs import writable
from leadbench.cli.parsing import parse_losses, parse_numbers
from leadbench.cli.running import run_and_print
from leadbench.core.config import InversionConfig, InversionLoss, MTIConfig
from leadbench.core.errors import unknown_name
from leadbench.generation.concepts import check_name, save_concept
from leadbench.tasks.mti.assemble import MTIRequest, learn_concept, read_exemplar
from leadbench.tasks.mti.strips import draw_words
from leadbench.tasks.mti.task import MTITask
from leadbench.tasks.shared.runner import Recipe
from leadbench.zoo.assets import open_assets
from leadbench.zoo.embedded import NOTE

LOSSES: tuple[str, ...] = get_args(InversionLoss)

InvertedOption = Annotated[
    str,
    typer.Option("--backbone", "-b", help="Backbone to invert.", autocompletion=complete_backbones),
]


@dataclass(frozen=True)
class LearningOptions:
    """How words are learnt and used."""

    learning_rates: Annotated[
        str, typer.Option("--learning-rates", help="Candidates; each loss uses the best one on validation.")
    ] = "0.1,0.3,1"
    replications: Annotated[int, typer.Option("--replications", min=1, help="Motions generated with each word.")] = 20
    seed: SeedOption = 0
    projector: ProjectorOption = "auto"
    evaluator: EvaluatorOption = "guo"


@grouped
def run(
    assets: AssetOptions,
    learning: LearningOptions,
    output: OutputOptions,
    backbone: InvertedOption = "mld",
    losses: Annotated[str, typer.Option("--losses", help="feat, mld, lead.")] = "feat,mld,lead",
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Also projectors without a loss (Table 4), from leadbench ablate.")
    ] = False,
    motions: Annotated[int, typer.Option("--motions", min=2, help="Test motions to learn words from.")] = 100,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """Tables 3 and 4: words learnt from single test motions.

    Each word then makes motions, with and without the projector, which are scored against the motion that it was learnt
    from.

    Example: leadbench mti run --dataset data/bnr
    """
    evaluator, folder = evaluator_and_folder(learning.evaluator)
    config = MTIConfig(
        losses=parse_losses(losses, LOSSES),
        learning_rates=tuple(parse_numbers(learning.learning_rates, float, "--learning-rates")),
        motions=motions,
        replications=learning.replications,
        seed=learning.seed,
        skip_bad_motions=skip_bad_motions,
    )
    notes = (NOTE,) if assets.dataset is None else ()
    request = MTIRequest(backbone, evaluator, learning.projector, ablation, notes, config=config)
    recipe = Recipe("mti", request, assets.choice(folder))
    run_and_print(recipe.open(strict=assets.strict_plugins), output, recipe=recipe)


@grouped
def styles(
    assets: DatasetOptions,
    learning: LearningOptions,
    output: OutputOptions,
    style: Annotated[
        list[str] | None, typer.Option("--style", help="Only these styles of the split.", show_default=False)
    ] = None,
    split: Annotated[str, typer.Option("--split", help="Where the unseen styles are.")] = "held_out",
    backbone: InvertedOption = "mld",
    losses: Annotated[str, typer.Option("--losses", help="feat, mld, lead.")] = "mld,lead",
    motions: Annotated[int, typer.Option("--motions", min=2, help="Motions to learn words from.")] = 64,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure",
            help="Also draw exemplars and what their words make (PNG).",
            callback=writable("--figure", file=True),
        ),
    ] = None,
) -> None:
    """Figure 7 in numbers: words of unseen styles.

    Words are learnt from motions of styles that no model was trained on. A classifier of styles, fitted on real
    motions, decides whether what a word generates has its exemplar's style.

    Example: leadbench mti styles --dataset data/bnr-without-elderly --style elderly
    """
    evaluator, folder = evaluator_and_folder(learning.evaluator)
    config = MTIConfig(
        protocol="styles",
        losses=parse_losses(losses, LOSSES),
        learning_rates=tuple(parse_numbers(learning.learning_rates, float, "--learning-rates")),
        motions=motions,
        replications=learning.replications,
        seed=learning.seed,
        split=split,
    )
    request = MTIRequest(backbone, evaluator, learning.projector, styles=tuple(style or ()), config=config)
    recipe = Recipe("styles", request, assets.choice(folder))
    task = recipe.open(strict=assets.strict_plugins)
    done = run_and_print(task, output, recipe=recipe)
    if figure is not None:
        assert isinstance(task, MTITask)  # what the bundled factory returns
        note(f"wrote {draw_words(task, done.folder, figure)}")


@grouped
def learn(
    exemplar: Annotated[
        list[Path], typer.Option("--exemplar", help="Motions of one kind: .bvh, or .npy of features or joints.")
    ],
    init: Annotated[str, typer.Option("--init", help="Coarse word to start from, such as walk.")],
    name: Annotated[str, typer.Option("--name", help="Name of the concept: <NAME> in captions.")],
    assets: AssetOptions,
    loss: Annotated[str, typer.Option("--loss", help="feat, mld or lead.")] = "lead",
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of Adam.")] = 20,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", help="Share of the initial vector's root mean square.")
    ] = 0.3,
    seed: SeedOption = 0,
    backbone: InvertedOption = "mld",
    projector: ProjectorOption = "auto",
    out: Annotated[Path, typer.Option("--out", help="Folder of learnt concepts.", callback=writable("--out"))] = Path(
        "concepts"
    ),
) -> None:
    """Learn a word from motions and keep it as a small file.

    `leadbench generate --concept NAME` then uses it in captions.

    Example: leadbench mti learn --exemplar clip.bvh --init walk --name superman
    """
    check_name(name)
    if loss not in LOSSES:
        raise unknown_name("loss", loss, LOSSES, where="--loss")
    config = InversionConfig(loss=loss, steps=steps, learning_rate=learning_rate, seed=seed)
    opened = open_assets(assets.choice(), strict=assets.strict_plugins)
    request = MTIRequest(backbone, projector=projector)
    concept = learn_concept(opened, request, config, read_exemplar(opened, exemplar, init, note), name)
    path = out / f"{name}.safetensors"
    save_concept(path, concept)
    typer.echo(f"wrote {path}")
