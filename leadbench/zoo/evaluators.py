"""Factories of bundled evaluators."""

from __future__ import annotations

from leadbench.zoo.loaded import LoadedEvaluator
from leadbench.zoo.store import ModelStore


def guo(models: ModelStore) -> LoadedEvaluator:
    """The co-embedding networks that ``leadbench train evaluator`` wrote."""
    return models.evaluator()
