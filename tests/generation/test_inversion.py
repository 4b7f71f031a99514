"""Motion textual inversion on the shipped models: what is learnt, what is left alone, batches against single words."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from leadbench.core.config import InversionConfig
from leadbench.core.contracts import DenoisingBackbone, Projector
from leadbench.core.errors import ConfigError, LatentMismatchError
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import MotionSample, lengths_to_mask
from leadbench.data.synthetic.generate import synthesize
from leadbench.data.synthetic.options import SynthesisOptions
from leadbench.generation.inversion import (
    TEMPLATES,
    Exemplar,
    Inverter,
    coarse_word,
    embed_words,
    initial_vectors,
    invertible,
)
from leadbench.generation.pipeline import decode_latents, sample_latents
from leadbench.tasks.mti.assemble import find_projectors, open_denoiser
from leadbench.zoo.assets import Choice, Opened, open_assets
from leadbench.zoo.embedded import embedded_dataset, shipped


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    root = tmp_path_factory.mktemp("inversion") / "data"
    synthesize(root, SynthesisOptions(clips=400, workers=1))
    return open_assets(Choice(str(root), models=shipped().folder))


@pytest.fixture(scope="module")
def mld(opened: Opened) -> DenoisingBackbone:
    return open_denoiser(opened, "mld")


@pytest.fixture(scope="module")
def projector(opened: Opened, mld: DenoisingBackbone) -> Projector:
    return find_projectors(opened, mld)[0].projector


@pytest.fixture(scope="module")
def exemplars(opened: Opened) -> list[Exemplar]:
    return [Exemplar((sample,), coarse_word(sample)) for sample in opened.dataset.load("test")[0][:6]]


def networks(*parts: object) -> Iterator[nn.Module]:
    for part in parts:
        for value in vars(part).values():
            if isinstance(value, nn.Module):
                yield value


def digest(*modules: nn.Module) -> str:
    found = hashlib.sha256()
    for module in modules:
        for tensor in module.state_dict().values():
            found.update(tensor.cpu().numpy().tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("loss", ["feat", "mld", "lead"])
def test_the_word_moves_and_nothing_else(
    mld: DenoisingBackbone, projector: Projector, exemplars: list[Exemplar], loss: str
) -> None:
    first = initial_vectors(mld.text_encoder, exemplars)  # loads what pseudo-words go through
    frozen = list(networks(mld, mld.autoencoder, projector, invertible(mld.text_encoder)))
    assert len(frozen) == 4  # denoiser, autoencoder, projector, text tower
    before = digest(*frozen)
    config = InversionConfig(loss=loss, steps=2)
    learnt = Inverter(mld, config, projector).learn(exemplars)
    assert ((learnt - first).norm(dim=1) > 0).all()
    assert digest(*frozen) == before
    assert not any(
        parameter.requires_grad or parameter.grad is not None for m in frozen for parameter in m.parameters()
    )


@pytest.mark.parametrize("loss", ["feat", "mld", "lead"])
@pytest.mark.parametrize("name", ["mld", "motionlcm"])
def test_a_batch_learns_what_each_word_learns_alone(
    opened: Opened, projector: Projector, exemplars: list[Exemplar], name: str, loss: str
) -> None:
    """In float64 to 1e-6 of a vector's size."""
    single = open_denoiser(opened, name)
    start = initial_vectors(single.text_encoder, exemplars).double()  # loads what pseudo-words go through
    backbone, double = in_double(single), in_double(projector)
    config = InversionConfig(loss=loss, steps=3, batch=4)
    inverter = Inverter(backbone, config, double)
    together = inverter.learn(exemplars, start)
    assert together.dtype == torch.float64
    for row, exemplar in enumerate(exemplars):
        alone = inverter.learn([exemplar], start[row : row + 1])[0]
        moved = (together[row] - start[row]).norm()
        assert moved > 0
        assert (alone - together[row]).norm() < 1e-6 * moved


def in_double(part: Any) -> Any:
    """A copy of a backbone or projector, with every network in it, in float64."""
    made = copy.deepcopy(part)
    parts: list[object] = [made]
    if isinstance(made, DenoisingBackbone):
        parts += [made.autoencoder, invertible(made.text_encoder)]
    for module in networks(*parts):
        module.double()
    encoder = invertible(made.text_encoder) if isinstance(made, DenoisingBackbone) else None
    if encoder is not None and hasattr(encoder, "_table"):
        encoder._table.vectors = encoder._table.vectors.double()
    return made


def test_a_generated_motion_is_found_again(mld: DenoisingBackbone, projector: Projector) -> None:
    """Motions generated from known captions: the learnt word makes motions nearer to them than the coarse word does.

    Mean evaluator distance over 10 seeds, 20 cases; 80 % must come nearer.
    """
    opened = open_assets(Choice(str(embedded_dataset()), models=shipped().folder))
    evaluator = opened.models.evaluator()
    samples = opened.dataset.load("test")[0]
    cases = [samples[i] for i in range(0, len(samples), len(samples) // 20)][:20]
    mask = lengths_to_mask(torch.full((20,), 80))
    guidance = mld.default_guidance(50)

    def embed(latent: Any) -> Tensor:
        motion = decode_latents(mld.autoencoder, latent, mask, None)
        return evaluator.embed_motion(motion.normalize(evaluator.motion))

    ids = tuple(case.id for case in cases)
    captions = [case.captions[0].caption for case in cases]
    latent = sample_latents(mld, captions, mask, NoiseSource(5, ids), steps=50, guidance=guidance)
    targets = decode_latents(mld.autoencoder, latent, mask, None).denormalize().features
    exemplars = [
        Exemplar((MotionSample(f"made-{case.id}", target, ()),), coarse_word(case))
        for case, target in zip(cases, targets, strict=True)
    ]
    aim = embed(latent)

    def distance(vectors: Tensor) -> Tensor:
        """Mean over seeds, [20]."""
        found = []
        for seed in range(10):
            with torch.no_grad():
                condition = embed_words(mld.text_encoder, [TEMPLATES[0]] * 20, vectors)
                made = mld.sample(condition, mask, NoiseSource(seed, ids, 1), steps=10, guidance=guidance)
            found.append((embed(made) - aim).norm(dim=1))
        return torch.stack(found).mean(dim=0)

    before = distance(initial_vectors(mld.text_encoder, exemplars))
    for loss in ("mld", "lead"):
        config = InversionConfig(loss=loss)
        after = distance(Inverter(mld, config, projector).learn(exemplars))
        nearer = int((after < before).sum())
        assert nearer >= 16, f"{loss}: {nearer} of 20 came nearer"
        assert after.mean() < before.mean()


def test_what_does_not_fit_is_told(opened: Opened, mld: DenoisingBackbone, projector: Projector) -> None:
    with pytest.raises(ConfigError, match="loss 'lead': needs a projector"):
        Inverter(mld, InversionConfig(loss="lead"))
    stranger = copy.copy(projector)
    stranger.latent_fingerprint = "0" * 64
    with pytest.raises(LatentMismatchError, match="aligned to latent space"):
        Inverter(mld, InversionConfig(loss="lead"), stranger)
    with pytest.raises(ConfigError, match="cannot be inverted"):
        invertible(Frozen())


class Frozen:
    """A text encoder without access to its words."""

    name, dim = "frozen", 4

    def encode(self, captions: Any) -> Any:
        raise AssertionError

    def null(self, batch: int) -> Any:
        raise AssertionError


def test_words_come_from_the_captions_tags(opened: Opened) -> None:
    words = {coarse_word(sample) for sample in opened.dataset.load("test")[0]}
    assert len(words) > 8
    assert coarse_word(MotionSample("x", torch.zeros(4, 3), ())) == "moves"
