"""Full-size files in the official layouts, with random weights: names and shapes come from the recorded manifests."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leadbench.text.special_words import SPECIAL_WORDS


def manifest(golden: Path, name: str) -> Any:
    return json.loads((golden / "manifests" / f"{name}.json").read_text())


def random_tensor(name: str, shape: list[int], generator: torch.Generator) -> Tensor:
    values = torch.randn(shape, generator=generator)
    if name.endswith("bias") or "bias_" in name:
        return 0.05 * values
    if len(shape) == 1:
        return 1 + 0.1 * values
    if name.endswith((".pe", "hidden", "global_motion_token")):
        return 0.5 * values
    return values / max(1, int(np.prod(shape[1:]))) ** 0.5


def random_state(shapes: dict[str, list[int]], seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: random_tensor(name, shape, generator) for name, shape in shapes.items()}


def write_backbone(path: Path, golden: Path, name: str, seed: int = 0, **more: Tensor) -> dict[str, Tensor]:
    """A Lightning checkpoint; with copies of the evaluator, as MLD's are saved."""
    state = random_state(manifest(golden, name), seed)
    evaluator = {"t2m_textencoder.hidden": torch.zeros(2, 1, 4), "t2m_moveencoder.out_net.bias": torch.zeros(4)}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(
        {
            "epoch": 1999,
            "global_step": 123,
            "pytorch-lightning_version": "1.9.1",
            "state_dict": {**state, **evaluator, **more},
            "loops": {"fit_loop": {"state_dict": {}}},
            "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_score": None, "dirpath": "x"}},
            "optimizer_states": [{"state": {}, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999)}]}],
            "lr_schedulers": [],
        },
        path,
    )
    return state


def write_evaluator(
    root: Path, golden: Path, dataset: str, mean: np.ndarray, std: np.ndarray, legacy: bool = False
) -> Path:
    """``text_mot_match/model/finest.tar`` and the meta files, below the folder of a dataset."""
    shapes = manifest(golden, f"t2m_evaluators_{dataset}")
    content = {entry: random_state(shapes[entry], number) for number, entry in enumerate(shapes)}
    weights = root / "text_mot_match" / "model" / "finest.tar"
    weights.parent.mkdir(parents=True)
    torch.save(
        {**content, "opt_text_encoder": {}, "epoch": 3, "iter": 10},
        weights,
        _use_new_zipfile_serialization=not legacy,
    )
    meta = root / {"humanml3d": "Comp_v6_KLD01", "kit": "Comp_v6_KLD005"}[dataset] / "meta"
    meta.mkdir(parents=True)
    np.save(meta / "mean.npy", mean)
    np.save(meta / "std.npy", std)
    return root


def essential_shapes(features: int, hidden: int = 32, embedding: int = 16) -> dict[str, dict[str, list[int]]]:
    """Names and shapes of an evaluator of MARDM, in any size; the published one has 512, its motions' GRU 1,024."""
    gru = {
        f"gru.{kind}_l0{direction}": [3 * hidden, *([hidden] if kind.startswith("weight") else [])]
        for direction in ("", "_reverse")
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    head = {f"output_net.{layer}.{part}": [hidden] for layer in (0, 1) for part in ("weight", "bias")}
    head |= {"output_net.0.weight": [hidden, 2 * hidden]}
    head |= {"output_net.3.weight": [embedding, hidden], "output_net.3.bias": [embedding]}
    start = {"hidden": [2, 1, hidden], "input_emb.bias": [hidden]}
    text = {"pos_emb.weight": [300, 15], "pos_emb.bias": [300], "input_emb.weight": [hidden, 300]}
    convolutions = {"main.0.weight": [hidden, features, 4], "main.3.weight": [hidden, hidden, 4]}
    movement = convolutions | {f"{name}.bias": [hidden] for name in ("main.0", "main.3", "out_net")}
    return {
        "text_encoder": {**start, **text, **gru, **head},
        "movement_encoder": {**movement, "out_net.weight": [hidden, hidden]},
        "motion_encoder": {**start, "input_emb.weight": [hidden, hidden], **gru, **head},
    }


def write_essential(root: Path, dataset: str = "t2m") -> Path:
    """A checkout of MARDM with its evaluator in ``checkpoints``, statistics in ``utils``, and word vectors."""
    features = {"t2m": 67, "kit": 64}[dataset]
    shapes = essential_shapes(features)
    content = {entry: random_state(shapes[entry], number) for number, entry in enumerate(shapes)}
    weights = root / "checkpoints" / dataset / "text_mot_match" / "model" / "finest.tar"
    weights.parent.mkdir(parents=True)
    torch.save({**content, "epoch": 3}, weights)
    statistics = root / "utils" / "eval_mean_std" / dataset
    statistics.mkdir(parents=True)
    np.save(statistics / "eval_mean.npy", np.linspace(-1, 1, features))
    np.save(statistics / "eval_std.npy", np.linspace(0.5, 2, features).astype(np.float32))
    write_glove(root / "glove", tuple(t.split("/")[0] for _, tokens in CAPTIONS for t in tokens.split()))
    return root


def write_glove(folder: Path, words: tuple[str, ...] = ()) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = list(dict.fromkeys(["sos", "eos", "unk", *SPECIAL_WORDS, *words]))
    table = np.random.default_rng(0).normal(0, 0.4, (len(vocabulary), 300))
    np.save(folder / "our_vab_data.npy", table)
    (folder / "our_vab_words.pkl").write_bytes(pickle.dumps(vocabulary))
    (folder / "our_vab_idx.pkl").write_bytes(pickle.dumps({word: row for row, word in enumerate(vocabulary)}))
    return folder


CAPTIONS = (
    ("a person walks forward slowly.", "a/DET person/NOUN walk/VERB forward/ADV slowly/ADV"),
    ("the man raises his left arm, then kicks.", "the/DET man/NOUN raise/VERB his/DET left/ADJ arm/NOUN kick/VERB"),
    ("someone turns around and sits down on a chair", "someone/PRON turn/VERB around/ADV and/CCONJ sit/VERB down/ADP"),
    ("a figure jumps up two times", "a/DET figure/NOUN jump/VERB up/ADP two/NUM time/NOUN"),
    ("he waves with both hands", "he/PRON wave/VERB with/ADP both/DET hand/NOUN"),
)


def write_dataset(root: Path, tests: int = 40, trains: int = 64, width: int = 263, seed: int = 0) -> Path:
    """A folder as HumanML3D (263) or KIT-ML (251) is published: no dataset.json, mirrored ids, time tags, odd lines.

    Motions are smooth random features, so nothing can be learnt from them. The test split holds the two ids that are
    published with NaN.
    """
    rng = np.random.default_rng(seed)
    for name in ("new_joint_vecs", "texts"):
        (root / name).mkdir(parents=True)
    kit = width == 251
    counts = {"train": trains, "val": 8, "test": tests}
    ids: dict[str, list[str]] = {}
    number = 0
    for split, count in counts.items():
        plain = [f"{number + offset:05d}" if kit else f"{number + offset:06d}" for offset in range(count // 2)]
        ids[split] = [name for one in plain for name in (one, f"M{one}")]
        number += count
    every = []
    shape = np.cumsum(rng.normal(size=(400, width)), axis=0) * 0.02
    for split, names in ids.items():
        for index, name in enumerate(names):
            frames = int(rng.integers(30 if kit else 44, 199))
            start = int(rng.integers(0, 200))
            features = (shape[start : start + frames] + 0.3 * rng.normal(size=width)).astype(np.float32)
            np.save(root / "new_joint_vecs" / f"{name}.npy", features)
            (root / "texts" / f"{name}.txt").write_text(_texts(index, frames, split), encoding="utf-8")
            every.append(features)
    if not kit:
        for name in ("007975", "M007975"):
            np.save(root / "new_joint_vecs" / f"{name}.npy", np.full((60, width), np.nan, np.float32))
            (root / "texts" / f"{name}.txt").write_text(_texts(0, 60, "test"), encoding="utf-8")
            ids["test"].append(name)
    for split, names in ids.items():
        (root / f"{split}.txt").write_text("\n".join(names) + "\n")
    stacked = np.concatenate(every)
    np.save(root / "Mean.npy", stacked.mean(axis=0))
    np.save(root / "Std.npy", stacked.std(axis=0) + 0.05)
    return root


def _texts(index: int, frames: int, split: str) -> str:
    """Captions of the whole clip; every fifth file also has captions of parts, with the tags that one meets."""
    lines = [f"{caption}#{tokens}#0.0#0.0" for caption, tokens in (CAPTIONS[index % 5], CAPTIONS[(index + 2) % 5])]
    if index % 5 == 1:
        caption, tokens = CAPTIONS[3]
        lines.append(f"{caption}#{tokens}#nan#nan")
        lines.append(f"{caption} first#{tokens}#0.0#{frames / 20 * 0.8:.3f}")
        lines.append(f"{caption} backwards#{tokens}#3.0#1.0")
        lines.append(f"{caption} past the end#{tokens}#0.5#100.0")
        lines.append(f"{caption} too short#{tokens}#1.0#1.5")
    if index % 5 == 3 and split == "test":
        lines = [f"{caption}#{tokens}#0.0#{frames / 20 + 1}" for caption, tokens in CAPTIONS[:1]]
    return "\n".join(lines) + "\n\n"


def write_text_towers(root: Path) -> dict[str, str]:
    """Small random CLIP and T5 in the layouts of the hub, 768 wide; values of the settings that name them."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers import models as parts
    from tokenizers import SentencePieceUnigramTokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import (
        CLIPConfig,
        CLIPModel,
        CLIPTextConfig,
        CLIPVisionConfig,
        PreTrainedTokenizerFast,
        T5Config,
        T5EncoderModel,
    )

    torch.manual_seed(0)
    text = CLIPTextConfig(
        hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2, projection_dim=768
    )
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=16
    )
    whole = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=768)
    CLIPModel(whole).save_pretrained(root / "clip")
    trained = SentencePieceUnigramTokenizer()
    sentences = [caption for caption, _ in CAPTIONS] * 20
    trained.train_from_iterator(sentences, vocab_size=90, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    ending = ("</s>", trained.token_to_id("</s>"))
    trained._tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[ending])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=64
    )
    config = T5Config(vocab_size=len(tokenizer), d_model=64, d_kv=16, d_ff=64, num_layers=2, num_heads=4)
    T5EncoderModel(config).save_pretrained(root / "t5-encoder")
    tokenizer.save_pretrained(root / "t5-encoder")
    modules = [
        parts.Transformer(str(root / "t5-encoder")),
        parts.Pooling(64, pooling_mode="mean"),
        parts.Dense(64, 768, bias=False, activation_function=torch.nn.Identity()),
        parts.Normalize(),
    ]
    SentenceTransformer(modules=modules).save(str(root / "t5"))
    return {"clip": str(root / "clip"), "t5": str(root / "t5")}


def write_assets(root: Path, golden: Path, tests: int, trains: int = 64, kit_tests: int = 0) -> Path:
    """Everything of HumanML3D, and of KIT-ML if ``kit_tests``, with a leadbench.toml that says where it lies."""
    encoders = write_text_towers(root / "deps")
    write_glove(root / "deps" / "glove", tuple(t.split("/")[0] for _, tokens in CAPTIONS for t in tokens.split()))
    lines = ["[encoders]", *(f'{name} = "{path}"' for name, path in encoders.items())]
    wanted = {"humanml3d": (263, tests, "t2m"), **({"kit": (251, kit_tests, "kit")} if kit_tests else {})}
    for dataset, (width, count, folder) in wanted.items():
        data = write_dataset(root / dataset, count, trains, width)
        mean, std = (np.load(data / f"{name}.npy") for name in ("Mean", "Std"))
        write_evaluator(root / "deps" / "t2m" / folder, golden, dataset, mean + 0.01, std * 1.05)
        shared = write_backbone(root / "models" / f"mld_{dataset}.ckpt", golden, f"mld_{dataset}")
        checkpoints = f'mld = "models/mld_{dataset}.ckpt"'
        if dataset == "humanml3d":
            vae = {name: tensor for name, tensor in shared.items() if name.startswith("vae.")}
            write_backbone(root / "models" / "motionlcm.ckpt", golden, "motionlcm_v1_humanml3d", seed=1, **vae)
            checkpoints += ', motionlcm = "models/motionlcm.ckpt"'
        lines += [f"[datasets.{dataset}]", f'root = "{dataset}"', 'evaluator = "deps/t2m"']
        lines += [f"checkpoints = {{ {checkpoints} }}"]
    (root / "leadbench.toml").write_text("\n".join(lines) + "\n")
    return root
