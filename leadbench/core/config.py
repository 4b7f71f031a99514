"""Frozen configuration models: the only home of defaults. Unknown keys are rejected."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator


class FrozenModel(BaseModel):
    """Base of every configuration: immutable, and strict about unknown keys."""

    model_config = ConfigDict(allow_inf_nan=False, frozen=True, extra="forbid")


# --------------------------------------------------------------------------------------
# Architectures
# --------------------------------------------------------------------------------------


class TransformerConfig(FrozenModel):
    """A stack of post-norm transformer blocks; skip stacks need an odd number of layers.

    ``attention_dropout`` drops attention weights in training. The official networks use 0.1 there too; it rules
    out fused attention kernels on a CPU, so it is off by default.
    """

    width: int = Field(256, gt=0)
    layers: int = Field(9, gt=0)
    heads: int = Field(4, gt=0)
    feedforward: int = Field(1024, gt=0)
    dropout: float = Field(0.1, ge=0, lt=1)
    attention_dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide_width(self) -> TransformerConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by heads {self.heads}")
        return self


class AutoencoderConfig(FrozenModel):
    """Motion VAE of MLD: frames to ``latent_tokens`` tokens of ``latent_width`` and back.

    ``latent_width`` differing from the transformer width, or ``project_latent``, adds the linear maps of MotionLCM v2.
    ``frames_per_token`` > 1 feeds the transformer groups of consecutive frames (ours, for speed on a CPU;
    1 is the official layout). ``log_variance_offset`` is added to the posterior's log variance (ours; official 0): the
    encoder's last layer norm moves by one learning rate a step, so a posterior that starts at deviation 1 drowns the
    latent in noise for thousands of steps. ``sinusoidal_start`` starts the learned position tables at sines and cosines
    (ours; official uniform). ``positions`` is the length of those tables: the longest sequence.
    ``deterministic`` leaves the log variances out: a plain autoencoder (MotionCLIP), whose posterior has deviation 0.
    """

    features: int = Field(263, gt=0)
    latent_tokens: int = Field(1, gt=0)
    latent_width: int = Field(256, gt=0)
    frames_per_token: int = Field(1, gt=0)
    project_latent: bool = False
    log_variance_offset: float = 0.0
    sinusoidal_start: bool = False
    deterministic: bool = False
    positions: int = Field(500, gt=0)
    transformer: TransformerConfig = TransformerConfig()


class DenoiserConfig(FrozenModel):
    """Denoiser of MLD and MotionLCM: a skip transformer over [latent, time, text] tokens.

    ``guidance_width`` is the width of MotionLCM's guidance features (None: no guidance input, as in MLD);
    ``relu_text`` applies ReLU to the raw text embedding before its projection (MLD, MotionLCM v1).
    ``project_latent``, or differing widths, adds the linear maps in and out of the hidden width (MotionLCM v2).
    ``normalize_text`` brings each raw text token to mean 0 and deviation 1 first (ours: unit-norm sentence embeddings
    have entries near 0.05, beside which position tables drown them).
    ``project_text`` off feeds the text embedding as it is (MLD does so when its width equals the transformer's).
    ``preconditioned`` predicts the noise as sigma x + signal F(x) (ours; official: F(x)). F ends in a layer norm, so
    its output has one length at all timesteps; alone, it cannot be the noise where most of the input is noise, nor
    small where nothing of the noise can be told, and samples come out three times too large.
    """

    latent_tokens: int = Field(1, gt=0)
    latent_width: int = Field(256, gt=0)
    text_width: int = Field(768, gt=0)
    time_width: int = Field(768, gt=0)
    guidance_width: int | None = None
    relu_text: bool = True
    normalize_text: bool = False
    project_text: bool = True
    project_latent: bool = False
    preconditioned: bool = False
    positions: int = Field(500, gt=0)
    transformer: TransformerConfig = TransformerConfig()

    @model_validator(mode="after")
    def _widths_fit(self) -> DenoiserConfig:
        if not self.project_text and self.text_width != self.transformer.width:
            raise ValueError(
                f"project_text off needs text_width {self.text_width} equal to the width {self.transformer.width}"
            )
        if self.guidance_width is not None and self.guidance_width < 4:
            raise ValueError(f"guidance_width must be at least 4, got {self.guidance_width}")
        return self


class ProjectorConfig(FrozenModel):
    """LEAD projector: latent [N, M] to ``tokens`` code tokens [K, C] and back (paper, section 4.1.1, 5.2).

    ``transformer.width`` is the hidden width (``paper``: 256 with feed-forward 1024; ``paper-wide``: 1024).
    ``split`` cuts every latent token into that many input tokens. ``queries`` reads codes and latents out of
    learned query tokens even where input and output token counts agree and could be read in place.
    """

    architecture: Literal["transformer", "skip", "mlp"] = "transformer"
    latent_tokens: int = Field(1, gt=0)
    latent_width: int = Field(256, gt=0)
    text_width: int = Field(768, gt=0)
    tokens: int = Field(1, gt=0)
    split: int = Field(1, gt=0)
    queries: bool = False
    transformer: TransformerConfig = TransformerConfig()

    @model_validator(mode="after")
    def _split_divides(self) -> ProjectorConfig:
        if self.latent_width % self.split:
            raise ValueError(f"latent_width {self.latent_width} is not divisible by split {self.split}")
        if self.architecture == "mlp" and (self.split > 1 or self.queries):
            raise ValueError("architecture 'mlp' has no tokens: leave split at 1 and queries off")
        return self


class EvaluatorConfig(FrozenModel):
    """Text-motion co-embedding networks of Guo et al. (text-to-motion, networks/modules.py)."""

    word_width: int = Field(300, gt=0)
    pos_width: int = Field(15, gt=0)
    text_hidden: int = Field(512, gt=0)
    features: int = Field(263, gt=0)
    movement_hidden: int = Field(512, gt=0)
    movement_width: int = Field(512, gt=0)
    motion_hidden: int = Field(1024, gt=0)
    embedding: int = Field(512, gt=0)


class LengthConfig(FrozenModel):
    """Predictor of lengths: two hidden layers; ``units`` of 4 frames are the longest motion."""

    text_width: int = Field(256, gt=0)
    hidden: int = Field(256, gt=0)
    units: int = Field(49, gt=0)
    dropout: float = Field(0.2, ge=0, lt=1)


class TmrConfig(FrozenModel):
    """Evaluator in the manner of TMR: groups of ``frames_per_token`` frames through a transformer."""

    features: int = Field(263, gt=0)
    text_width: int = Field(384, gt=0)
    embedding: int = Field(256, gt=0)
    frames_per_token: int = Field(4, gt=0)
    transformer: TransformerConfig = TransformerConfig()


# --------------------------------------------------------------------------------------
# Data
# --------------------------------------------------------------------------------------


class DatasetCard(BaseModel):
    """``dataset.json`` of a dataset folder; keys beyond these are kept by the writer and ignored here."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    skeleton: Literal["humanml3d", "kit"] = "humanml3d"
    fps: float = Field(20.0, gt=0, le=1000)
    tag_fps: float = Field(20.0, gt=0, le=1000)  # officially 20 for KIT-ML too, although it runs at 12.5
    min_frames: int = Field(40, gt=0, le=100_000)
    max_frames: int = Field(200, gt=0, le=100_000)  # exclusive
    feature_mode: Literal["official", "corrected"] = "official"  # how joints became features


InversionLoss = Literal["feat", "mld", "lead"]


class InversionConfig(FrozenModel):
    """Motion textual inversion: 20 steps of Adam on 4 segments of a motion (paper, section 5.2).

    ``learning_rate`` is a share of the root mean square of the initial word vectors' entries. The published one is not
    known.
    """

    loss: InversionLoss = "lead"
    steps: int = Field(20, gt=0)
    segments: int = Field(4, gt=0)
    shortest: int = Field(40, gt=0)  # frames of a segment
    longest: int = Field(64, gt=0)
    learning_rate: float = Field(0.3, gt=0)
    batch: int = Field(128, gt=0)  # pseudo-words learnt together
    seed: int = 0


class MTIConfig(FrozenModel):
    """The benchmark of motion textual inversion (paper, Tables 3 and 4; ``styles``: section 5.5, Figure 7)."""

    protocol: Literal["mti", "styles"] = "mti"
    seed: int = 0
    motions: int = Field(100, gt=1)
    replications: int = Field(20, gt=0, le=10_000)
    pool: int = Field(32, gt=1)
    diversity_pairs: int = Field(300, gt=0)
    losses: tuple[InversionLoss, ...] = ("feat", "mld", "lead")
    learning_rates: tuple[PositiveFloat, ...] = (0.1, 0.3, 1.0)  # candidates; each loss takes the best on validation
    selection_motions: int = Field(32, gt=1)
    split: str = "test"
    chunk: int | None = Field(None, gt=0)  # None: what suits the device
    skip_bad_motions: bool = False


class StructureConfig(FrozenModel):
    """The benchmark of latent structure (paper, Figure 3, right).

    Attributes:
        neighbours: of the nearest-neighbour accuracy.
        pool: captions that a motion is to be told from, as in R-precision.
        least: motions that a label needs in the split to be counted.
        verbs: labels that are counted at most where captions give them.
        resamples: of the bootstrap.
        perplexity: of the t-SNE.
    """

    protocol: Literal["structure"] = "structure"
    seed: int = 0
    split: str = "test"
    neighbours: int = Field(5, gt=0)
    pool: int = Field(32, gt=2)
    least: int = Field(10, gt=1)
    verbs: int = Field(12, gt=1)
    resamples: int = Field(2000, gt=0)
    perplexity: float = Field(30.0, gt=0)
    chunk: int | None = Field(None, gt=0)  # None: what suits the device
    skip_bad_motions: bool = False


# --------------------------------------------------------------------------------------
# Where things lie
# --------------------------------------------------------------------------------------


class DatasetSettings(FrozenModel):
    """Files of one dataset.

    Attributes:
        root: folder in HumanML3D's on-disk format.
        models: model folder; default: ``models`` in the root.
        evaluator: folder of the official evaluator (``text_mot_match``, ``Comp_v6_*``).
        checkpoints: backbone -> official checkpoint.
    """

    root: Path | None = None
    models: Path | None = None
    evaluator: Path | None = None
    checkpoints: dict[str, Path] = Field(default_factory=dict)


class EncoderSettings(FrozenModel):
    """Folder, file or hub name of each text encoder's weights."""

    clip: str = "ViT-L-14/openai"
    t5: str = "sentence-transformers/sentence-t5-large"
    minilm: str | None = None  # None: the installed package that carries it, else the hub


class SelfTestSettings(FrozenModel):
    """How far the Real row of one replication may be from the published one (twenty give ±0.002, ±0.008 and ±0.008)."""

    r_precision_3: float = Field(0.02, gt=0)
    mm_dist: float = Field(0.08, gt=0)
    fid: float = Field(0.03, gt=0)


class Settings(FrozenModel):
    """``leadbench.toml``: where assets lie.

    Attributes:
        cache: where generated data and embeddings of captions are kept; default: ``leadbench`` in the user's cache
            folder.
        keep_captions: whether embeddings of captions are kept between runs.
        glove: folder of ``our_vab_*``; default: ``glove`` beside an evaluator's folder.
        device: what computes where no option says it: ``auto``, ``cpu``, ``cuda``, ``cuda:N``, ``cuda:all``, ``mps`` or
            ``xpu``.
        precision: what networks compute in where no option says it: ``float32``, ``tf32`` or ``bf16``.
        options: of plugins' parts, by the part's name.
    """

    cache: Path | None = None
    keep_captions: bool = True
    glove: Path | None = None
    device: str = "auto"
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    encoders: EncoderSettings = EncoderSettings()
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    datasets: dict[str, DatasetSettings] = Field(default_factory=dict)
    self_test: SelfTestSettings = SelfTestSettings()


# --------------------------------------------------------------------------------------
# Training
# --------------------------------------------------------------------------------------


class OptimizerConfig(FrozenModel):
    """AdamW with linear warm-up and cosine decay to ``final_rate`` x the peak learning rate."""

    learning_rate: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup_steps: int = Field(200, ge=0)
    final_rate: float = Field(0.05, ge=0, le=1)
    gradient_clip: float = Field(1.0, gt=0)


class LoopConfig(FrozenModel):
    """Length and housekeeping of a training."""

    steps: int = Field(gt=0)
    batch: int = Field(gt=0)
    validate_every: int = Field(500, gt=0)
    seed: int = 0
    ema: float = Field(0.0, ge=0, lt=1)  # 0: no moving average
    accumulate: int = Field(1, gt=0)  # batches whose gradients are averaged for one step
    select: Literal["best", "last"] = "best"  # weights to keep: of the lowest validation score, or of the last step


class ReconstructionStage(FrozenModel):
    """What trainings of motion autoencoders share. ``loop.batch`` counts frames, not clips."""

    architecture: AutoencoderConfig
    optimizer: OptimizerConfig
    loop: LoopConfig
    joint_weight: float = Field(0.0, ge=0)  # per metre of recovered joints
    pose_weight: float = Field(0.0, ge=0)  # per metre of recovered joints with the roots put together


class AutoencoderStage(ReconstructionStage):
    """Stage 1."""

    kl_weight: float = Field(1e-4, ge=0)
    standardize: bool = True  # expose per-dimension standardised latents


class MotionClipStage(ReconstructionStage):
    """MotionCLIP: reconstruction, and the cosine between a motion's latent and the embedding of one of its captions.

    The latent's width is that of the text encoder.
    """

    text_weight: float = Field(1.0, ge=0)


class DiffusionStage(FrozenModel):
    """Stage 2: noise prediction on pre-encoded latents.

    ``guidance``: scale that the backbone samples with unless another is asked for, chosen on the validation split;
    None: the published one. It stands in the card and changes no weight.
    """

    architecture: DenoiserConfig
    optimizer: OptimizerConfig
    loop: LoopConfig
    caption_dropout: float = Field(0.1, ge=0, le=1)
    guidance: float | None = Field(None, ge=0)


class ConsistencyStage(FrozenModel):
    """Latent consistency distillation: guidance weight w = guidance - 1 drawn uniformly from a range.

    ``weighting`` of the loss by timestep, scaled to a mean of 1. ``uniform``: none, as the official code.
    ``inverse-step``: by one over the step of the noise level (Song and Dhariwal 2023, "Improved Techniques for Training
    Consistency Models"). ``inverse-level``: by one over the noise level itself. An error of the predicted noise moves
    the clean latent by the noise level times as much, 120 times more at the last timestep than at the first; without
    weights the first ones, whose errors all others inherit, are learnt last.

    ``guidance``: as in :class:`DiffusionStage`.
    """

    architecture: DenoiserConfig
    optimizer: OptimizerConfig
    loop: LoopConfig
    guidance_weight: tuple[float, float] = (5.0, 15.0)
    solver_steps: int = Field(50, gt=1)
    huber: float = Field(1e-3, gt=0)
    weighting: Literal["uniform", "inverse-step", "inverse-level"] = "uniform"
    guidance: float | None = Field(None, ge=0)


class ProjectorStage(FrozenModel):
    """Stage 3: loss weights as published (paper, section 5.2)."""

    architecture: ProjectorConfig
    optimizer: OptimizerConfig
    loop: LoopConfig
    align_weight: float = Field(2.1591, ge=0)
    rec_weight: float = Field(4.7036, ge=0)
    var_weight: float = Field(0.05960, ge=0)
    posterior_samples: bool = True


class EvaluatorStage(FrozenModel):
    """Contrastive training of the co-embedding; ``temperature`` divides squared distances."""

    architecture: EvaluatorConfig
    optimizer: OptimizerConfig
    loop: LoopConfig
    word_vectors: Literal["wordllama"] = "wordllama"
    max_tokens: int = Field(20, gt=0)
    temperature: float = Field(1.0, gt=0)


class LengthStage(FrozenModel):
    """Training of the predictor of lengths."""

    architecture: LengthConfig
    optimizer: OptimizerConfig
    loop: LoopConfig


class TmrStage(FrozenModel):
    """Contrastive training of the evaluator ``tmr``; captions whose cosine exceeds ``paraphrase`` are no negatives."""

    architecture: TmrConfig
    optimizer: OptimizerConfig
    loop: LoopConfig
    temperature: float = Field(0.1, gt=0)
    paraphrase: float = Field(0.9, gt=0, le=1)


# --------------------------------------------------------------------------------------
# Benchmarks
# --------------------------------------------------------------------------------------


class T2MConfig(FrozenModel):
    """The text-to-motion benchmark: what is drawn, how often, and in which pools."""

    protocol: Literal["guo-2022", "mld"] = "guo-2022"
    seed: int = 0
    replications: int = Field(20, gt=0, le=10_000)
    pool: int = Field(32, gt=1)
    diversity_pairs: int = Field(300, gt=0)
    multimodality_captions: int = Field(100, gt=0)
    multimodality_repeats: int = Field(30, gt=1)
    multimodality_pairs: int = Field(10, gt=0)
    multimodality_replications: int | None = Field(None, ge=0)  # None: in every replication
    chunk: int | None = Field(None, gt=0)  # None: what suits the device
    split: str = "test"
    skip_bad_motions: bool = False
    allow_latent_mismatch: bool = False

    @classmethod
    def quick(cls, **changes: object) -> T2MConfig:
        """3 replications; MultiModality in the first only, with 100 x 20."""
        return cls.model_validate(
            {"replications": 3, "multimodality_repeats": 20, "multimodality_replications": 1, **changes}
        )
