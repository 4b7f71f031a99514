"""What a record holds beside its metrics, typed by task: counts, notes for captions, diagnostics."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from leadbench.core.config import FrozenModel

Interval = tuple[float, float]


class Details(FrozenModel):
    """What every task records.

    Attributes:
        task: registered name of the task.
        samples: motions that were measured.
        notes: sentences for the caption of a table.
        warnings: sentences that a table must show.
    """

    task: str
    samples: int = Field(0, ge=0)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class T2MDetails(Details):
    """Text-to-motion.

    Attributes:
        aligned: text encoder that the projector was aligned to.
        driven: text encoder of the backbone, where it is another one.
        latent_norm: mean Euclidean norm of the latents; ``skating_ratio``: share of frames in which a foot slides.
        split: whose captions and motions they were.
    """

    task: Literal["t2m"] = "t2m"
    split: str = "test"
    aligned: str | None = None
    driven: str | None = None
    latent_norm: float | None = None
    skating_ratio: float | None = None


class ScoreDetails(Details):
    """Scores of a folder of motions."""

    task: Literal["score"] = "score"


class MTIDetails(Details):
    """Motion textual inversion (``mti``), and words of unseen styles (``styles``).

    Attributes:
        learning_rate: of the words of a row, as a share of a word vector's root mean square.
        backbone: that was inverted; ``steps``, ``guidance``: of the sampling; None in records of older versions.
    """

    task: Literal["mti", "styles"] = "mti"
    backbone: str
    steps: int | None = None
    guidance: float | None = None
    learning_rate: float | None = None


class StructureDetails(Details):
    """Structure of the latent space.

    Attributes:
        width: of the vectors; ``labelled``: motions with a label that counts; ``clips``: recordings among them.
        labels: motions of each label; ``labels_source``: where labels come from.
        neighbours, pool, captions, resamples: of the measurements.
        intervals: 95 % bootstrap intervals of the metrics.
        aligned: text encoder of the projector.
    """

    task: Literal["structure"] = "structure"
    width: int
    labelled: int
    clips: int
    labels: dict[str, int]
    labels_source: str
    neighbours: int
    pool: int
    captions: int
    resamples: int
    intervals: dict[str, Interval] = Field(default_factory=dict)
    aligned: str | None = None


class LatencyDetails(Details):
    """Seconds per prompt.

    Attributes:
        frames: of every motion; ``batch``: prompts at once.
        rounds: seconds per prompt of every round, end to end.
        parameters, multiply_accumulates: by part of the model, by stage.
        peak_memory_mib: of the process, or of the device's allocator.
        hardware, probe: the machine, and what it reaches in a matrix product (1e9 operations a second) and in a copy
            (1e9 bytes a second).
    """

    task: Literal["latency"] = "latency"
    frames: int
    batch: int
    rounds: tuple[float, ...] = ()
    parameters: dict[str, int]
    multiply_accumulates: dict[str, int]
    peak_memory_mib: float
    hardware: dict[str, Any]
    probe: dict[str, float]


class StudyDetails(Details):
    """Ratings of one participant of a user study.

    Attributes:
        ratings: what was asked -> pair -> rating, 1 to 5.
        pairs: how they were chosen.
        left_out: how many participants are not among the records, by the reason.
        participants: question about participants -> choice -> how many of all gave it.
        minutes: median time that participants took.
    """

    task: Literal["study"] = "study"
    ratings: dict[str, dict[str, int]]
    pairs: str
    left_out: dict[str, int] = Field(default_factory=dict)
    participants: dict[str, dict[str, int]] = Field(default_factory=dict)
    minutes: float | None = None


class OtherDetails(Details):
    """Those of a plugin's task; ``values`` are the task's own."""

    values: dict[str, Any] = Field(default_factory=dict)


_KNOWN = {name: name for name in ("t2m", "score", "mti", "structure", "latency", "study")} | {"styles": "mti"}


def _tag(value: Any) -> str:
    task = value.get("task") if isinstance(value, dict) else getattr(value, "task", None)
    return _KNOWN.get(str(task), "other")


AnyDetails = Annotated[
    Annotated[T2MDetails, Tag("t2m")]
    | Annotated[ScoreDetails, Tag("score")]
    | Annotated[MTIDetails, Tag("mti")]
    | Annotated[StructureDetails, Tag("structure")]
    | Annotated[LatencyDetails, Tag("latency")]
    | Annotated[StudyDetails, Tag("study")]
    | Annotated[OtherDetails, Tag("other")],
    Discriminator(_tag),
]
"""Details of any task, told apart by ``task``."""
