"""What the latency benchmark times: backbones of a preset with random weights, or of a model folder."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU, TextTransformer
from torch import nn
from transformers import T5Config, T5EncoderModel

from leadbench.core.config import ProjectorConfig
from leadbench.core.contracts import MotionAutoencoder, TextEncoder
from leadbench.core.device import CPU, Compute
from leadbench.core.presets import Preset
from leadbench.core.tensors import Condition, MotionSpec
from leadbench.nn.autoencoder import MotionVAE
from leadbench.nn.denoiser import Denoiser
from leadbench.nn.packing import prepare_linear_maps
from leadbench.nn.projector import LeadProjector
from leadbench.text.clip import ClipTextEncoder
from leadbench.zoo.loaded import LoadedAutoencoder, LoadedProjector

WIDTH = 768
"""Of the embeddings of CLIP ViT-L/14 and of sentence-t5-large."""


def random_tower() -> TextTransformer:
    """The text tower of CLIP ViT-L/14 with random weights: 12 layers, width 768, 77 tokens."""
    return TextTransformer(
        context_length=77, vocab_size=49408, width=WIDTH, heads=12, layers=12, output_dim=WIDTH, act_layer=QuickGELU
    )


class GivenText:
    """Stands for an encoder that is not timed: embeddings of ones."""

    def __init__(self, name: str, dim: int = WIDTH) -> None:
        self.name, self.dim = name, dim

    def encode(self, captions: Sequence[str]) -> Condition:
        """Ones [B, 1, C]."""
        count = len(captions)
        return Condition(torch.ones(count, 1, self.dim), torch.ones(count, 1, dtype=torch.bool), self.name)

    def null(self, batch: int) -> Condition:
        """The same."""
        return self.encode([""] * batch)


class RandomT5:
    """sentence-t5-large with random weights: 24 layers of width 1024, the mean of the tokens, a map to 768, norm 1.

    Its tokenizer is a file of the published model; here a word is one token, and the end token follows.
    """

    name, dim = "t5", WIDTH

    def __init__(self, device: torch.device) -> None:
        self._config = T5Config(d_model=1024, d_ff=4096, d_kv=64, num_layers=24, num_heads=16, vocab_size=32128)
        self.encoder = still(lambda: T5EncoderModel(self._config), device)
        prepare_linear_maps(self.encoder)
        self.pooled = still(lambda: nn.Linear(1024, WIDTH, bias=False), device)

    @torch.inference_mode()
    def encode(self, captions: Sequence[str]) -> Condition:
        """Tokens [B, 1, 768]; captions are padded to the longest."""
        words = [[zlib.crc32(word.encode()) % 32000 + 3 for word in caption.split()] + [1] for caption in captions]
        ids = nn.utils.rnn.pad_sequence([torch.tensor(w) for w in words], batch_first=True)
        ids = ids.to(self.pooled.weight.device)
        mask = ids > 0
        hidden = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        mean = (hidden * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        tokens = F.normalize(self.pooled(mean), dim=-1)[:, None].clone()
        return Condition(tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device), self.name)

    def null(self, batch: int) -> Condition:
        """Of the empty caption."""
        return self.encode([""]).expand(batch)


class OnDevice:
    """A text encoder whose conditions are moved to a device, and whose empty caption is encoded once."""

    def __init__(self, wrapped: TextEncoder, device: torch.device) -> None:
        self.wrapped, self.device = wrapped, device
        self.name, self.dim = wrapped.name, wrapped.dim
        self._null: Condition | None = None

    def encode(self, captions: Sequence[str]) -> Condition:
        """What the wrapped encoder gives, on the device."""
        return self.wrapped.encode(captions).to(self.device)

    def null(self, batch: int) -> Condition:
        """The empty caption's embedding, computed by the first call of all."""
        if self._null is None:
            self._null = self.wrapped.null(1).to(self.device)
        return self._null.expand(batch)


@dataclass(frozen=True, eq=False)
class _Official:
    denoiser: Denoiser
    autoencoder: LoadedAutoencoder
    text_encoder: str


@dataclass(eq=False)
class RandomModels:
    """A model store of a preset's architectures with random weights, as an official checkpoint's would stand in it.

    Random weights take the time of trained ones. CLIP's tower and T5 are timed too; other text encoders are not.
    """

    preset: Preset
    compute: Compute = CPU
    _autoencoder: LoadedAutoencoder | None = None
    _encoders: dict[str, OnDevice] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.compute.device

    @property
    def dtype(self) -> torch.dtype:
        """What backbones denoise in."""
        return self.compute.dtype

    @property
    def encoders(self) -> dict[str, str]:
        """Nobody asked for other text encoders."""
        return {}

    def begins_anew(self, name: str) -> bool:
        """Nothing is trained here."""
        return False

    def trained_options(self, name: str, path: Path | None = None) -> dict[str, Any]:
        """None: nothing was trained."""
        return {}

    def trained_with(self, name: str) -> None:
        """Nothing was trained."""

    def trained_motion(self, name: str) -> MotionSpec:
        """Statistics of the latent space."""
        return self.autoencoder().motion

    def check_space(self, name: str, space: MotionAutoencoder) -> None:
        """Any space will do: nothing was trained."""

    def latent_space(self, name: str | None = None) -> LoadedAutoencoder:
        """The preset's, whatever its name."""
        return self.autoencoder()

    def load_into(self, name: str, network: nn.Module) -> bool:
        """Initial weights take the time of trained ones."""
        network.eval().requires_grad_(False).to(self.device)
        return False

    def official(self, name: str) -> _Official:
        """Networks of a backbone: the student's for MotionLCM, the teacher's for any other."""
        student = name.startswith("motionlcm")
        stage = self.preset.consistency if student else self.preset.diffusion
        denoiser = still(lambda: Denoiser(stage.architecture), self.device)
        encoder = self.preset.student_encoder if student else self.preset.teacher_encoder
        return _Official(denoiser, self.autoencoder(), encoder)

    def autoencoder(self) -> LoadedAutoencoder:
        """The one that all backbones share."""
        if self._autoencoder is None:
            config = self.preset.autoencoder.architecture
            ones = torch.ones(config.features)
            network = still(lambda: MotionVAE(config), CPU.device)
            made = LoadedAutoencoder(network, MotionSpec("humanml3d", 20.0, 0 * ones, ones))
            self._autoencoder = made.at(self.compute)
        return self._autoencoder

    def text_encoder(self, name: str) -> OnDevice:
        """CLIP's tower or T5's at full size, or given embeddings."""
        if name not in self._encoders:
            made: TextEncoder = GivenText(name, self.preset.diffusion.architecture.text_width)
            if name == "clip":
                made = ClipTextEncoder(still(random_tower, self.device))
            elif name == "t5":
                made = RandomT5(self.device)
            self._encoders[name] = OnDevice(made, self.device)
        return self._encoders[name]

    def projector(self, config: ProjectorConfig | None = None) -> LoadedProjector:
        """The preset's, or one of another configuration."""
        chosen = config or self.preset.projector.architecture
        network = still(lambda: LeadProjector(chosen), CPU.device)
        made = LoadedProjector(network, self.autoencoder().fingerprint, self.preset.teacher_encoder)
        return made.at(self.compute)


Module = TypeVar("Module", bound=nn.Module)


def still(make: Callable[[], Module], device: torch.device) -> Module:
    """What ``make`` builds, for inference: the same random weights every time, no dropout, no gradients."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = make()
    return module.eval().requires_grad_(False).to(device)
