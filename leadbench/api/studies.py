"""User studies: people rate motions side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from leadbench.api.models import open_dataset
from leadbench.api.results import Results, steps_by_backbone
from leadbench.core.config import T2MConfig
from leadbench.study import create
from leadbench.study.candidates import Candidates, SideRequest, request_for
from leadbench.study.create import StudyRequest
from leadbench.study.plan import Study
from leadbench.study.task import study_task
from leadbench.tasks.shared.request import RunRequest
from leadbench.tasks.shared.runner import run_task
from leadbench.zoo.assets import Opened


def create_study(
    folder: str | Path,
    first: str | Path = "mld",
    second: str | Path = "mld+lead",
    opened: Opened | None = None,
    *,
    content: StudyRequest | None = None,
    steps: Mapping[str, Sequence[int]] | Sequence[int] = (),
    guidance: float | None = None,
    projector: str = "auto",
    seed: int = 0,
) -> Study:
    """Create a study from pairs of motions of two rows, as ``leadbench study create`` does.

    Args:
        folder: of the study; it does not exist yet, or is empty.
        first, second: rows: ``BACKBONE``, ``BACKBONE+PROJECTOR``, ``BACKBONE+clamp``, ``real``, or a folder of motions.
        opened: of :func:`leadbench.open_dataset`; None: the embedded dataset and models.
        content: how many pairs, how they are chosen, and what participants are asked; None: 10 pairs, those whose
            motions differ most.
        steps: of few-step backbones, or by backbone, the first is taken; empty: their defaults.
        guidance: scale; None: the backbones' own.
        projector: as the option ``--projector``.
        seed: of the noise, the captions and every participant's order.

    Returns:
        The study, opened; ``leadbench study serve FOLDER`` shows it to participants.

    Raises:
        LeadbenchError: something does not fit; nothing is written then.
    """
    sides = SideRequest(str(first)), SideRequest(str(second))
    base = RunRequest(
        backbones=(),
        steps=steps_by_backbone(steps),
        guidance=() if guidance is None else (guidance,),
        projector=projector,
        config=T2MConfig(seed=seed),
    )
    candidates = Candidates(open_dataset() if opened is None else opened, sides, request_for(sides, base))
    return create.create_study(Path(folder), candidates, content or StudyRequest())


def load_study(folder: str | Path) -> Study:
    """A study in its folder: its plan and motions.

    Raises:
        ConfigError: there is none, or its files were changed.
        DataError: a motion cannot be read.
    """
    return Study(Path(folder))


def study_results(study: Study | str | Path, *, failed_checks: bool = False, out: str | Path = "runs") -> Results:
    """Store a study's answers as a run, as ``leadbench study results`` does.

    Args:
        study: opened, or its folder.
        failed_checks: whether participants who failed an attention check count too.
        out: folder that the run goes to.

    Returns:
        The run: a participant is a replication, its metrics are mean ratings from 1 to 5.

    Raises:
        ConfigError: the folder holds no study, or its files were changed.
        ResultsError: fewer than two participants count.
    """
    task = study_task(study if isinstance(study, Study) else load_study(study), failed_too=failed_checks)
    return Results((run_task(task, Path(out)),))
