"""``leadbench evaluator``: what the spaces of the metrics are worth."""

from __future__ import annotations

from typing import Annotated

import typer

from leadbench.cli.options import (
    AssetOptions,
    EvaluatorOption,
    MetricOption,
    OutputOptions,
    ProtocolOption,
    SeedOption,
    SkipBadOption,
    WorkOptions,
    check_protocol,
    evaluator_and_folder,
    grouped,
)
from leadbench.cli.parsing import parse_metrics, parse_names
from leadbench.cli.running import run_and_print
from leadbench.core.config import T2MConfig
from leadbench.tasks.audit.task import AuditRequest
from leadbench.tasks.shared.runner import Recipe
from leadbench.zoo.embedded import NOTE


@grouped
def audit(
    assets: AssetOptions,
    output: OutputOptions,
    work: WorkOptions,
    evaluator: EvaluatorOption = "guo",
    corruption: Annotated[
        str | None,
        typer.Option(
            "--corruption",
            help="Of jitter,time-warp,mirrored,shuffled-halves,frozen-feet [default: all of them].",
            show_default=False,
        ),
    ] = None,
    metric: MetricOption = None,
    replications: Annotated[
        int, typer.Option("--replications", min=1, help="Draws of captions and crops; intervals need 2.")
    ] = 3,
    split: Annotated[str, typer.Option("--split", help="Motions to corrupt: train, val or test.")] = "test",
    protocol: ProtocolOption = "guo-2022",
    seed: SeedOption = 0,
    skip_bad_motions: SkipBadOption = False,
) -> None:
    """How an evaluator reacts to known corruptions.

    Real motions with noise, warped time, left and right exchanged, halves exchanged, feet that do not move, each at
    growing strength: every measure must get worse, the more the stronger it is.

    Example: leadbench evaluator audit --metric all
    """
    name, folder = evaluator_and_folder(evaluator)
    config = T2MConfig(
        replications=replications,
        protocol=check_protocol(protocol),
        seed=seed,
        split=split,
        skip_bad_motions=skip_bad_motions,
    )
    request = AuditRequest(
        name,
        parse_names(corruption, "--corruption") if corruption else (),
        parse_metrics(metric),
        (NOTE,) if assets.dataset is None else (),
        config,
    )
    recipe = Recipe("audit", request, assets.choice(folder))
    run_and_print(recipe.open(strict=assets.strict_plugins), output, recipe=recipe, work=work)
