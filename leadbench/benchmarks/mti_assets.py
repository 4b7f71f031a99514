"""From names to a benchmark of motion textual inversion, before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadbench.assets import Opened
from leadbench.benchmarks.mti import MTIBenchmark
from leadbench.config import MTIConfig
from leadbench.contracts import DenoisingBackbone, Evaluator, Projector
from leadbench.errors import ConfigError, WeightsError
from leadbench.inversion import invertible
from leadbench.presets import PROJECTOR_VARIANTS
from leadbench.provenance import collect_provenance, sha256_file
from leadbench.results import RunStore
from leadbench.zoo.store import ModelStore

TABLE_4 = ("no-align", "no-var", "no-rec")


@dataclass(frozen=True)
class Wanted:
    """What a user asks for.

    Attributes:
        backbone, evaluator: registered names.
        ablation: also the projectors of Table 4.
        notes: sentences for the caption.
    """

    backbone: str
    evaluator: str = "guo"
    ablation: bool = False
    notes: tuple[str, ...] = ()


def assemble_mti(opened: Opened, wanted: Wanted, config: MTIConfig, out: Path) -> MTIBenchmark:
    """Load and check everything, then start or resume the run below ``out``.

    Raises:
        ConfigError: the backbone does not denoise, or its text encoder cannot be inverted.
        WeightsError: a projector of the ablation is not there.
    """
    backbone = open_denoiser(opened, wanted.backbone)
    evaluator = opened.plugins.create("evaluator", wanted.evaluator, opened.models, where="--evaluator")
    if not isinstance(evaluator, Evaluator):
        raise ConfigError(f"evaluator {wanted.evaluator!r}: its factory returned {type(evaluator).__name__}")
    projectors = find_projectors(opened.models, backbone, TABLE_4 if wanted.ablation else ())
    weights = {name: sha256_file(path) for name, path in opened.models.used.items()}

    def build(store: RunStore) -> MTIBenchmark:
        return MTIBenchmark(opened.dataset, evaluator, backbone, projectors, config, store, weights, wanted.notes)

    description = build(RunStore(out)).description
    benchmark = build(RunStore(out / opened.dataset.name / run_name("mti", description)))
    benchmark.exemplars  # noqa: B018 -- a split that cannot be read is told before a folder is made
    benchmark.store.start(description, collect_provenance())
    return benchmark


def open_denoiser(opened: Opened, name: str) -> DenoisingBackbone:
    """A backbone that can be inverted.

    Raises:
        ConfigError: it does not denoise, or its text encoder cannot be inverted.
    """
    backbone = opened.plugins.create("backbone", name, opened.models, where="--backbone")
    if not isinstance(backbone, DenoisingBackbone):
        raise ConfigError(f"backbone {name!r}: cannot be inverted: it keeps no DenoisingBackbone (add_noise, predict)")
    invertible(backbone.text_encoder)
    return backbone


def find_projectors(
    models: ModelStore, backbone: DenoisingBackbone, variants: tuple[str, ...] = ()
) -> dict[str, Projector]:
    """``full`` (if there is one) and the wanted variants of the backbone's latent space.

    Raises:
        WeightsError: a variant is not there.
    """
    names = models.projectors(backbone.autoencoder.fingerprint)
    whole = [name for name in names if not name.endswith(tuple(f"-{v}" for v in PROJECTOR_VARIANTS))]
    found: dict[str, Projector] = {}
    if whole:
        found["full"] = models.projector(min(whole, key=lambda name: (name != "projector", name)))
    for variant in variants:
        fitting = [name for name in names if name.endswith(f"-{variant}")]
        if not fitting:
            raise WeightsError(
                f"models {models.folder}: no projector {variant!r} of this latent space (leadbench ablate projector)"
            )
        found[variant] = models.projector(fitting[0])
    return found


def run_name(kind: str, description: Mapping[str, Any]) -> str:
    """Folder name of a run: its kind, and a hash of what makes two runs the same."""
    return f"{kind}-" + hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()[:10]
