"""Named sizes: ``paper`` as published, ``small`` for two cores and an hour, ``micro`` as shipped, ``tiny`` to test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from leadbench.core.config import (
    AutoencoderConfig,
    AutoencoderStage,
    ConsistencyStage,
    DenoiserConfig,
    DiffusionStage,
    EvaluatorConfig,
    EvaluatorStage,
    FrozenModel,
    LengthConfig,
    LengthStage,
    LoopConfig,
    MotionClipStage,
    OptimizerConfig,
    ProjectorConfig,
    ProjectorStage,
    TmrConfig,
    TmrStage,
    TransformerConfig,
)
from leadbench.core.errors import unknown_name


class Preset(FrozenModel):
    """Configuration of every stage. Widths that depend on data or encoder are filled in when a stage starts.

    ``teacher_encoder`` conditions MLD (and is what projectors and MotionCLIP are aligned to), ``student_encoder``
    MotionLCM.
    """

    name: str
    autoencoder: AutoencoderStage
    diffusion: DiffusionStage
    consistency: ConsistencyStage
    projector: ProjectorStage
    evaluator: EvaluatorStage
    tmr: TmrStage
    motionclip: MotionClipStage
    length: LengthStage
    teacher_encoder: str
    student_encoder: str
    half: bool = False  # weights are rounded to, and stored as, float16
    overrides: dict[str, Any] = Field(default_factory=dict)  # what a user changed, by dotted key


PROJECTOR_VARIANTS: Mapping[str, Mapping[str, object]] = {
    "full": {},
    "mlp": {"architecture": "mlp"},
    "skip": {"architecture": "skip"},
    "no-var": {"var_weight": 0.0},
    "no-align": {"align_weight": 0.0},
    "no-rec": {"rec_weight": 0.0},
}
"""The ablation of the paper's Table 6: another architecture, or one loss removed (``no-var``: without KL)."""


VARIANT_NAMES: Mapping[str, str] = {
    "mlp": "mlp",
    "skip": "skip",
    "no-var": "w/o KL",
    "no-align": "w/o align",
    "no-rec": "w/o rec",
}
"""What tables call the variants."""


def projector_stage(stage: ProjectorStage, variant: str) -> ProjectorStage:
    """A projector's stage with the changes of a variant.

    Raises:
        UnknownNameError: no such variant.
    """
    if variant not in PROJECTOR_VARIANTS:
        raise unknown_name("projector variant", variant, PROJECTOR_VARIANTS, where="--variant")
    changes = dict(PROJECTOR_VARIANTS[variant])
    shape = {key: changes.pop(key) for key in ("architecture",) if key in changes}
    return stage.model_copy(update={**changes, "architecture": stage.architecture.model_copy(update=shape)})


_LENGTH = LengthStage(
    architecture=LengthConfig(),
    optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=50),
    loop=LoopConfig(steps=800, batch=256, validate_every=100, ema=0.99),
)
"""The predictor of lengths is as small for every set of models."""


def _small() -> Preset:
    """A public corpus on two cores; docs/findings.md has the experiments behind the values of distillation."""
    blocks = TransformerConfig(width=256, layers=5, heads=4, feedforward=512, dropout=0.0)
    denoiser = DenoiserConfig(
        text_width=384,
        time_width=256,
        relu_text=False,
        normalize_text=True,
        project_latent=True,
        preconditioned=True,
        transformer=blocks.model_copy(update={"dropout": 0.1}),
    )
    return Preset(
        name="small",
        autoencoder=AutoencoderStage(
            architecture=AutoencoderConfig(
                frames_per_token=8, log_variance_offset=-5.0, sinusoidal_start=True, transformer=blocks
            ),
            optimizer=OptimizerConfig(learning_rate=3e-4, warmup_steps=200),
            loop=LoopConfig(steps=14000, batch=2048, validate_every=1000, ema=0.998),
            joint_weight=0.05,
            pose_weight=5.0,
        ),
        diffusion=DiffusionStage(
            architecture=denoiser,
            optimizer=OptimizerConfig(learning_rate=5e-4),
            loop=LoopConfig(steps=5000, batch=128, validate_every=1000, ema=0.999),
            guidance=2.5,
        ),
        consistency=ConsistencyStage(
            architecture=denoiser.model_copy(update={"guidance_width": 256, "transformer": blocks}),
            optimizer=OptimizerConfig(learning_rate=2e-4, weight_decay=0.0),
            loop=LoopConfig(steps=3000, batch=128, validate_every=500, ema=0.95, select="last"),
            guidance_weight=(0.0, 9.0),
            weighting="inverse-level",
            guidance=2.5,
        ),
        projector=ProjectorStage(
            architecture=ProjectorConfig(text_width=384, transformer=blocks.model_copy(update={"dropout": 0.1})),
            optimizer=OptimizerConfig(learning_rate=3e-4),
            loop=LoopConfig(steps=2000, batch=256, validate_every=250, ema=0.99),
        ),
        **_small_evaluators(blocks),
        length=_LENGTH,
        motionclip=MotionClipStage(
            architecture=AutoencoderConfig(
                frames_per_token=8, latent_width=384, deterministic=True, sinusoidal_start=True, transformer=blocks
            ),
            optimizer=OptimizerConfig(learning_rate=3e-4, warmup_steps=200),
            loop=LoopConfig(steps=6000, batch=2048, validate_every=500, ema=0.998),
            joint_weight=0.05,
            pose_weight=5.0,
        ),
        teacher_encoder="minilm",
        student_encoder="wordllama",
    )


def _small_evaluators(blocks: TransformerConfig) -> dict[str, Any]:
    """Evaluators of ``small``."""
    return {
        "evaluator": EvaluatorStage(
            architecture=EvaluatorConfig(
                word_width=256,
                text_hidden=256,
                movement_hidden=256,
                movement_width=256,
                motion_hidden=256,
                embedding=256,
            ),
            optimizer=OptimizerConfig(learning_rate=8e-4, warmup_steps=50),
            loop=LoopConfig(steps=1100, batch=64, validate_every=100, ema=0.99),
            max_tokens=40,
        ),
        "tmr": TmrStage(
            architecture=TmrConfig(transformer=blocks.model_copy(update={"layers": 4, "dropout": 0.1})),
            optimizer=OptimizerConfig(learning_rate=3e-4, warmup_steps=100),
            loop=LoopConfig(steps=1500, batch=64, validate_every=100, ema=0.99),
        ),
    }


def _small_plain_head() -> Preset:
    """``small`` with MLD's own head, whose noise prediction a layer norm bounds: for comparison."""
    small = _small()
    plain = {"preconditioned": False, "project_latent": False}

    def with_head(stage: DiffusionStage | ConsistencyStage) -> object:
        return stage.model_copy(update={"architecture": stage.architecture.model_copy(update=plain)})

    changes = {"diffusion": with_head(small.diffusion), "consistency": with_head(small.consistency)}
    return small.model_copy(update={"name": "small-plain-head", **changes})


def _micro() -> Preset:
    """Small enough to ship: trained on the embedded corpus in about an hour, under 18 MB together."""
    small = _small()
    body = TransformerConfig(width=128, layers=5, heads=4, feedforward=384, dropout=0.0)
    return small.model_copy(
        update={
            "name": "micro",
            "half": True,
            **_micro_denoisers(small),
            "autoencoder": small.autoencoder.model_copy(
                update={
                    "architecture": small.autoencoder.architecture.model_copy(
                        update={"latent_width": 128, "transformer": body}
                    ),
                    "optimizer": OptimizerConfig(learning_rate=5e-4, warmup_steps=200),
                    "loop": LoopConfig(steps=16000, batch=2048, validate_every=1000, ema=0.998),
                }
            ),
            "projector": small.projector.model_copy(
                update={
                    "architecture": ProjectorConfig(
                        latent_width=128,
                        text_width=384,
                        transformer=TransformerConfig(width=128, layers=3, heads=4, feedforward=256, dropout=0.1),
                    )
                }
            ),
            "evaluator": small.evaluator.model_copy(
                update={
                    "architecture": EvaluatorConfig(
                        word_width=256,
                        text_hidden=128,
                        movement_hidden=128,
                        movement_width=128,
                        motion_hidden=128,
                        embedding=128,
                    ),
                    "loop": LoopConfig(steps=1200, batch=64, validate_every=100, ema=0.99),
                }
            ),
            "motionclip": small.motionclip.model_copy(
                update={
                    "architecture": small.motionclip.architecture.model_copy(update={"transformer": body}),
                    "optimizer": OptimizerConfig(learning_rate=5e-4, warmup_steps=200),
                }
            ),
        }
    )


def _micro_denoisers(small: Preset) -> dict[str, object]:
    """MLD and MotionLCM of ``micro``."""
    thin = TransformerConfig(width=160, layers=5, heads=4, feedforward=320, dropout=0.1)
    teacher = small.diffusion.architecture.model_copy(
        update={"latent_width": 128, "time_width": 160, "transformer": thin}
    )
    student = teacher.model_copy(
        update={"guidance_width": 160, "transformer": thin.model_copy(update={"dropout": 0.0})}
    )
    diffusion = {
        "architecture": teacher,
        "loop": LoopConfig(steps=5000, batch=128, validate_every=1000, ema=0.999),
        "guidance": 2.0,
    }
    consistency = {"architecture": student, "guidance": 2.0}
    return {
        "diffusion": small.diffusion.model_copy(update=diffusion),
        "consistency": small.consistency.model_copy(update=consistency),
    }


def _tiny() -> Preset:
    """Seconds instead of minutes: for tests of the whole chain. Its numbers mean nothing, so no guidance was chosen."""
    small = _small()
    blocks = TransformerConfig(width=32, layers=3, heads=2, feedforward=64, dropout=0.0)
    loop = {"steps": 4, "validate_every": 2}
    denoiser = small.diffusion.architecture.model_copy(
        update={"latent_width": 32, "time_width": 32, "transformer": blocks}
    )
    return small.model_copy(
        update={
            "name": "tiny",
            "autoencoder": small.autoencoder.model_copy(
                update={
                    "architecture": AutoencoderConfig(latent_width=32, frames_per_token=4, transformer=blocks),
                    "loop": LoopConfig(batch=256, **loop),
                }
            ),
            "diffusion": small.diffusion.model_copy(
                update={"architecture": denoiser, "loop": LoopConfig(batch=8, ema=0.9, **loop), "guidance": None}
            ),
            "consistency": small.consistency.model_copy(
                update={
                    "architecture": denoiser.model_copy(update={"guidance_width": 32}),
                    "loop": LoopConfig(batch=8, ema=0.9, **loop),
                    "guidance": None,
                }
            ),
            "projector": small.projector.model_copy(
                update={
                    "architecture": ProjectorConfig(latent_width=32, text_width=384, transformer=blocks),
                    "loop": LoopConfig(batch=8, ema=0.9, **loop),
                }
            ),
            **_tiny_evaluators(small, blocks, loop),
            "motionclip": small.motionclip.model_copy(
                update={
                    "architecture": small.motionclip.architecture.model_copy(
                        update={"frames_per_token": 4, "transformer": blocks}
                    ),
                    "loop": LoopConfig(batch=256, ema=0.9, **loop),
                }
            ),
            "length": small.length.model_copy(
                update={"architecture": LengthConfig(hidden=16), "loop": LoopConfig(batch=8, ema=0.9, **loop)}
            ),
        }
    )


def _tiny_evaluators(small: Preset, blocks: TransformerConfig, loop: dict[str, int]) -> dict[str, Any]:
    """Evaluators of ``tiny``."""
    return {
        "tmr": small.tmr.model_copy(
            update={
                "architecture": TmrConfig(embedding=16, transformer=blocks),
                "loop": LoopConfig(batch=8, ema=0.9, **loop),
            }
        ),
        "evaluator": small.evaluator.model_copy(
            update={
                "architecture": EvaluatorConfig(
                    word_width=256,
                    text_hidden=16,
                    movement_hidden=16,
                    movement_width=16,
                    motion_hidden=16,
                    embedding=16,
                ),
                "loop": LoopConfig(batch=8, ema=0.9, **loop),
            }
        ),
    }


def _paper(name: str = "paper", projector_width: int = 256) -> Preset:
    """The official full sizes: MLD's configuration for both networks, the paper's for the projector (section 5.2).

    Steps are the published epochs on HumanML3D's 23,384 training clips. "Hidden size 1024" of the projector may be its
    feed-forward width (``paper``) or its width (``paper-wide``).
    """
    body = TransformerConfig(attention_dropout=0.1)  # 9 layers, 4 heads, width 256, feed-forward 1024, dropout 0.1
    clips, epochs = 23_384, 2000
    loop = LoopConfig(steps=clips // 64 * epochs, batch=64, validate_every=clips // 64 * 10)
    flat = OptimizerConfig(learning_rate=1e-4, warmup_steps=0, final_rate=1.0)
    wide = body.model_copy(update={"width": projector_width})
    return _small().model_copy(
        update={
            "name": name,
            # a batch of 64 clips, counted in frames
            "autoencoder": AutoencoderStage(
                architecture=AutoencoderConfig(transformer=body),
                optimizer=flat,
                loop=loop.model_copy(update={"batch": 64 * 128}),
                standardize=False,
            ),
            "diffusion": DiffusionStage(architecture=DenoiserConfig(transformer=body), optimizer=flat, loop=loop),
            "consistency": ConsistencyStage(
                architecture=DenoiserConfig(guidance_width=256, transformer=body),
                optimizer=OptimizerConfig(learning_rate=2e-4, weight_decay=0.0, warmup_steps=1000),
                loop=LoopConfig(steps=96_000, batch=128, validate_every=5000, ema=0.95, select="last"),
            ),
            "projector": ProjectorStage(
                architecture=ProjectorConfig(transformer=wide),
                optimizer=flat,
                loop=LoopConfig(steps=-(-clips // 1024) * 200, batch=1024, validate_every=230),
            ),
            "teacher_encoder": "clip",
            "student_encoder": "t5",
        }
    )


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (_small(), _small_plain_head(), _micro(), _tiny(), _paper(), _paper("paper-wide", 1024))
}


def get_preset(name: str) -> Preset:
    """A preset by name.

    Raises:
        UnknownNameError: no such preset.
    """
    if name not in PRESETS:
        raise unknown_name("preset", name, PRESETS, where="--preset")
    return PRESETS[name]
