"""What the numbers of a run depend on, beside what the user asked for: the one place where it is gathered.

Every task puts it into its identity, so that a run is continued, and averaged, only where all of it is equal. A test
perturbs each input in turn and looks for another identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from leadbench.core.contracts import Backbone, TextEncoder
from leadbench.core.provenance import sha256_file, sources_digest
from leadbench.data.digest import dataset_identity
from leadbench.data.labels import FILE as LABELS
from leadbench.text.identity import identity_of
from leadbench.zoo.assets import Opened
from leadbench.zoo.files import card_path, load_card

_CODE = ("core", "data", "engine", "generation", "metrics", "motion", "nn", "plugins", "tasks", "text", "zoo")


def inputs_identity(
    opened: Opened,
    backbones: Iterable[Backbone] = (),
    encoders: Iterable[TextEncoder] = (),
    splits: Sequence[str] = (),
    parts: Iterable[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Data, weights, cards, text encoders, latent spaces and code that a run reads; called when all are opened.

    Args:
        backbones: those that generate.
        encoders: text encoders that are used beside theirs and the model folder's.
        splits: that are read beside the test split.
        parts: kind and name of plugins' parts that were made: their options and what they hold.
    """
    backbones = list(backbones)
    used = opened.models.used
    used_encoders: dict[str, TextEncoder] = {
        encoder.name: encoder for encoder in (*encoders, *(b.text_encoder for b in backbones))
    }
    used_encoders |= opened.models.text_encoders
    cards = {name: load_card(path) for name, path in used.items() if card_path(path).is_file()}
    return {
        "code": sources_digest(_CODE),
        "device": opened.models.device.type,
        "precision": opened.models.compute.precision,
        "dataset": dataset_identity(opened.dataset, splits),
        "weights": {name: sha256_file(path) for name, path in used.items()},
        "cards": {name: card.meaning for name, card in cards.items()},
        "trainings": {name: {"seed": card.seed, "recipe": card.recipe} for name, card in cards.items()},
        "text_encoders": {name: identity_of(used_encoders[name]) for name in sorted(used_encoders)},
        "latents": {backbone.name: backbone.autoencoder.fingerprint for backbone in backbones},
        "plugins": opened.plugins.identity(),
        "parts": opened.plugins.parts_identity(parts),
        **({"labels": sha256_file(opened.root / LABELS)} if (opened.root / LABELS).is_file() else {}),
    }
