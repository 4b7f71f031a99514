"""Pieces of a sweep on a Ray cluster whose machines see the same files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from leadbench.core.cluster import TRIES, connect, leave
from leadbench.core.errors import WorkerError
from leadbench.core.reading import reason
from leadbench.sweep.work import Order, Outcome, do_piece


class RayCrew:
    """Tasks of a Ray cluster, with the resources that each piece declares.

    Ray holds back what no machine has room for, and begins a piece again whose machine dies; the command goes on from
    what it had stored.

    Args:
        address: of the cluster; see :func:`leadbench.core.cluster.connect`.
        cpus: of a cluster that is started here.
    """

    def __init__(self, address: str, cpus: int | None = None) -> None:
        self._ray = connect(address, cpus)
        self._do = self._ray.remote(_do_there)
        self._running: dict[Any, Order] = {}

    def begin(self, order: Order) -> None:
        """Hand a piece to the cluster.

        Raises:
            WorkerError: no machine of the cluster will ever have what it needs.
        """
        wanted = order.piece.resources
        there = self._ray.cluster_resources()
        for name, amount in (("CPU", wanted.cpus), ("GPU", wanted.gpus)):
            if amount > there.get(name, 0):
                raise WorkerError(
                    f"{order.piece.name}: needs {amount:g} {name}, the whole cluster has {there.get(name, 0):g}"
                )
        memory = {"memory": int(wanted.memory_gib * 2**30)} if wanted.memory_gib else {}
        placed = self._do.options(
            num_cpus=wanted.cpus,
            num_gpus=wanted.gpus,
            max_retries=TRIES,
            name=order.piece.name,
            scheduling_strategy="SPREAD",
            **memory,
        )
        self._running[placed.remote(order)] = order

    def ended(self) -> Mapping[str, Outcome]:
        """Wait until one has ended.

        Raises:
            WorkerError: machines died too often.
        """
        done, _ = self._ray.wait(list(self._running), num_returns=1)
        found = {}
        for reference in done:
            name = self._running.pop(reference).piece.name
            try:
                found[name] = self._ray.get(reference)
            except self._ray.exceptions.RayTaskError as exc:
                raise exc.as_instanceof_cause() from exc
            except self._ray.exceptions.RayError as exc:
                raise WorkerError(f"{name}: the cluster gave up ({reason(exc)}); what was done is stored") from exc
        return found

    def stop(self) -> None:
        """End what runs, and leave the cluster."""
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()
        leave(self._ray)


def _do_there(order: Order) -> Outcome:
    os.chdir(order.folder)
    return do_piece(order)
