"""Conformance checks for plugins: whether an implementation keeps the promises of :mod:`leadbench.core.contracts`.

>>> from leadbench.testing import assert_conforms, check_metric
>>> from leadbench.metrics.bundled import penetration_depth
>>> assert_conforms(check_metric("penetration", penetration_depth))
"""

from leadbench.testing.autoencoders import check_autoencoder
from leadbench.testing.backbones import check_backbone
from leadbench.testing.data import check_dataset, check_metric
from leadbench.testing.findings import Finding, assert_conforms
from leadbench.testing.metrics import check_set_metric
from leadbench.testing.spaces import (
    check_evaluator,
    check_projector,
    check_projector_training,
    check_text_encoder,
)
from leadbench.testing.tasks import check_task

__all__ = [
    "Finding",
    "assert_conforms",
    "check_autoencoder",
    "check_backbone",
    "check_dataset",
    "check_evaluator",
    "check_metric",
    "check_projector",
    "check_projector_training",
    "check_set_metric",
    "check_task",
    "check_text_encoder",
]
