"""Official files where they lie: checkpoints, evaluator and word vectors as the authors published them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from leadbench.core.errors import ConfigError, WeightsError
from leadbench.core.tensors import MotionSpec
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.text.glove import GLOVE_FILES, GloveVectors
from leadbench.text.special_words import SPECIAL_WORDS
from leadbench.zoo.loaded import LoadedAutoencoder, LoadedEvaluator, TextPipeline
from leadbench.zoo.official_backbone import OfficialBackbone, read_official_backbone
from leadbench.zoo.official_evaluator import evaluator_name, read_evaluator


@dataclass(frozen=True)
class OfficialFiles:
    """Where the official files of a dataset lie.

    Attributes:
        checkpoints: backbone -> Lightning checkpoint.
        evaluator: folder of ``text_mot_match`` and ``Comp_v6_*``, or of MARDM's.
        glove: folder of ``our_vab_*``; None: looked for beside the evaluator.
        motion: the dataset's own statistics, which the backbones were trained with and do not hold.
        dataset: its name.
    """

    checkpoints: Mapping[str, Path] = field(default_factory=dict)
    evaluator: Path | None = None
    glove: Path | None = None
    motion: MotionSpec | None = None
    dataset: str = ""


@dataclass(frozen=True, eq=False)
class OfficialModel:
    """The parts of an official backbone; the denoiser is in eval mode and frozen."""

    autoencoder: LoadedAutoencoder
    denoiser: Denoiser
    text_encoder: str
    note: str = ""  # how the text encoder is known, where it was inferred

    def __post_init__(self) -> None:
        self.denoiser.eval().requires_grad_(False)


def open_checkpoint(name: str, files: OfficialFiles) -> OfficialModel:
    """Read the checkpoint of the backbone ``name``.

    Raises:
        WeightsError: the file is missing, unsafe or does not fit.
        ConfigError: it is another backbone's, or no dataset is known.
    """
    path = files.checkpoints[name]
    found = read_official_backbone(path)
    if found.kind != name:
        raise ConfigError(f"checkpoint {path}: it is of {found.kind!r}, given for backbone {name!r}")
    return build(found, _motion(files, path, found.autoencoder.features))


def build(found: OfficialBackbone, motion: MotionSpec) -> OfficialModel:
    """Networks of a converted checkpoint."""
    autoencoder, denoiser = MotionVAE(found.autoencoder), Denoiser(found.denoiser)
    autoencoder.load_state_dict(dict(found.autoencoder_state))
    denoiser.load_state_dict(dict(found.denoiser_state))
    return OfficialModel(LoadedAutoencoder(autoencoder, motion), denoiser, found.text_encoder, found.reason)


def open_evaluator(files: OfficialFiles, glove: Callable[[], GloveVectors]) -> tuple[LoadedEvaluator, Path]:
    """The evaluator of ``files.evaluator`` with its own statistics, and its weights file; ``glove`` is asked last.

    Raises:
        WeightsError: a file is missing, unsafe or does not fit.
        ConfigError: no dataset is known, which tells the skeleton.
    """
    assert files.evaluator is not None
    motion = _motion(files, files.evaluator, None)
    network, own, found = read_evaluator(files.evaluator, motion)
    text = TextPipeline(glove(), special_words=SPECIAL_WORDS)
    evaluator = LoadedEvaluator(evaluator_name(motion.skeleton, essential=found.essential), network, own, text)
    evaluator.official = not found.essential
    return evaluator, found.weights


def open_glove(files: OfficialFiles) -> GloveVectors:
    """Word vectors of the folder that is named, else of ``glove`` in or above the evaluator's folder.

    Raises:
        WeightsError: there are none, or a file does not fit.
    """
    near = files.evaluator
    places = [files.glove] if files.glove else []
    places += [parent / "glove" for parent in (near, near.parent, near.parent.parent)] if near and not places else []
    for place in places:
        if (place / GLOVE_FILES[0]).is_file():
            return GloveVectors.from_folder(place)
    if not places:
        raise WeightsError(
            f"GloVe vocabulary: no folder is named (needs {', '.join(GLOVE_FILES)}; set glove in leadbench.toml, or "
            "import it once: leadbench zoo import FOLDER)"
        )
    return GloveVectors.from_folder(places[0])  # which tells what is missing


def _motion(files: OfficialFiles, path: Path, features: int | None) -> MotionSpec:
    """The dataset's statistics, if they have the width of what was read."""
    if files.motion is None:
        raise ConfigError(f"{path}: needs a dataset, whose Mean.npy and Std.npy tell skeleton and statistics")
    if features is not None and features != files.motion.width:
        raise WeightsError(f"{path}: for {features} features a frame, the dataset has {files.motion.width}")
    return files.motion
