"""Pieces of a sweep on a Ray cluster whose machines see the same files."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from typing import Any

from leadbench.core.cluster import TRIES, connect, leave
from leadbench.core.errors import WorkerError
from leadbench.core.reading import reason
from leadbench.sweep.pieces import Piece
from leadbench.sweep.work import Order, Outcome, do_piece


class RayCrew:
    """Tasks of a Ray cluster, with the resources that each piece declares.

    Ray holds back what no machine has room for, and begins a piece again whose machine dies; the command goes on from
    what it had stored.

    Args:
        address: of the cluster; see :func:`leadbench.core.cluster.connect`.
        most: pieces at once; default: as many as there is room for.
    """

    def __init__(self, address: str, most: int | None = None) -> None:
        self._ray = connect(address)
        self._do = self._ray.remote(_do_there)
        self._most = most
        self._waiting: deque[Order] = deque()
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
        self._waiting.append(order)
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and (self._most is None or len(self._running) < self._most):
            order = self._waiting.popleft()
            self._running[self._placed(order.piece).remote(order)] = order

    def _placed(self, piece: Piece) -> Any:
        """The remote function, with what a piece takes."""
        wanted = piece.resources
        memory = {"memory": int(wanted.memory_gib * 2**30)} if wanted.memory_gib else {}
        return self._do.options(
            num_cpus=wanted.cpus,
            num_gpus=wanted.gpus,
            max_retries=TRIES,
            name=piece.name,
            scheduling_strategy="SPREAD",
            **memory,
        )

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
        self._hand_out()
        return found

    def stop(self) -> None:
        """End what runs, drop what waits, and leave the cluster."""
        self._waiting.clear()
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()
        leave(self._ray)


def _do_there(order: Order) -> Outcome:
    os.chdir(order.folder)
    return do_piece(order)
