"""Checks of text encoders, projectors and evaluators."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from leadbench.core.contracts import (
    Evaluator,
    InvertibleTextEncoder,
    Projector,
    ProjectorContext,
    TextEncoder,
    TrainableProjector,
)
from leadbench.core.tensors import Latent, LatentSpec, MotionBatch, TextSample, lengths_to_mask
from leadbench.testing.findings import (
    Finding,
    need,
    need_detached,
    need_equal,
    need_shape,
    other_global_seed,
    run_checks,
    unchanged,
)

CAPTIONS = ("a person walks.", "someone turns to the left and then sits down on a chair.", "a person jumps up.")
_TOKENS = (
    ("a/DET", "person/NOUN", "walk/VERB"),
    ("someone/PRON", "turn/VERB", "left/ADV", "and/OTHER", "sit/VERB", "down/ADP"),
    ("a/DET", "person/NOUN", "jump/VERB", "up/ADP"),
)


def check_text_encoder(name: str, encoder: TextEncoder) -> list[Finding]:
    """Whether a text encoder implements ``TextEncoder``, and ``InvertibleTextEncoder`` if it claims it."""

    def named() -> None:
        need(encoder.name == name, f"{name}: its attribute name is {encoder.name!r}; it must be the registered name")

    def shape() -> None:
        condition = encoder.encode(CAPTIONS)
        need_shape(f"{name}.encode().tokens", condition.tokens, (len(CAPTIONS), None, encoder.dim))
        fits = condition.mask.shape == condition.tokens.shape[:2] and condition.mask.dtype == torch.bool
        need(fits, f"{name}.encode().mask: needs bool {list(condition.tokens.shape[:2])}, True on tokens in use")
        need(bool(condition.mask.any(dim=1).all()), f"{name}.encode().mask: a caption has no token in use")
        need_detached(f"{name}.encode", condition.tokens)

    def determinism() -> None:
        with other_global_seed(1):
            first = encoder.encode(CAPTIONS).tokens
        with other_global_seed(2):
            second = encoder.encode(CAPTIONS).tokens
        need_equal(f"{name}.encode", first, second, "the same captions give other embeddings")

    def batch_invariance() -> None:
        together = encoder.encode(CAPTIONS)
        for row, caption in enumerate(CAPTIONS):
            alone = encoder.encode([caption])
            mine, its = together.tokens[row][together.mask[row]], alone.tokens[0][alone.mask[0]]
            need_equal(f"{name}.encode", its, mine, "a caption's embedding depends on its batch neighbours")

    def null() -> None:
        empty, repeated = encoder.encode([""]), encoder.null(3)
        need(repeated.tokens.shape[0] == 3, f"{name}.null(3): gives {repeated.tokens.shape[0]} rows")
        for row in range(3):
            mine = repeated.tokens[row][repeated.mask[row]]
            need_equal(f"{name}.null", mine, empty.tokens[0][empty.mask[0]], "is not the embedding of the empty text")

    checks = {
        "name": named,
        "shape": shape,
        "determinism": determinism,
        "batch invariance": batch_invariance,
        "null": null,
    }
    if isinstance(encoder, InvertibleTextEncoder):
        checks["inversion"] = lambda: _inversion(name, encoder)
    return run_checks(checks)


def _inversion(name: str, encoder: InvertibleTextEncoder) -> None:
    vector = encoder.word_embedding("walk").clone().requires_grad_()
    condition = encoder.encode_with(["a person <move> slowly"], {"move": vector})
    (gradient,) = torch.autograd.grad(condition.tokens.square().sum(), vector, allow_unused=True)
    reached = gradient is not None and bool(torch.isfinite(gradient).all()) and bool(gradient.any())
    need(reached, f"{name}.encode_with: no gradient reaches the word vector")


def check_projector(name: str, projector: Projector, latent: LatentSpec) -> list[Finding]:
    """Whether a projector implements ``Projector`` on latents [B, N, M] of ``latent``."""
    values = torch.randn(3, latent.tokens, latent.width, generator=torch.Generator().manual_seed(0))

    @torch.no_grad()
    def there_and_back(rows: Tensor) -> Tensor:
        return projector.reproject(projector.project(Latent.full(rows))).values

    def shape() -> None:
        with torch.no_grad():
            projection = projector.project(Latent.full(values))
        need_shape(f"{name}.project().aligned", projection.aligned, (3, None))
        need_shape(f"{name}.project().tokens", projection.tokens, (3, None, None))
        need_shape(f"{name}.reproject", there_and_back(values), tuple(values.shape))

    def determinism() -> None:
        with other_global_seed(1):
            first = there_and_back(values)
        with other_global_seed(2):
            second = there_and_back(values)
        need_equal(name, first, second, "the same latent comes back as another (dropout left on?)")

    def batch_invariance() -> None:
        together = there_and_back(values)
        for row in range(3):
            alone = there_and_back(values[row : row + 1])
            need_equal(name, alone[0], together[row], "a row depends on its batch neighbours")

    def inputs() -> None:
        with unchanged(f"{name}.project", values):
            there_and_back(values)

    def identity() -> None:
        need(bool(projector.latent_fingerprint), f"{name}: latent_fingerprint is empty")
        need(bool(projector.text_encoder), f"{name}: text_encoder is empty")

    return run_checks(
        {
            "shape": shape,
            "determinism": determinism,
            "batch invariance": batch_invariance,
            "inputs": inputs,
            "identity": identity,
        }
    )


def check_projector_training(name: str, projector: TrainableProjector, context: ProjectorContext) -> list[Finding]:
    """Whether an untrained projector implements ``TrainableProjector`` for a context: a loss that training lowers."""
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(16, context.latent.tokens, context.latent.width, generator=generator)
    text = torch.randn(16, context.text_width, generator=generator)

    def loss() -> None:
        terms = projector.training_loss(latent, text)
        need(isinstance(terms, Mapping) and "loss" in terms, f"{name}.training_loss: needs a mapping with 'loss' in it")
        for key, term in terms.items():
            need(term.ndim == 0, f"{name}.training_loss: {key!r} has shape {list(term.shape)}, needs a scalar")
            need(bool(torch.isfinite(term)), f"{name}.training_loss: {key!r} is not finite")

    def training() -> None:
        network = projector.network.train().requires_grad_(True)
        optimizer = torch.optim.Adam(network.parameters(), 1e-3)
        before = float(projector.training_loss(latent, text)["loss"].detach())
        for _ in range(30):
            optimizer.zero_grad()
            projector.training_loss(latent, text)["loss"].backward()
            optimizer.step()
        after = float(projector.training_loss(latent, text)["loss"].detach())
        need(after < before, f"{name}.training_loss: 30 steps of Adam do not lower it ({before:.3g} to {after:.3g})")

    def copies() -> None:
        kept = projector.network
        projector.network = copy.deepcopy(kept)
        try:
            with torch.no_grad():
                for parameter in projector.network.parameters():
                    parameter.zero_()
                other = float(projector.training_loss(latent, text)["loss"])
        finally:
            projector.network = kept
        same = float(projector.training_loss(latent, text)["loss"].detach()) == other
        need(not same, f"{name}.training_loss: does not read the attribute network (validation puts a copy there)")

    def identity() -> None:
        need(
            projector.latent_fingerprint == context.latent_fingerprint, f"{name}: latent_fingerprint not the context's"
        )
        need(projector.text_encoder == context.text_encoder, f"{name}: other text_encoder than asked")

    return run_checks({"loss": loss, "training": training, "network copies": copies, "identity": identity})


def check_evaluator(name: str, evaluator: Evaluator) -> list[Finding]:
    """Whether an evaluator implements ``Evaluator``."""
    samples = [TextSample(caption, tokens) for caption, tokens in zip(CAPTIONS, _TOKENS, strict=True)]
    lengths = torch.tensor([40, 60, 52])
    features = torch.randn(3, 60, evaluator.motion.width, generator=torch.Generator().manual_seed(0))
    mask = lengths_to_mask(lengths)

    def embed(rows: Sequence[int] = (0, 1, 2), filling: float = 0.0) -> Tensor:
        chosen = list(rows)
        longest = int(lengths[chosen].max())
        values = features[chosen, :longest].masked_fill(~mask[chosen, :longest, None], filling)
        return evaluator.embed_motion(MotionBatch(values, mask[chosen, :longest], evaluator.motion))

    def shape() -> None:
        for what, found in (("embed_text", evaluator.embed_text(samples)), ("embed_motion", embed())):
            need_shape(f"{name}.{what}", found, (3, evaluator.dim))
            need_detached(f"{name}.{what}", found)

    def determinism() -> None:
        with other_global_seed(1):
            first = torch.cat([evaluator.embed_text(samples), embed()])
        with other_global_seed(2):
            second = torch.cat([evaluator.embed_text(samples), embed()])
        need_equal(name, first, second, "the same input gives another embedding")

    def batch_invariance() -> None:
        texts, motions = evaluator.embed_text(samples), embed()
        for row in range(3):
            alone = evaluator.embed_text(samples[row : row + 1])
            need_equal(f"{name}.embed_text", alone[0], texts[row], "a row depends on its batch neighbours")
            need_equal(f"{name}.embed_motion", embed([row])[0], motions[row], "a row depends on its batch neighbours")

    def motion_mask() -> None:
        why = "ignores the mask: padded frames change the embedding"
        need_equal(f"{name}.embed_motion", embed(), embed(filling=5.0), why)

    def distinction() -> None:
        texts, motions = evaluator.embed_text(samples), embed()
        for what, found in (("embed_text", texts), ("embed_motion", motions)):
            same = bool((found - found[:1]).abs().max() <= 1e-6 * found.abs().max().clamp(min=1e-12))
            need(not same, f"{name}.{what}: is constant: three different inputs give one embedding")

    def identity() -> None:
        need(len(evaluator.identity) >= 8, f"{name}: identity {evaluator.identity!r} is no hash of weights and words")

    return run_checks(
        {
            "shape": shape,
            "determinism": determinism,
            "batch invariance": batch_invariance,
            "motion mask": motion_mask,
            "distinction": distinction,
            "identity": identity,
        }
    )
