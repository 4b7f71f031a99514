"""Every file that leadbench reads, and who reads it: a folder of small whole ones, and one call for each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import bvh_files
import hundred_style_files
import numpy as np
import torch
from folders import smooth_joints, write_folder
from official_layouts import write_glove
from records import made_record

from leadbench.core.overrides import override
from leadbench.core.presets import get_preset
from leadbench.core.settings import load_settings
from leadbench.core.skeleton import HUMANML3D, load_target_offsets
from leadbench.core.tensors import MotionSpec
from leadbench.data.check import check_folder
from leadbench.data.exemplars import read_motion
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.data.labels import MotionLabel, load_labels, write_labels
from leadbench.data.prepare.hundred_style import _cuts
from leadbench.data.segments import find_segments
from leadbench.generation.concepts import KIND, load_concept
from leadbench.motion.bvh import read_bvh
from leadbench.motion.retarget import BANDAI_NAMCO, upright_joints
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.evaluator import EvaluatorNetworks
from leadbench.nn.projector import LeadProjector
from leadbench.report.claims.gather import judge_results
from leadbench.report.claims.render import render_claims
from leadbench.results.migrate import migrate_results
from leadbench.results.rows import REAL, Row
from leadbench.results.seals import run_digest, sealed
from leadbench.results.store import RunStore, header_text
from leadbench.results.verify import verify_results
from leadbench.tasks.stored import render_run
from leadbench.text.clip import _config
from leadbench.text.glove import GloveVectors
from leadbench.text.kept import KeptEmbeddings
from leadbench.training.build import load_no_encoder
from leadbench.training.checkpoint import CheckpointFile
from leadbench.zoo.build import STATISTICS
from leadbench.zoo.files import card_path, load_model, save_tensors
from leadbench.zoo.inspect import inspect
from leadbench.zoo.official_evaluator import read_statistics
from leadbench.zoo.store import ModelStore

IDS = ("000000", "000001", "000002", "000003", "000004", "000005")


@dataclass(frozen=True)
class Reader:
    """A file below the folder, and what reads it."""

    file: str
    read: Callable[[Path], object]
    reseal: bool = False  # whether digests are made anew after a change, so that what lies behind them is reached


def _dataset(root: Path) -> object:
    dataset = HumanML3DFolder(root / "data")
    found = [dataset.load(split, skip_bad=skip) for split in ("test", "train") for skip in (True, False)]
    return dataset.identity, found


def _checked(root: Path) -> object:
    return check_folder(root / "data")


def _stored(root: Path) -> object:
    run = RunStore(root / "run").load()
    for form in ("github", "json"):
        render_run(run, form)
    return render_claims(judge_results(root / "run"), "json"), verify_results(root / "run")


def _models(read: Callable[[ModelStore], object]) -> Callable[[Path], object]:
    return lambda root: read(ModelStore(root / "models", load_no_encoder))


def _settings(root: Path) -> object:
    return list(load_settings({"LEADBENCH_CONFIG": str(root / "leadbench.toml")}).rows())


READERS: dict[str, Reader] = {
    "BVH": Reader("clip.bvh", lambda r: upright_joints(read_bvh(r / "clip.bvh"), BANDAI_NAMCO)),
    "BVH as exemplar": Reader("clip.bvh", lambda r: read_motion(r / "clip.bvh", HUMANML3D, "corrected")),
    "cuts of 100STYLE": Reader("style/Frame_Cuts.csv", lambda r: _cuts(r / "style")),
    "captions": Reader(f"data/texts/{IDS[0]}.txt", _dataset),
    "captions, checked": Reader(f"data/texts/{IDS[0]}.txt", _checked),
    "split": Reader("data/test.txt", _dataset),
    "split, checked": Reader("data/test.txt", _checked),
    "features": Reader(f"data/new_joint_vecs/{IDS[0]}.npy", _dataset),
    "features, checked": Reader(f"data/new_joint_vecs/{IDS[0]}.npy", _checked),
    "mean": Reader("data/Mean.npy", _dataset),
    "deviation, checked": Reader("data/Std.npy", _checked),
    "dataset card": Reader("data/dataset.json", _dataset),
    "dataset card, checked": Reader("data/dataset.json", _checked),
    "segments": Reader("data/segments.json", lambda r: find_segments(r / "data", IDS)),
    "labels": Reader("data/labels.json", lambda r: load_labels(r / "data")),
    "exemplar": Reader("joints.npy", lambda r: read_motion(r / "joints.npy", HUMANML3D, "corrected")),
    "bone lengths": Reader("joints.npy", lambda r: load_target_offsets(r / "joints.npy")),
    "statistics of an evaluator": Reader(
        "data/Mean.npy", lambda r: read_statistics(r / "data/Mean.npy", r / "data/Std.npy", HUMANML3D, 20.0)
    ),
    "autoencoder": Reader("models/autoencoder.safetensors", _models(lambda s: s.autoencoder())),
    "card of the autoencoder": Reader("models/autoencoder.json", _models(lambda s: s.autoencoder())),
    "card of a denoiser": Reader(
        "models/diffusion-x.json", _models(lambda s: s.chosen_denoiser("diffusion", "mld", "x"))
    ),
    "card of a projector": Reader("models/projector.json", _models(lambda s: s.projector())),
    "card of an older projector": Reader("models/older.json", _models(lambda s: s.projector("older"))),
    "catalog": Reader("models/older.json", _models(lambda s: s.catalog.projectors("0" * 64, "lead"))),
    "projector": Reader("models/projector.safetensors", _models(lambda s: s.projector())),
    "card of the evaluator": Reader("models/evaluator.json", _models(lambda s: s.evaluator())),
    "evaluator": Reader("models/evaluator.safetensors", _models(lambda s: s.evaluator())),
    "manifest": Reader("models/manifest.json", lambda r: load_model(r / "models/projector.safetensors")),
    "safetensors": Reader("models/projector.safetensors", lambda r: inspect(r / "models/projector.safetensors")),
    "checkpoint": Reader("x.ckpt", lambda r: inspect(r / "x.ckpt")),
    "legacy checkpoint": Reader("legacy.ckpt", lambda r: inspect(r / "legacy.ckpt")),
    "word vectors": Reader("glove/our_vab_data.npy", lambda r: GloveVectors.from_folder(r / "glove")),
    "words": Reader("glove/our_vab_words.pkl", lambda r: GloveVectors.from_folder(r / "glove")),
    "rows of words": Reader("glove/our_vab_idx.pkl", lambda r: inspect(r / "glove")),
    "configuration of CLIP": Reader("config.json", lambda r: _config([r / "config.json"])),
    "concept": Reader("concept.safetensors", lambda r: load_concept(r / "concept.safetensors")),
    "kept embeddings": Reader("kept.safetensors", lambda r: (_kept(r).dim, _kept(r).read())),
    "training checkpoint": Reader("training.pt", lambda r: CheckpointFile(r / "training.pt", {"of": 1}).load()),
    "records": Reader("run/records.jsonl", _stored),
    "records, sealed anew": Reader("run/records.jsonl", _stored, reseal=True),
    "run": Reader("run/run.json", _stored),
    "run, sealed anew": Reader("run/run.json", _stored, reseal=True),
    "run of version 1": Reader("old/run/run.json", lambda r: migrate_results(r / "old")),
    "records of version 1": Reader("old/run/records.jsonl", lambda r: migrate_results(r / "old")),
    "settings": Reader("leadbench.toml", _settings),
    "overrides": Reader("preset.toml", lambda r: override(get_preset("tiny"), "projector", (), r / "preset.toml")),
}


def _kept(root: Path) -> KeptEmbeddings:
    return KeptEmbeddings(root / "kept.safetensors")


def write_all(root: Path) -> Path:
    """The folder, with every file whole."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    (root / "clip.bvh").write_text(bvh_files.bvh_text(*bvh_files.clip("walk", "normal", 1.5, rng)))
    hundred_style_files.write_hundred_style_like(root / "style", {"Old": {"FW": 1.0}})
    data = write_folder(root / "data", {"test": list(IDS[:2]), "val": [IDS[2]], "train": list(IDS[3:])}, frames=44)
    (data / "segments.json").write_text(json.dumps({name: [["walk", 0, 20], ["wave", 20, 40]] for name in IDS}))
    write_labels(data, {name: MotionLabel("walk", "old", name) for name in IDS})
    np.save(root / "joints.npy", smooth_joints(30, 1).numpy())
    _write_models(root / "models", data)
    _write_checkpoints(root)
    write_glove(root / "glove", ("walk",))
    (root / "config.json").write_text(
        json.dumps({"text_config": {"num_attention_heads": 4, "hidden_act": "quick_gelu"}})
    )
    vector = {"vector": torch.ones(8), "probe": torch.ones(8)}
    save_tensors(root / "concept.safetensors", vector, {"kind": KIND, "name": "w", "text_encoder": "x"})
    _kept(root).write({"a walk": torch.ones(2, 4), "": torch.zeros(1, 4)})
    CheckpointFile(root / "training.pt", {"of": 1}).save({"state": {"step": 1}, "model": {"w": torch.ones(4)}})
    _write_runs(root)
    (root / "leadbench.toml").write_text('cache = "c"\n[datasets.bnr]\nroot = "d"\n[encoders]\nt5 = "e"\n')
    (root / "preset.toml").write_text("[projector.loop]\nsteps = 3\n[projector]\nalign_weight = 0.5\n")
    return root


def _write_models(folder: Path, data: Path) -> None:
    tiny, motion = get_preset("tiny"), HumanML3DFolder(data).motion
    autoencoder = MotionVAE(tiny.autoencoder.architecture)
    small = {
        "word_width": 4,
        "text_hidden": 4,
        "movement_hidden": 4,
        "movement_width": 4,
        "motion_hidden": 4,
        "embedding": 4,
    }
    evaluator = tiny.evaluator.architecture.model_copy(update=small)
    spaced = {"skeleton": motion.skeleton, "fps": str(motion.fps)}
    links = {"latent": "0" * 64, "text_encoder": "x"}
    denoiser = tiny.diffusion.architecture
    words = {"word_vectors": "wordllama", "max_tokens": 20}
    _model(folder / "autoencoder", autoencoder, "autoencoder", {"architecture": autoencoder.config}, spaced, motion)
    _model(folder / "diffusion-x", Denoiser(denoiser), "diffusion", {"architecture": denoiser}, links)
    projector = LeadProjector(tiny.projector.architecture)
    _model(folder / "projector", projector, "projector", {"architecture": projector.config}, links)
    _model(folder / "older", projector, "projector", {"architecture": projector.config, "align_weight": 1.0}, links)
    older = json.loads((folder / "older.json").read_text())
    (folder / "older.json").write_text(json.dumps({k: older[k] for k in ("stage", "preset", "config", "links")}))
    networks = EvaluatorNetworks(evaluator)
    _model(
        folder / "evaluator",
        networks,
        "evaluator",
        {"architecture": evaluator, **words},
        {**spaced, "name": "n"},
        motion,
    )
    (folder / "manifest.json").write_text(json.dumps({"files": {"other.json": {"sha256": "0" * 64, "bytes": 1}}}))


def _model(
    path: Path,
    network: torch.nn.Module,
    stage: str,
    config: dict[str, object],
    links: dict[str, str],
    motion: MotionSpec | None = None,
) -> None:
    """A model whose card has no digest, so that what is changed in it is read."""
    tensors = dict(network.state_dict())
    if motion is not None:
        tensors |= dict(zip(STATISTICS, (motion.mean, motion.std), strict=True))
    weights = path.with_suffix(".safetensors")
    save_tensors(weights, tensors)
    dumped = {key: getattr(value, "model_dump", lambda value=value: value)() for key, value in config.items()}
    card = {
        "stage": stage,
        "preset": "tiny",
        "config": dumped,
        "links": links,
        "text_encoder": links.get("text_encoder"),
    }
    kind = {"evaluator": "guo", "projector": "lead"}.get(stage)
    card_path(weights).write_text(json.dumps({**card, "kind": kind, "latent": links.get("latent"), "metrics": {}}))


def _write_checkpoints(root: Path) -> None:
    names = (
        "vae.global_motion_token",
        "vae.skel_embedding.weight",
        "denoiser.query_pos.pe",
        "denoiser.emb_proj.1.weight",
    )
    state = {name: torch.ones(4, 4) for name in names}
    content = {"state_dict": state, "epoch": 3, "hyper_parameters": {"a": [1, 2]}}
    torch.save(content, root / "x.ckpt")
    torch.save(content, root / "legacy.ckpt", _use_new_zipfile_serialization=False)


def _write_runs(root: Path) -> None:
    rows = (REAL, Row(backbone="mld", steps=50), Row(backbone="mld", steps=50, projector="lead"))
    records = [made_record(row, n, metrics={"fid": 0.1 + n, "diversity": 8.0}) for n in range(2) for row in rows]
    store = RunStore(root / "run")
    store.start("t2m", {"dataset": {"name": "made", "identity": "i"}}, {"mld": "MLD"}, {}, [r.key for r in records])
    for record in records:
        store.append(record)
    old = root / "old" / "run"
    old.mkdir(parents=True)
    (old / "run.json").write_text(json.dumps({"schema_version": 1, "config": {"benchmark": "t2m"}, "provenance": {}}))
    line = {
        "schema_version": 1,
        "dataset": "d",
        "protocol": "guo-2022",
        "evaluator": "e",
        "row": "MLD",
        "display": "MLD",
        "backbone": "mld",
        "projector": None,
        "steps": 50,
        "guidance": 7.5,
        "replication": 0,
        "seed": 0,
        "chunk_size": 8,
        "metrics": {"fid": 0.2, "multimodality": None},
        "details": {"samples": 5, "notes": [], "stamps": []},
        "seconds": {},
        "key": "k",
    }
    (old / "records.jsonl").write_text(json.dumps(line) + "\n")


def reseal(root: Path) -> None:
    """Make the digests of the run fit what it holds, as far as that is JSON."""
    header_path, lines_path = root / "run" / "run.json", root / "run" / "records.jsonl"
    try:
        header = json.loads(header_path.read_text())
        header_path.write_text(header_text({name: value for name, value in header.items() if name != "digest"}))
        run = run_digest(header["task"], header["identity"])
    except Exception:  # what is no header any more is read as it is
        return
    lines = []
    for line in lines_path.read_bytes().split(b"\n"):
        try:
            lines.append(_sealed_line(json.loads(line), run).encode())
        except Exception:
            lines.append(line)
    lines_path.write_bytes(b"\n".join(lines))


def _sealed_line(content: dict[str, object], run: str) -> str:
    return json.dumps(sealed(content, run), allow_nan=False)
