"""Kinds of parts that plugins offer."""

from __future__ import annotations

from leadbench.plugins.hookspecs import BackboneRegistration, ProjectorRegistration, Registration, TaskRegistration

CONTRACTS: dict[str, str] = {
    "backbone": "Backbone",
    "text_encoder": "TextEncoder",
    "autoencoder": "MotionAutoencoder",
    "projector": "Projector",
    "dataset": "MotionDataset",
    "evaluator": "Evaluator",
    "tracker": "Tracker",
}
"""Protocols that parts implement, by kind."""

KINDS: dict[str, type[Registration]] = {
    "backbone": BackboneRegistration,
    "text_encoder": Registration,
    "autoencoder": Registration,
    "projector": ProjectorRegistration,
    "dataset": Registration,
    "evaluator": Registration,
    "metric": Registration,
    "task": TaskRegistration,
    "tracker": Registration,
    "command": Registration,
}
"""Kinds of parts, with what registers them."""


HELD = ("backbone", "autoencoder", "evaluator", "metric", "projector")
"""Kinds whose content runs depend on."""


def hook_name(kind: str) -> str:
    """Hook that collects registrations of a kind: ``backbone`` -> ``leadbench_backbones``."""
    return f"leadbench_{kind}s"
