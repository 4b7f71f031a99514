"""Metrics beyond the paper's: of single motions, and of whole sets by their embeddings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from torch import Tensor

from leadbench.core.contracts import MotionMetric, MotionSets, SetMetric
from leadbench.core.errors import ConfigError, PluginError
from leadbench.core.random import stream
from leadbench.plugins.hookspecs import Registration, SetColumn, SetMetricRegistration
from leadbench.results.records import PAPERS, MetricColumn
from leadbench.tasks.shared.scoring import Reference
from leadbench.zoo.assets import Opened

ALL_SETS = "all"
_RANKS = {"higher": 1, "lower": -1, "real": 0}


@dataclass(frozen=True, eq=False)
class OpenedMetrics:
    """Metrics beyond the paper's.

    Attributes:
        names: registered names, as asked for.
        single: metrics of single motions by name.
        sets: metrics of sets by name.
        columns: how the numbers of both stand in tables, by their keys.
    """

    names: tuple[str, ...] = ()
    single: Mapping[str, MotionMetric] = field(default_factory=dict)
    sets: Mapping[str, SetMetric] = field(default_factory=dict)
    columns: Mapping[str, MetricColumn] = field(default_factory=dict)

    def of_sets(self, sets: MotionSets) -> dict[str, float | None]:
        """The numbers of all metrics of sets.

        Raises:
            PluginError: one gives other columns than it registered, or something else than finite numbers.
        """
        found: dict[str, float | None] = {}
        for name, metric in self.sets.items():
            numbers = dict(metric(sets))
            wanted = {key for key, column in self.columns.items() if column.source == name}
            if set(numbers) != wanted:
                raise PluginError(
                    f"metric {name!r}: gave {', '.join(sorted(numbers)) or 'nothing'}; it registered "
                    f"{', '.join(sorted(wanted))}"
                )
            for key, value in numbers.items():
                found[key] = None if value is None else _finite(value, f"metric {name!r}: {key}")
        return found


def _finite(value: object, what: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError) as exc:
        raise PluginError(f"{what} is a {type(value).__name__}; needs a finite number, or None") from exc
    if not math.isfinite(number):
        raise PluginError(f"{what} is {number}; needs a finite number, or None where it is not available")
    return number


def sets_of(
    reference: Reference, generated: Tensor, train: Callable[[], Tensor], seed: int, replication: int
) -> MotionSets:
    """Embeddings [S, E] beside those of a reference's real motions, as metrics of sets take them.

    Args:
        train: gives the embeddings of the train split.
        seed: of the run.
    """
    return MotionSets(
        real=reference.motion,
        generated=generated.cpu(),
        text=reference.text,
        captions=tuple(item.caption.caption for item in reference.drawn),
        train=train,
        order=reference.order,
        seed=int(stream(seed, "sets", replication).integers(2**31)),
    )


def open_metrics(opened: Opened, names: Sequence[str]) -> OpenedMetrics:
    """Metrics by their registered names; ``all`` stands for every one of sets that is registered.

    Raises:
        UnknownNameError, PluginError: there is none, or its factory returns nothing that can be called.
        ConfigError: two of them give a number of one name.
    """
    registered = {r.name: r for _, r in opened.plugins.all("metric")}
    every = [name for name, r in registered.items() if isinstance(r, SetMetricRegistration)]
    chosen = tuple(dict.fromkeys(name for asked in names for name in (every if asked == ALL_SETS else [asked])))
    made = {name: opened.plugins.metric(name, opened.models) for name in chosen}
    columns: dict[str, MetricColumn] = {}
    for name in chosen:
        for key, column in _columns(registered[name]):
            if key in columns or key in PAPERS:
                raise ConfigError(f"--metric {name}: gives {key!r}, which another metric of this run gives too")
            columns[key] = column
    of_sets = {name for name in chosen if isinstance(registered[name], SetMetricRegistration)}
    return OpenedMetrics(
        chosen,
        {name: cast("MotionMetric", made[name]) for name in chosen if name not in of_sets},
        {name: cast("SetMetric", made[name]) for name in chosen if name in of_sets},
        columns,
    )


def _columns(registration: Registration) -> list[tuple[str, MetricColumn]]:
    name = registration.name
    if not isinstance(registration, SetMetricRegistration):
        better = _RANKS.get(getattr(registration, "better", None) or "")
        return [(name, MetricColumn(better=better, source=name))]
    return [(column.name, _stored(column, registration)) for column in registration.columns]


def _stored(column: SetColumn, registration: SetMetricRegistration) -> MetricColumn:
    better = _RANKS.get(column.better or "")
    return MetricColumn(display=column.display, better=better, table=registration.title, source=registration.name)
