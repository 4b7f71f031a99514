"""Factories of bundled evaluators."""

from __future__ import annotations

from leadbench.zoo.loaded import LoadedEvaluator, LoadedTmr
from leadbench.zoo.store import ModelStore


def guo(models: ModelStore) -> LoadedEvaluator:
    """The co-embedding networks that ``leadbench train evaluator`` wrote."""
    return models.evaluator()


def tmr(models: ModelStore) -> LoadedTmr:
    """The networks in the manner of TMR that ``leadbench train evaluator --kind tmr`` wrote."""
    return models.tmr()
