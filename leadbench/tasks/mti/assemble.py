"""From names to what motion textual inversion needs, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from leadbench.core.config import InversionConfig, MTIConfig
from leadbench.core.contracts import Backbone, DenoisingBackbone
from leadbench.core.direct import require_latent
from leadbench.core.errors import ConfigError, DataError, MotionFileError, WeightsError, unknown_name
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import MotionSample
from leadbench.data.exemplars import read_motion
from leadbench.data.humanml3d import FRAME_STEP, draw, feature_mode
from leadbench.data.labels import label_of, load_labels
from leadbench.generation.concepts import Concept, check_name, make_concept
from leadbench.generation.inversion import Exemplar, Inverter, invertible
from leadbench.generation.pipeline import realign
from leadbench.tasks.mti.styles import (
    StyledMotions,
    fit_style_classifier,
    score_styles,
    style_means,
    styled_motions,
)
from leadbench.tasks.mti.task import MTITask
from leadbench.tasks.shared.chunks import chunked_work
from leadbench.tasks.shared.identity import inputs_identity
from leadbench.tasks.shared.opening import open_evaluator
from leadbench.tasks.shared.scoring import embed_drawn
from leadbench.zoo.assets import Opened
from leadbench.zoo.projectors import AUTO, AttachedProjector, open_projector, open_projectors, open_variant

LEAST_RECORDINGS = 5
TABLE_4 = ("no-align", "no-var", "no-rec")


@dataclass(frozen=True)
class MTIRequest:
    """What a user asks for.

    Attributes:
        backbone, evaluator: registered names.
        projector: ``auto``, ``none``, files and names (:func:`leadbench.zoo.projectors.open_projectors`).
        ablation: also the projectors of Table 4.
        notes: sentences for the caption.
        styles: of the motions that words are learnt from, where those are asked for; none: all of the split.
        config: losses, subset, replications.
    """

    backbone: str
    evaluator: str = "guo"
    projector: str = "auto"
    ablation: bool = False
    notes: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    config: MTIConfig = field(default_factory=MTIConfig)


def open_mti(opened: Opened, request: MTIRequest) -> MTITask:
    """The task of motion textual inversion, or that of unseen styles; nothing is written.

    Raises:
        ConfigError: the backbone does not denoise, or its text encoder cannot be inverted.
        WeightsError: a projector of the ablation is not there.
    """
    config = request.config
    backbone = open_denoiser(opened, request.backbone)
    evaluator = open_evaluator(opened, request.evaluator)
    projectors = find_projectors(opened, backbone, request.projector, TABLE_4 if request.ablation else ())
    notes = request.notes
    if "lead" in config.losses and all(projector.variant is not None for projector in projectors):
        if set(config.losses) == {"lead"}:
            raise WeightsError(
                f"models {opened.models.folder}: loss 'lead' needs a projector (leadbench train projector)"
            )
        notes = (*notes, "no projector of this latent space: no loss 'lead', no projected row")
    splits = ("train", "val", config.split) if config.protocol == "styles" else ("val", config.split)
    inputs = inputs_identity(
        opened,
        [backbone],
        splits=splits,
        parts=[
            ("backbone", request.backbone),
            ("evaluator", request.evaluator),
            *(("projector", projector.name) for projector in projectors),
        ],
    )
    registration = opened.plugins.get("backbone", request.backbone)
    names = {request.backbone: getattr(registration, "display", "") or request.backbone}
    names |= {projector.name: projector.display for projector in projectors}
    task = MTITask(opened.dataset, evaluator, backbone, projectors, config, inputs, names, notes)
    if config.protocol == "styles":
        task = with_styles(task, opened.root, request.styles)
    task.exemplars  # noqa: B018 -- a split that cannot be read is reported before a folder is made
    return task


def with_styles(task: MTITask, root: Path, styles: Sequence[str]) -> MTITask:
    """The task on motions of given styles, with a classifier of styles that saw none of the exemplars.

    The classifier is fitted on real motions of the train split and the task's. A style with fewer than
    ``LEAST_RECORDINGS`` can be told from no other: its motions are neither fitted to nor exemplars.

    Raises:
        DataError: the dataset has no labels, or the exemplars would leave a style without recordings to be known by.
        UnknownNameError: the split holds no such style with enough recordings.
    """
    labels, dataset, evaluator, config = load_labels(root), task.dataset, task.evaluator, task.config
    samples = [s for split in ("train", config.split) for s in dataset.load(split, skip_bad=config.skip_bad_motions)[0]]
    drawn = draw(samples, config.seed, 0)
    embedded = embed_drawn(evaluator, drawn, chunked_work(config.chunk, evaluator))
    real = styled_motions([item.id for item in drawn], embedded, labels)
    common = _common_styles(real)
    real = real.only(common)
    there = {label_of(labels, name).style for name in dataset.ids(config.split)} & common
    for style in styles:
        if style not in there:
            raise unknown_name("style", style, there, where=f"--style, split {config.split!r}")
    wanted = set(styles) & there if styles else there
    found = replace(
        task, eligible={name for name in dataset.ids(config.split) if label_of(labels, name).style in wanted}
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
    backbone = opened.plugins.backbone(name, opened.models)
    require_latent(backbone, "motion textual inversion")
    if not isinstance(backbone, DenoisingBackbone):
        raise ConfigError(f"backbone {name!r}: cannot be inverted: it is no DenoisingBackbone (add_noise, predict)")
    invertible(backbone.text_encoder)
    return backbone


def learn_concept(
    opened: Opened, request: MTIRequest, config: InversionConfig, exemplar: Exemplar, name: str
) -> Concept:
    """Learn a pseudo-word called ``name`` from an exemplar.

    Raises:
        ConfigError: the name, the backbone or the loss does not fit.
    """
    check_name(name)
    backbone = open_denoiser(opened, request.backbone)
    attached = open_projector(opened, backbone.autoencoder, request.projector) if config.loss == "lead" else None
    vector = Inverter(backbone, config, None if attached is None else attached.projector).learn([exemplar])[0]
    about = {
        "backbone": request.backbone,
        "latent": backbone.autoencoder.fingerprint,
        "exemplars": exemplar.id,
        "initial_word": exemplar.word,
        "config": config.model_dump_json(),
    }
    return make_concept(name, vector.cpu(), invertible(backbone.text_encoder), about)


def read_exemplar(
    opened: Opened, paths: Sequence[Path], word: str, say: Callable[[str], None] = lambda _: None
) -> Exemplar:
    """Motions of files as one exemplar, in the features of the dataset; ``say`` is told what was put right in them.

    Raises:
        MotionFileError: a file is no motion of this skeleton, or shorter than one unit of frames.
    """
    dataset = opened.dataset
    mode = feature_mode(dataset)
    skeleton = get_skeleton(dataset.motion.skeleton)
    samples = [MotionSample(path.name, read_motion(path, skeleton, mode, say), ()) for path in paths]
    for sample in samples:
        if sample.frames < FRAME_STEP:
            raise MotionFileError(f"{sample.id}: {sample.frames} frames; at least {FRAME_STEP} are needed")
    return Exemplar(tuple(samples), word)


def find_projectors(
    opened: Opened, backbone: Backbone, specification: str = AUTO, variants: tuple[str, ...] = ()
) -> list[AttachedProjector]:
    """Projectors that a user names, and the wanted variants of the backbone's latent space.

    Raises:
        LatentMismatchError: one belongs to another latent space.
        WeightsError: a projector or a variant is not there.
    """
    found = open_projectors(opened, backbone.autoencoder, specification)
    for attached in found:
        realign(attached.projector, backbone.autoencoder)
    for variant in variants:
        fitting = open_variant(opened, backbone.autoencoder, variant)
        if fitting is None:
            raise WeightsError(
                f"models {opened.models.folder}: no projector {variant!r} of this latent space "
                f"(leadbench ablate projector)"
            )
        found.append(fitting)
    return found
