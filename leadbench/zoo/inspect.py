"""``leadbench zoo inspect``: what a weights file is, and whether two hold one latent space."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from leadbench.core.errors import WeightsError
from leadbench.core.provenance import fingerprint
from leadbench.core.skeleton import HUMANML3D, KIT
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.evaluator import CONTACTS
from leadbench.text.glove import GLOVE_FILES, GloveVectors
from leadbench.zoo.checkpoint import read_checkpoint
from leadbench.zoo.files import card_path, load_card, load_model, read_tensors
from leadbench.zoo.official_backbone import KINDS, backbone_of, read_official_backbone
from leadbench.zoo.official_evaluator import OFFICIAL_NAMES, find_evaluator, official_evaluator

Facts = dict[str, str]
_DATASETS = {HUMANML3D.n_features: "HumanML3D", KIT.n_features: "KIT-ML"}


def inspect(path: Path) -> Facts:
    """What a file or folder is, by what is in it: facts for people, in the order to show them.

    Raises:
        WeightsError: it is missing, unsafe, or nothing that leadbench knows.
    """
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file or folder")
    if path.suffix.lower() == ".safetensors" and card_path(path).is_file():
        return _safetensors(path)
    checkpoint = read_checkpoint(path)
    if isinstance(checkpoint, Mapping) and set(OFFICIAL_NAMES) <= set(checkpoint):
        return _evaluator(checkpoint)
    return _backbone(checkpoint, path)


def autoencoder_weights(path: Path) -> str:
    """Hash of an autoencoder's tensors in our names, without statistics: equal for one autoencoder in two layouts.

    Raises:
        WeightsError: the file holds no autoencoder.
    """
    if path.suffix.lower() != ".safetensors" or not card_path(path).is_file():
        found = read_official_backbone(path)
        return fingerprint(found.autoencoder_state)
    prefix = "" if load_card(path).stage in ("autoencoder", "motionclip") else "autoencoder."
    stored, _ = read_tensors(path)
    names = [name for name in stored if name.startswith(prefix) and not name.startswith("statistics.")]
    tensors = {name.removeprefix(prefix): stored[name] for name in names}
    if "distribution_tokens" not in tensors:
        raise WeightsError(f"{path}: holds no autoencoder")
    return fingerprint(tensors)


def compare(first: Path, second: Path) -> Facts:
    """Whether two files hold one autoencoder.

    Raises:
        WeightsError: a file holds none, or cannot be read.
    """
    mine, other = autoencoder_weights(first), autoencoder_weights(second)
    same = "yes" if mine == other else "no: a projector of one does not fit the other"
    return {"autoencoder of the first": mine[:12], "autoencoder of the second": other[:12], "one latent space": same}


def _folder(path: Path) -> Facts:
    if (path / GLOVE_FILES[0]).is_file():
        glove = GloveVectors.from_folder(path)
        size = f"{len(glove.rows)} words, {glove.width} wide"
        return {"is": "GloVe vocabulary of the official evaluators", "words": size, "import with": "--as glove"}
    for skeleton in ("humanml3d", "kit"):
        files = find_evaluator(path, skeleton)
        if files.weights.is_file() and files.mean.is_file():
            return {**inspect(files.weights), "statistics": str(files.mean.parent), "import with": "--as evaluator"}
    raise WeightsError(
        f"{path}: neither an evaluator (text_mot_match/, Comp_v6_*/ or eval_mean_std/) nor a GloVe folder (our_vab_*)"
    )


def _safetensors(path: Path) -> Facts:
    names, card = load_model(path)
    facts = {"is": f"leadbench model, stage {card.stage}, preset {card.preset}", "tensors": str(len(names))}
    return facts | {name: value[:64] for name, value in card.links.items()}


def _evaluator(checkpoint: Mapping[str, Mapping[str, object]]) -> Facts:
    network = official_evaluator(checkpoint)  # type: ignore[arg-type]
    config = network.config
    left_out = sorted(str(name) for name in set(checkpoint) - set(OFFICIAL_NAMES))
    few = {skeleton.essential_features: _DATASETS[skeleton.n_features] for skeleton in (HUMANML3D, KIT)}
    read = config.features - CONTACTS
    features = f"{read} ({few[read]}, the essential ones)" if read in few else _features(config.features)
    return {
        "is": "evaluator of MARDM (finest.tar)" if read in few else "evaluator of Guo et al. (finest.tar)",
        "features a frame": features,
        "embedding": str(config.embedding),
        "parameters": _millions(sum(p.numel() for p in network.parameters())),
        "left out": f"{', '.join(left_out)}: training state" if left_out else "nothing",
        "import with": "the folder that holds text_mot_match/, --as evaluator",
    }


def _backbone(checkpoint: object, path: Path) -> Facts:
    found = backbone_of(checkpoint, path)
    config = found.autoencoder
    MotionVAE(config)  # a configuration that cannot be built is reported here, not at use
    return {
        "is": f"checkpoint of {KINDS[found.kind]}",
        "features a frame": _features(config.features),
        "latent": f"{config.latent_tokens} x {config.latent_width}",
        "layers": f"autoencoder {config.transformer.layers}, denoiser {found.denoiser.transformer.layers}",
        "text": f"{found.denoiser.text_width} wide; {found.text_encoder} ({found.reason})",
        "guidance input": "none" if found.denoiser.guidance_width is None else str(found.denoiser.guidance_width),
        "parameters": _millions(found.parameters),
        "autoencoder": fingerprint(found.autoencoder_state)[:12],
        "left out": "; ".join(f"{name}: {why}" for name, why in found.left_out.items()) or "nothing",
        "import with": f"--as {found.kind}",
    }


def _features(features: int) -> str:
    return f"{features} ({_DATASETS.get(features, 'neither HumanML3D nor KIT-ML')})"


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f} M"
