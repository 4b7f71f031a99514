"""``leadbench score``: motions from anywhere, scored under the same protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from leadbench.cli.options import (
    AssetOptions,
    EvaluatorOption,
    MetricOption,
    OutputOptions,
    ProtocolOption,
    SkipSelfTestOption,
    check_protocol,
    evaluator_and_folder,
    grouped,
)
from leadbench.cli.parsing import parse_metrics
from leadbench.cli.running import run_and_print
from leadbench.core.config import T2MConfig
from leadbench.tasks.score.task import ScoreRequest
from leadbench.tasks.shared.runner import Recipe


@grouped
def score(
    motions: Annotated[
        Path, typer.Option("--motions", help="Folder with ID.npy for every test sample: features or joints.")
    ],
    assets: AssetOptions,
    output: OutputOptions,
    evaluator: EvaluatorOption = "guo",
    metric: MetricOption = None,
    replications: Annotated[int, typer.Option("--replications", min=1, help="Draws of captions and crops.")] = 20,
    protocol: ProtocolOption = "guo-2022",
    corrected_features: Annotated[
        bool, typer.Option("--corrected-features", help="Joints become features without HumanML3D's defects.")
    ] = False,
    skip_self_test: SkipSelfTestOption = False,
) -> None:
    """Score a folder of motions, next to the Real row.

    The motions may come from anywhere. A file holds raw features [F, D] or joints [F, J, 3] in metres of the motion
    made for that test sample (ID#LINE for a caption with a time tag).

    Example: leadbench score --motions generated --dataset data/humanml3d
    """
    name, folder = evaluator_and_folder(evaluator)
    request = ScoreRequest(
        motions,
        evaluator=name,
        metrics=parse_metrics(metric),
        corrected=corrected_features,
        self_test=not skip_self_test,
        config=T2MConfig(replications=replications, protocol=check_protocol(protocol)),
    )
    recipe = Recipe("score", request, assets.choice(folder))
    run_and_print(recipe.open(strict=assets.strict_plugins), output, recipe=recipe)
