"""Check what a plugin offers, by the plugin's name or by that of one of its registrations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadbench.core.config import T2MConfig
from leadbench.core.contracts import MotionAutoencoder, Projector, ProjectorContext
from leadbench.core.errors import LeadbenchError, unknown_name
from leadbench.core.presets import get_preset
from leadbench.core.random import seeded
from leadbench.core.tensors import LatentSpec, MotionBatch
from leadbench.data.humanml3d import collate, draw
from leadbench.plugins.hookspecs import ProjectorRegistration, Registration, SetMetricRegistration, TaskRegistration
from leadbench.plugins.kinds import KINDS
from leadbench.plugins.manager import Plugins
from leadbench.tasks.shared.registry import open_task
from leadbench.tasks.shared.request import RunRequest
from leadbench.testing.autoencoders import check_autoencoder
from leadbench.testing.backbones import check_backbone
from leadbench.testing.data import check_dataset, check_metric
from leadbench.testing.findings import Finding
from leadbench.testing.metrics import check_set_metric
from leadbench.testing.moving import check_moving, moving_part, moving_projector
from leadbench.testing.spaces import (
    check_evaluator,
    check_projector,
    check_projector_training,
    check_text_encoder,
)
from leadbench.testing.tasks import check_task
from leadbench.zoo.assets import FOLDER, Opened
from leadbench.zoo.files import card_path, load_card
from leadbench.zoo.store import ModelStore


@dataclass(frozen=True)
class CheckContext:
    """What factories are given: a model folder, and for datasets and projectors the folder or file to open."""

    models: ModelStore
    path: Path | None = None


_FEW = 8  # real motions that are tried


def check_plugin(name: str, plugins: Plugins, context: CheckContext) -> dict[str, list[Finding]]:
    """Findings by offer (``backbone:mine``) of a plugin, or of the one offer that has this name.

    A plugin that failed to load has one finding, with its error.

    Raises:
        UnknownNameError: neither a plugin nor a registration has that name.
    """
    for info in plugins.infos:
        if info.name == name and info.error:
            return {name: [Finding("imports and registers", False, info.error)]}
    offers = [(kind, r.name) for kind in KINDS for owner, r in plugins.all(kind) if name in (owner, r.name)]
    if not offers:
        names = {info.name for info in plugins.infos} | {r.name for kind in KINDS for _, r in plugins.all(kind)}
        raise unknown_name("plugin", name, names, where="plugins check")
    return {f"{kind}:{offer}": _check(kind, offer, plugins, context) for kind, offer in offers}


def _check(kind: str, name: str, plugins: Plugins, context: CheckContext) -> list[Finding]:
    if kind == "task":
        return _task(name, plugins, context)
    if kind == "projector" and context.path is None:
        return _untrained_projector(name, plugins, context)
    needs_path = kind in ("dataset", "projector")
    unopened = {"command": "a command group: nothing to check", "tracker": "not opened: a tracker may call a server"}
    if kind in unopened or (needs_path and context.path is None):
        why = unopened.get(kind, f"not opened: give --path to a {kind}")
        return [Finding("registers", True, why, skipped=True)]

    def make() -> Any:
        return plugins.create(kind, name, context.models, context.path if needs_path else None)

    try:
        subject = make()
    except LeadbenchError as exc:
        return [Finding("factory", False, str(exc))]
    if kind == "projector":
        latent = _shape_for(name, subject, plugins, context)
        if isinstance(latent, Finding):
            return [latent]
        moving = moving_projector(make, latent)
        return [*check_projector(name, subject, latent), *check_moving(kind, name, moving)]
    checks: dict[str, Callable[[str, Any], list[Finding]]] = {
        "backbone": check_backbone,
        "autoencoder": lambda name, subject: check_autoencoder(name, subject, _motions(context, subject)),
        "text_encoder": check_text_encoder,
        "dataset": check_dataset,
        "evaluator": check_evaluator,
        "metric": lambda name, subject: _check_metric(plugins.get("metric", name), subject),
    }
    found = checks[kind](name, subject)
    return [*found, *check_moving(kind, name, moving_part(kind, name, plugins, context.models))]


def _check_metric(registration: Registration, metric: Any) -> list[Finding]:
    if isinstance(registration, SetMetricRegistration):
        return check_set_metric(registration.name, metric, [column.name for column in registration.columns])
    return check_metric(registration.name, metric)


def _shape_for(name: str, projector: Projector, plugins: Plugins, context: CheckContext) -> LatentSpec | Finding:
    """Shape of the latents that a projector of a file is for: of its backbone's space, if its card names one, else of
    the folder's."""
    models, path = context.models, context.path
    own = load_card(path).backbone if path is not None and card_path(path).is_file() else None
    space = models.autoencoder() if own is None else plugins.backbone(own, models).autoencoder
    if projector.latent_fingerprint == space.fingerprint:
        return space.latent
    return Finding(
        "latent space",
        False,
        f"{name}: of the latent space {projector.latent_fingerprint[:12]}, but models {models.folder} has "
        f"{space.fingerprint[:12]} (give --models the folder that it was trained in)",
    )


def _motions(context: CheckContext, autoencoder: MotionAutoencoder) -> MotionBatch | None:
    """A few real motions, where there is a dataset, as an autoencoder takes them."""
    if context.models.dataset is None:
        return None
    drawn = draw(context.models.dataset.load("val", skip_bad=True)[0][:_FEW], 0, 0)
    motion = autoencoder.motion
    return collate([item.features for item in drawn]).to(motion.mean.device).normalize(motion)


def _task(name: str, plugins: Plugins, context: CheckContext) -> list[Finding]:
    """A task of ``leadbench run`` on a dataset; others are opened by their own commands."""
    registration = plugins.get("task", name)
    if isinstance(registration, TaskRegistration) and registration.command:
        return [Finding("registers", True, f"opened by {registration.command}", skipped=True)]
    if context.path is None:
        return [Finding("registers", True, "not opened: give --path to a dataset", skipped=True)]
    try:
        dataset = plugins.dataset(FOLDER, context.path)
        opened = Opened(dataset, context.path, context.models, plugins)
        request = RunRequest(("motionlcm",), {None: [1]}, self_test=False, config=T2MConfig(replications=1))
        return check_task(name, open_task(name, opened, request))
    except LeadbenchError as exc:
        return [Finding("factory", False, str(exc))]


def _untrained_projector(name: str, plugins: Plugins, context: CheckContext) -> list[Finding]:
    """What ``leadbench train projector`` would train; where that is not offered, a file must be given."""
    registration = plugins.get("projector", name)
    if not isinstance(registration, ProjectorRegistration) or registration.create is None:
        return [Finding("registers", True, "not opened: give --path to a projector", skipped=True)]
    space = context.models.autoencoder()
    stage = get_preset("tiny").projector
    made = ProjectorContext(space.latent, space.fingerprint, "minilm", 384, stage)
    try:
        projector = plugins.new_projector(name, made)
    except LeadbenchError as exc:
        return [Finding("factory", False, str(exc))]
    projector.network.eval()
    moving = moving_projector(lambda: _still(plugins, name, made), space.latent)
    return [
        *check_projector(name, projector, space.latent),
        *check_projector_training(name, projector, made),
        *check_moving("projector", name, moving),
    ]


def _still(plugins: Plugins, name: str, context: ProjectorContext) -> object:
    """An untrained projector with the same initial weights every time."""
    with seeded(0, "check"):
        projector = plugins.new_projector(name, context)
    projector.network.eval()
    return projector
