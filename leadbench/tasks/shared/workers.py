"""Several processes on one run: each works on whole units and hands their records back to one writer."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from leadbench.core.provenance import collect_provenance
from leadbench.core.settings import settings
from leadbench.results.store import Record
from leadbench.tasks.shared.units import Report, Unit
from leadbench.tasks.t2m.assemble import Assembled, assemble_t2m
from leadbench.tasks.t2m.request import T2MRequest
from leadbench.zoo.assets import Choice, open_assets
from leadbench.zoo.store import ModelStore


@dataclass(frozen=True)
class Recipe:
    """What a process needs to assemble the same benchmark; all of it can be pickled.

    Args:
        request: what the user asked for.
        choice: dataset, models and plugins.
        out: where records go.
    """

    request: T2MRequest
    choice: Choice
    out: Path

    def assemble(self, *, strict: bool = False) -> tuple[Assembled, ModelStore]:
        """Load everything."""
        opened = open_assets(self.choice, strict=strict)
        return assemble_t2m(self.request, opened.dataset, opened.plugins, opened.models, self.out), opened.models


Embeddings = Mapping[str, Mapping[str, Tensor]]
"""Encoder's name -> caption -> tokens [L, C]."""

_units: list[Unit] = []  # of this worker process


def execute(assembled: Assembled, recipe: Recipe, models: ModelStore, jobs: int, report: Report) -> list[Record]:
    """Test the evaluator on real motions, then start or resume a run in one or more processes; return all its records.

    Raises:
        SelfTestError: real motions do not score as they should; nothing is written.
    """
    benchmark = assembled.benchmark
    if recipe.request.self_test:
        tested = benchmark.self_test(settings().self_test)
        if tested is not None:
            tested.require()
    done = all(map(benchmark.recorded, benchmark.units()))
    if not done:
        _embed_captions(assembled, models)  # before anything is written, since it may load an encoder
    benchmark.store.start(assembled.description, collect_provenance())
    if done:
        return benchmark.store.records()
    if jobs == 1:
        return benchmark.run(report)
    _run_in_processes(assembled, recipe, models, jobs, report)
    return benchmark.store.records()


def _run_in_processes(assembled: Assembled, recipe: Recipe, models: ModelStore, jobs: int, report: Report) -> None:
    """Do what is left of a run with ``jobs`` processes, which are given the captions' embeddings.

    Raises:
        Whatever a unit raises; units that other processes had finished by then are recorded.
    """
    benchmark = assembled.benchmark
    units = list(benchmark.units())
    left = [number for number, unit in enumerate(units) if not benchmark.recorded(unit)]
    done = len(units) - len(left)
    threads = max(1, torch.get_num_threads() // jobs)
    embeddings = {name: encoder.rows for name, encoder in models.text_encoders.items()}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, _start, (recipe, embeddings, threads)) as pool:
        futures = {pool.submit(_work, number): units[number] for number in left}
        try:
            for future in as_completed(futures):
                for record in future.result():
                    benchmark.store.append(record)
                done += 1
                report(futures[future].label, done, len(units))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _embed_captions(assembled: Assembled, models: ModelStore) -> None:
    """Encode what the replications draw, each caption once and always in the same batches, so that a resumed run sees
    the same bits."""
    captions = assembled.benchmark.captions()
    for encoder in models.text_encoders.values():
        encoder.together(["", *captions])


def _start(recipe: Recipe, embeddings: Embeddings, threads: int) -> None:
    torch.set_num_threads(threads)
    assembled, models = recipe.assemble()
    for name, rows in embeddings.items():
        models.text_encoder(name).preload(rows)
    _units[:] = assembled.benchmark.units()


def _work(number: int) -> list[Record]:
    return _units[number].work()
