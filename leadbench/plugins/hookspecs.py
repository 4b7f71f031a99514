"""The hooks of the pluggy project ``leadbench``. Importing this module, or a plugin, must not import torch.

A hook returns light registrations: name, one-line summary, packages it needs, and a factory given as
``"package.module:attribute"`` (imported only when used) or as a callable.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pluggy

if TYPE_CHECKING:
    from pydantic import BaseModel

PROJECT = "leadbench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


def imported(named: str | Callable[..., Any]) -> Callable[..., Any]:
    """The callable itself, or what ``"module:attribute"`` names. Raises ImportError, AttributeError: there is none."""
    if callable(named):
        return named
    module, _, attribute = named.partition(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return loaded


@dataclass(frozen=True)
class Registration:
    """One thing that a plugin offers.

    Args:
        name: what users type; unique among registrations of the same kind.
        summary: one line for listings.
        factory: callable, or ``"module:attribute"`` imported on first use; its arguments are those that the
            hook documents.
        requires: import names that must be installed.
        options: a pydantic model of the part's own options, or ``"module:attribute"``; they are given as
            ``--option NAME.KEY=VALUE`` or in the table ``[options.NAME]`` of ``leadbench.toml``, checked by the model,
            handed to the factory as ``context.options``, and part of the identity of runs and trainings. What a part
            was trained with stands in its card, but for fields with ``exclude=True``: those of sampling alone.
    """

    name: str
    summary: str
    factory: str | Callable[..., Any]
    requires: tuple[str, ...] = ()
    options: str | type[BaseModel] | None = None

    def load(self) -> Callable[..., Any]:
        """Import and return the factory.

        Raises:
            ImportError, AttributeError: the factory's module or attribute does not exist.
        """
        return imported(self.factory)


@dataclass(frozen=True)
class BackboneRegistration(Registration):
    """A backbone.

    Args:
        display: name in tables.
        few_step: whether ``--steps 1,2,4`` without a name speaks to it.
        text_encoder: name of the text encoder it is conditioned on, for listings.
    """

    display: str = ""
    few_step: bool = False
    text_encoder: str = ""


@dataclass(frozen=True)
class TextEncoderRegistration(Registration):
    """A text encoder whose embeddings are kept between runs.

    Args:
        identity: callable, or ``"module:attribute"``: ``(context: leadbench.plugins.context.Context) -> str | None``
            tells without loading the encoder which weights and code it would use, as text that differs wherever an
            embedding might; None: nothing is kept then. It is part of the identity of runs and trainings; without it
            what the loaded encoder holds, and a few digits of embeddings, stand in its place.
        keep: whether embeddings are worth keeping between runs.
        weights: how to get them, for those on whose machine there are none.
    """

    identity: str | Callable[..., str | None] | None = None
    keep: bool = True
    weights: str = ""


@dataclass(frozen=True)
class ProjectorRegistration(Registration):
    """A kind of projector. Its factory reads a file that was trained.

    Args:
        display: name in tables.
        create: callable, or ``"module:attribute"``:
            ``(context: leadbench.core.contracts.ProjectorContext) -> TrainableProjector`` makes an untrained one for
            ``leadbench train projector --projector NAME``; None: it is trained elsewhere.
    """

    display: str = ""
    create: str | Callable[..., Any] | None = None


@dataclass(frozen=True)
class MetricRegistration(Registration):
    """A metric of single motions.

    Args:
        better: how its means are ranked: ``higher``, ``lower``, or ``real`` where the value of real motions is best;
            None: they are not.
    """

    better: Literal["higher", "lower", "real"] | None = None


@dataclass(frozen=True)
class SetColumn:
    """A number that a metric of sets gives.

    Args:
        name: its key in records, unlike that of any other metric of a run.
        display: in tables; empty: the name.
        better: as in :class:`MetricRegistration`.
    """

    name: str
    display: str = ""
    better: Literal["higher", "lower", "real"] | None = None


@dataclass(frozen=True)
class SetMetricRegistration(Registration):
    """A metric of a whole set of generated motions beside the real ones, by their embeddings.

    Args:
        columns: every number that it gives, in the order of its table.
        title: of the table that the numbers stand in, below the paper's; metrics of one title share it.
    """

    columns: tuple[SetColumn, ...] = ()
    title: str = "Further measures"


@dataclass(frozen=True)
class TaskRegistration(Registration):
    """A task: an evaluation with its own units and its own table.

    Args:
        table: callable, or ``"module:attribute"``: ``(run: leadbench.results.records.Run, form: str) -> str`` renders a
            stored run in a table format (``github``, ``latex``, ``csv``, ``json``, ``plain``).
        command: the command that runs it, where it has one of its own; else ``leadbench run --task NAME``.
    """

    table: str | Callable[..., str] | None = None
    command: str = ""


class LeadbenchHooks:
    """Hook specifications; a plugin implements any subset with ``@leadbench.hookimpl``."""

    @hookspec
    def leadbench_backbones(self) -> Sequence[BackboneRegistration]:  # type: ignore[empty-body]
        """Backbones; factory ``(context: leadbench.Context) -> Backbone``, or ``MotionBackbone``."""

    @hookspec
    def leadbench_autoencoders(self) -> Sequence[Registration]:  # type: ignore[empty-body]
        """Motion autoencoders; factory ``(context) -> MotionAutoencoder``. One that
        implements ``TrainableAutoencoder`` is trained by ``leadbench train autoencoder --autoencoder NAME``."""

    @hookspec
    def leadbench_text_encoders(self) -> Sequence[Registration]:  # type: ignore[empty-body]
        """Text encoders; factory ``(context) -> TextEncoder``. Embeddings of a ``TextEncoderRegistration`` are kept."""

    @hookspec
    def leadbench_projectors(self) -> Sequence[ProjectorRegistration]:  # type: ignore[empty-body]
        """Kinds of projectors; factory ``(context) -> Projector`` reads the file ``context.path``."""

    @hookspec
    def leadbench_datasets(self) -> Sequence[Registration]:  # type: ignore[empty-body]
        """Datasets; factory ``(context) -> MotionDataset`` opens the folder ``context.path``."""

    @hookspec
    def leadbench_evaluators(self) -> Sequence[Registration]:  # type: ignore[empty-body]
        """Evaluators; factory ``(context) -> Evaluator``."""

    @hookspec
    def leadbench_metrics(self) -> Sequence[Registration]:  # type: ignore[empty-body]
        """Metrics of single motions; factory ``(context) -> leadbench.core.contracts.MotionMetric``. And of whole sets
        (``SetMetricRegistration``), whose factory returns a ``leadbench.core.contracts.SetMetric``."""

    @hookspec
    def leadbench_tasks(self) -> Sequence[TaskRegistration]:  # type: ignore[empty-body]
        """Tasks; factory ``(opened: leadbench.zoo.assets.Opened, request) -> leadbench.tasks.shared.units.Task``."""

    @hookspec
    def leadbench_trackers(self) -> Sequence[Registration]:  # type: ignore[empty-body]
        """Where figures of trainings go (``leadbench train --track NAME``); factory
        ``(context) -> leadbench.Tracker``."""

    @hookspec
    def leadbench_commands(self) -> Sequence[Registration]:  # type: ignore[empty-body]
        """Command-line groups; factory ``() -> typer.Typer``, mounted under the registration's name."""
