"""From names to what motion textual inversion needs, before anything is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from leadbench.core.config import InversionConfig, MTIConfig
from leadbench.core.contracts import Backbone, DenoisingBackbone, Evaluator, Projector
from leadbench.core.errors import ConfigError, DataError, MotionFileError, WeightsError, unknown_name
from leadbench.core.presets import PROJECTOR_VARIANTS
from leadbench.core.provenance import collect_provenance, sha256_file
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import MotionSample
from leadbench.data.exemplars import read_motion
from leadbench.data.humanml3d import UNIT, HumanML3DFolder, draw
from leadbench.data.labels import label_of, load_labels
from leadbench.generate.concepts import Concept, check_name, make_concept
from leadbench.generate.generation import Generator
from leadbench.generate.inversion import Exemplar, Inverter, invertible
from leadbench.results.store import RunStore
from leadbench.tasks.mti.styles import (
    StyledMotions,
    fit_style_classifier,
    score_styles,
    style_means,
    styled_motions,
)
from leadbench.tasks.mti.task import MTIBenchmark
from leadbench.tasks.shared.chunks import ChunkedWork
from leadbench.tasks.shared.scoring import embed_drawn
from leadbench.zoo.assets import Opened
from leadbench.zoo.store import ModelStore, load_projector

LEAST_RECORDINGS = 5
TABLE_4 = ("no-align", "no-var", "no-rec")


@dataclass(frozen=True)
class Wanted:
    """What a user asks for.

    Attributes:
        backbone, evaluator: registered names.
        ablation: also the projectors of Table 4.
        notes: sentences for the caption.
        styles: of the motions that words are learnt from, where those are asked for; none: all of the split.
    """

    backbone: str
    evaluator: str = "guo"
    ablation: bool = False
    notes: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()


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
    notes = wanted.notes
    if "lead" in config.losses and "full" not in projectors:
        if set(config.losses) == {"lead"}:
            raise WeightsError(
                f"models {opened.models.folder}: loss 'lead' needs a projector (leadbench train projector)"
            )
        notes = (*notes, "no projector of this latent space: no loss 'lead', no projected row")
    weights = {name: sha256_file(path) for name, path in opened.models.used.items()}
    benchmark = MTIBenchmark(opened.dataset, evaluator, backbone, projectors, config, RunStore(out), weights, notes)
    if config.protocol == "styles":
        benchmark = with_styles(benchmark, opened.root, wanted.styles)
    benchmark.exemplars  # noqa: B018 -- a split that cannot be read is told before a folder is made
    benchmark.store = RunStore(out / opened.dataset.name / run_name(config.protocol, benchmark.description))
    benchmark.store.start(benchmark.description, collect_provenance())
    return benchmark


def with_styles(benchmark: MTIBenchmark, root: Path, styles: Sequence[str]) -> MTIBenchmark:
    """The benchmark on motions of given styles, with a classifier of styles that saw none of the exemplars.

    The classifier is fitted on real motions of the train split and the benchmark's. A style with fewer than
    ``LEAST_RECORDINGS`` can be told from no other: its motions are neither fitted to nor exemplars.

    Raises:
        DataError: the dataset has no labels, or the exemplars would leave a style without recordings to be known by.
        UnknownNameError: the split holds no such style with enough recordings.
    """
    labels, dataset, evaluator, config = load_labels(root), benchmark.dataset, benchmark.evaluator, benchmark.config
    samples = [s for split in ("train", config.split) for s in dataset.load(split, skip_bad=config.skip_bad_motions)[0]]
    drawn = draw(samples, config.seed, 0)
    real = styled_motions([item.id for item in drawn], embed_drawn(evaluator, drawn, ChunkedWork(config.chunk)), labels)
    common = _common_styles(real)
    real = real.only(common)
    there = {label_of(labels, name).style for name in dataset.ids(config.split)} & common
    for style in styles:
        if style not in there:
            raise unknown_name("style", style, there, where=f"--style, split {config.split!r}")
    wanted = set(styles) & there if styles else there
    found = replace(
        benchmark, eligible={name for name in dataset.ids(config.split) if label_of(labels, name).style in wanted}
    )
    own = {label_of(labels, item.id).recording for item in found.exemplars}
    others = real.without(own)
    for style in sorted(wanted - _common_styles(others, least=2)):
        raise DataError(
            f"--motions {config.motions}: the exemplars are nearly all recordings of style {style!r}; fewer than 2 are "
            f"left to know it by"
        )
    classifier, means = fit_style_classifier(others), style_means(others)

    def measure(made: Tensor, ids: Sequence[str]) -> Mapping[str, float]:
        aims = [label_of(labels, name).style for name in ids]
        metrics = score_styles(classifier, means, made, made, aims).metrics
        return {name: metrics[name] for name in ("style_share", "style_distance")}

    judge = fit_style_classifier(real)
    rows = [row for row, recording in enumerate(real.recordings) if recording in own]
    share = sum(judge.unseen[row] == real.styles[row] for row in rows) / max(1, len(rows))
    note = (
        f"classifier of {len(judge.styles)} styles: accuracy {judge.accuracy:.3f} on recordings it has not seen "
        f"(chance {judge.chance:.3f})"
    )
    return replace(found, measure=measure, real={"style_share": share}, notes=(*found.notes, note))


def _common_styles(real: StyledMotions, least: int = LEAST_RECORDINGS) -> set[str]:
    """Styles of at least that many recordings."""
    recordings: dict[str, set[str]] = {}
    for style, recording in zip(real.styles, real.recordings, strict=True):
        recordings.setdefault(style, set()).add(recording)
    return {style for style, names in recordings.items() if len(names) >= least}


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


def open_generator(opened: Opened, name: str, projector: str, concepts: Mapping[str, Concept]) -> Generator:
    """A backbone with its projector: ``auto`` the one of its latent space if there is one, ``none``, or a file.

    Raises:
        ConfigError: no backbone.
        WeightsError: no such projector file.
    """
    backbone = opened.plugins.create("backbone", name, opened.models, where="--backbone")
    if not isinstance(backbone, Backbone):
        raise ConfigError(f"backbone {name!r}: its factory returned {type(backbone).__name__}, which is no Backbone")
    if projector == "none":
        return Generator(backbone, None, concepts)
    if projector != "auto":
        return Generator(backbone, load_projector(Path(projector)), concepts)
    return Generator(backbone, find_projectors(opened.models, backbone).get("full"), concepts)


def learn_concept(opened: Opened, wanted: Wanted, config: InversionConfig, exemplar: Exemplar, name: str) -> Concept:
    """Learn a pseudo-word called ``name`` from an exemplar.

    Raises:
        ConfigError: the name, the backbone or the loss does not fit.
    """
    check_name(name)
    backbone = open_denoiser(opened, wanted.backbone)
    projector = find_projectors(opened.models, backbone).get("full") if config.loss == "lead" else None
    vector = Inverter(backbone, config, projector).learn([exemplar])[0]
    about = {
        "backbone": wanted.backbone,
        "latent": backbone.autoencoder.fingerprint,
        "exemplars": exemplar.id,
        "initial_word": exemplar.word,
        "config": config.model_dump_json(),
    }
    return make_concept(name, vector, invertible(backbone.text_encoder), about)


def read_exemplar(opened: Opened, paths: Sequence[Path], word: str) -> Exemplar:
    """Motions of files as one exemplar, in the features of the dataset.

    Raises:
        MotionFileError: a file is no motion of this skeleton, or shorter than one unit of frames.
    """
    dataset = opened.dataset
    mode = dataset.card.feature_mode if isinstance(dataset, HumanML3DFolder) else "official"
    skeleton = get_skeleton(dataset.motion.skeleton)
    samples = [MotionSample(path.name, read_motion(path, skeleton, mode), ()) for path in paths]
    for sample in samples:
        if sample.frames < UNIT:
            raise MotionFileError(f"{sample.id}: {sample.frames} frames; at least {UNIT} are needed")
    return Exemplar(tuple(samples), word)


def find_projectors(models: ModelStore, backbone: Backbone, variants: tuple[str, ...] = ()) -> dict[str, Projector]:
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
