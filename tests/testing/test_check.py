"""Wrong plugins are each caught, with a message that names the mistake; bundled ones pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import FakeAutoencoder, FakeBackbone, FakeEvaluator
from folders import write_folder
from torch.distributions import Normal

from leadbench.core.contracts import GeneratedMotions
from leadbench.core.errors import UnknownNameError
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import (
    Condition,
    Latent,
    LatentSpec,
    MotionBatch,
    MotionSample,
    MotionSpec,
    lengths_to_mask,
)
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.metrics.bundled import floating_height, jerk, penetration_depth, skating_ratio
from leadbench.plugins.manager import load_plugins
from leadbench.testing import (
    Finding,
    assert_conforms,
    check_autoencoder,
    check_backbone,
    check_dataset,
    check_evaluator,
    check_metric,
    check_projector,
    check_text_encoder,
)
from leadbench.testing.check import CheckContext, check_plugin
from leadbench.zoo.store import ModelStore

MOTION = MotionSpec("humanml3d", 20.0, torch.zeros(263), torch.ones(263))


def failed(findings: list[Finding]) -> str:
    return "; ".join(f"{finding.check}: {finding.message}" for finding in findings if not finding.passed)


def backbone() -> FakeBackbone:
    return FakeBackbone(FakeAutoencoder(MOTION))


def test_a_good_backbone_passes() -> None:
    assert_conforms(check_backbone("fake", backbone()))


Sample = Callable[..., Latent]


def _wrong_shape(good: Sample, condition: Condition, mask: torch.Tensor, noise: NoiseSource, **options: Any) -> Latent:
    return Latent.full(good(condition, mask, noise, **options).values[:, :, :-1])


def _random(good: Sample, condition: Condition, mask: torch.Tensor, noise: NoiseSource, **options: Any) -> Latent:
    values = good(condition, mask, noise, **options).values
    return Latent.full(values + torch.randn_like(values))


def _neighbours(good: Sample, condition: Condition, mask: torch.Tensor, noise: NoiseSource, **options: Any) -> Latent:
    values = good(condition, mask, noise, **options).values
    return Latent.full(values + values.mean(dim=0, keepdim=True))


def _no_text_mask(good: Sample, condition: Condition, mask: torch.Tensor, noise: NoiseSource, **options: Any) -> Latent:
    return Latent.full(good(condition, mask, noise, **options).values + condition.tokens.mean())


def _padding(good: Sample, condition: Condition, mask: torch.Tensor, noise: NoiseSource, **options: Any) -> Latent:
    return Latent.full(good(condition, mask, noise, **options).values + mask.shape[1])


def _mutates(good: Sample, condition: Condition, mask: torch.Tensor, noise: NoiseSource, **options: Any) -> Latent:
    condition.tokens.mul_(2)
    return good(condition, mask, noise, **options)


def _gradient(good: Sample, condition: Condition, mask: torch.Tensor, noise: NoiseSource, **options: Any) -> Latent:
    values = good(condition, mask, noise, **options).values
    return Latent.full(values * torch.ones((), requires_grad=True))


def _nan(good: Sample, condition: Condition, mask: torch.Tensor, noise: NoiseSource, **options: Any) -> Latent:
    return Latent.full(good(condition, mask, noise, **options).values * float("nan"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (_wrong_shape, "wrong shape"),
        (_random, "random despite the noise source"),
        (_neighbours, "depends on its batch neighbours"),
        (_no_text_mask, "ignores the mask"),
        (_padding, "frames of padding"),
        (_mutates, "mutates its input"),
        (_gradient, "leaks gradient"),
        (_nan, "NaN or infinity"),
    ],
)
def test_wrong_backbones(wrong: Callable[..., Latent], message: str) -> None:
    subject = backbone()
    good = subject.sample
    subject.sample = lambda *args, **options: wrong(good, *args, **options)  # type: ignore[method-assign]
    assert message in failed(check_backbone("wrong", subject))


def test_a_backbone_that_denies_its_own_steps() -> None:
    subject = backbone()
    subject.supports_steps = lambda steps: False  # type: ignore[method-assign]
    assert "supports_steps denies" in failed(check_backbone("wrong", subject))


def test_half_a_backbone() -> None:
    assert "has no name, text_encoder" in failed(check_backbone("wrong", object()))  # type: ignore[arg-type]


def test_bundled_encoders_pass() -> None:
    plugins = load_plugins(strict=True)
    for name in ("wordllama", "wordllama-parts", "minilm"):
        assert_conforms(check_text_encoder(name, plugins.create("text_encoder", name)))  # type: ignore[arg-type]


def test_an_encoder_whose_null_is_not_the_empty_text() -> None:
    encoder: Any = load_plugins().create("text_encoder", "wordllama")
    encoder.null = lambda batch: encoder.encode(["nothing"] * batch)
    assert "not the embedding of the empty text" in failed(check_text_encoder("wrong", encoder))


def test_evaluators() -> None:
    good = FakeEvaluator(MOTION)
    assert_conforms(check_evaluator("fake", good))
    embed = good.embed_motion
    good.embed_motion = lambda motion: embed(  # type: ignore[method-assign]
        MotionBatch(motion.features, torch.ones_like(motion.mask), motion.spec)
    )
    assert "ignores the mask" in failed(check_evaluator("wrong", good))


class _Projector:
    latent_fingerprint, text_encoder = "f" * 64, "minilm"

    def __init__(self, keep: float) -> None:
        self.keep = keep

    def project(self, latent: Latent) -> Any:
        from leadbench.core.tensors import Projection

        code = latent.values.flatten(1)
        return Projection(code, code[:, None])

    def reproject(self, projection: Any) -> Latent:
        return Latent.full(torch.nn.functional.dropout(projection.tokens, 1 - self.keep))


def test_projectors() -> None:
    from leadbench.core.tensors import LatentSpec

    assert_conforms(check_projector("plain", _Projector(1.0), LatentSpec(1, 12, True)))
    assert "dropout left on" in failed(check_projector("wrong", _Projector(0.5), LatentSpec(1, 12, True)))
    assert "wrong shape" in failed(check_projector("wrong", _Projector(1.0), LatentSpec(2, 12, True)))


def test_metrics() -> None:
    for metric in (skating_ratio, penetration_depth, floating_height, jerk):
        assert_conforms(check_metric("bundled", metric))

    def unmasked(motions: GeneratedMotions) -> torch.Tensor:
        return motions.joints.mean(dim=(1, 2, 3))

    def mutating(motions: GeneratedMotions) -> torch.Tensor:
        motions.joints.add_(1.0)
        return penetration_depth(motions)

    assert "ignores the mask" in failed(check_metric("wrong", unmasked))
    assert "mutates its input" in failed(check_metric("wrong", mutating))
    assert "wrong shape" in failed(check_metric("wrong", lambda motions: motions.joints.mean()))


def test_datasets(tmp_path: Path) -> None:
    ids = {"train": ["a", "b", "c"], "val": ["d"], "test": ["e", "f"]}
    dataset = HumanML3DFolder(write_folder(tmp_path / "walks", ids))
    assert_conforms(check_dataset("walks", dataset))
    (tmp_path / "walks" / "val.txt").write_text("a\n")
    assert "is in train and in val" in failed(check_dataset("walks", HumanML3DFolder(tmp_path / "walks")))


def _store(tmp_path: Path) -> CheckContext:
    plugins = load_plugins()
    return CheckContext(ModelStore(tmp_path, plugins.text_encoder))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise RuntimeError('boom')", "boom"),
        (
            "from leadbench.plugins.hookspecs import hookimpl\n@hookimpl\ndef leadbench_backbone(): return []",
            "unknown hook",
        ),
        (
            "from leadbench.plugins.hookspecs import Registration, hookimpl\n@hookimpl\ndef leadbench_metrics():\n"
            "    return [Registration('penetration', 'again', 'nowhere:at_all')]",
            "already registered",
        ),
    ],
)
def test_plugins_that_do_not_load(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    findings = check_plugin("broken", load_plugins([path]), _store(tmp_path))["broken"]
    assert message in failed(findings)


def test_a_factory_that_fails_and_one_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from leadbench.plugins.hookspecs import Registration, hookimpl\n@hookimpl\ndef leadbench_metrics():\n"
        "    return [Registration('gone', '', 'nowhere:at_all'), Registration('fails', '', lambda context: 1 / 0)]"
    )
    found = check_plugin("mine", load_plugins([path]), _store(tmp_path))
    assert "cannot import factory" in failed(found["metric:gone"])
    assert "ZeroDivisionError" in failed(found["metric:fails"])
    with pytest.raises(UnknownNameError, match="did you mean 'mine'"):
        check_plugin("mime", load_plugins([path]), _store(tmp_path))


# --------------------------------------------------------------------------------------
# Wrong plugins that an earlier version accepted
# --------------------------------------------------------------------------------------


def test_threads_that_disturb_each_other() -> None:
    """A scheduler kept between calls, under ``concurrent = True``."""
    subject = backbone()
    good = subject.sample

    def sample(*args: Any, **options: Any) -> Latent:
        subject.kept = good(*args, **options)  # type: ignore[attr-defined]
        time.sleep(0.002)
        return subject.kept  # type: ignore[attr-defined,no-any-return]

    subject.sample = sample  # type: ignore[method-assign]
    assert "threads" not in failed(check_backbone("fake", subject))
    subject.concurrent = True  # type: ignore[attr-defined]
    assert "says concurrent = True, but threads" in failed(check_backbone("fake", subject))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 0}, "ignore seed"),
        ({"repeat": 0}, "ignore repeat"),
        ({"replication": 0}, "ignore replication"),
        ({"ids": ("a", "b", "c")}, "ignore the ids"),
    ],
)
def test_random_numbers_that_ignore_what_they_are_for(changes: dict[str, Any], message: str) -> None:
    subject = backbone()
    good = subject.sample

    def sample(condition: Condition, mask: torch.Tensor, noise: NoiseSource, **options: Any) -> Latent:
        given = {**changes, "ids": changes["ids"][: len(noise.ids)]} if "ids" in changes else changes
        return good(condition, mask, replace(noise, **given), **options)

    subject.sample = sample  # type: ignore[method-assign]
    assert message in failed(check_backbone("fake", subject))


def test_a_backbone_without_random_numbers_passes() -> None:
    subject = backbone()
    good = subject.sample
    subject.sample = lambda condition, mask, noise, **options: good(  # type: ignore[method-assign]
        condition, mask, NoiseSource(0, ("same",) * len(noise)), **options
    )
    assert_conforms(check_backbone("fake", subject))


def test_a_step_count_that_is_declared_and_fails() -> None:
    subject = backbone()
    good = subject.sample
    subject.supports_steps = lambda steps: steps <= 8  # type: ignore[method-assign]

    def sample(*args: Any, steps: int, **options: Any) -> Latent:
        if steps == 8:
            raise ValueError("no such schedule")
        return good(*args, steps=steps, **options)

    subject.sample = sample  # type: ignore[method-assign]
    assert "declares 8 steps, with which it raises ValueError: no such schedule" in failed(
        check_backbone("fake", subject)
    )


def test_another_name_than_the_registered_one() -> None:
    assert "'fake'; it must be the registered name" in failed(check_backbone("mine", backbone()))


class _Trainable(FakeBackbone):
    def __init__(self, loss: Callable[[_Trainable, torch.Tensor, NoiseSource], Any]) -> None:
        super().__init__(FakeAutoencoder(MOTION))
        self.network = torch.nn.Linear(8, 8)
        self._kept = self.network
        self._loss = loss

    def training_loss(self, clean: torch.Tensor, condition: Condition, draws: NoiseSource) -> Any:
        return self._loss(self, clean, draws)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda self, clean, draws: {"loss": self.network(clean).square().mean()}, ""),
        (lambda self, clean, draws: {"loss": self._kept(clean).square().mean()}, "does not read the attribute network"),
        (lambda self, clean, draws: self.network(clean).square().mean(), "needs a mapping with 'loss'"),
        (lambda self, clean, draws: {"loss": self.network(clean)}, "must be a scalar"),
        (
            lambda self, clean, draws: {"loss": (self.network(clean) - torch.randn_like(clean)).square().mean()},
            "random beside the draws",
        ),
        (
            lambda self, clean, draws: {"loss": self.network(clean).square().mean().detach().requires_grad_()},
            "no gradient reaches",
        ),
    ],
)
def test_training_losses(loss: Any, message: str) -> None:
    said = failed(check_backbone("fake", _Trainable(loss)))
    assert message in said
    assert bool(said) == bool(message)


class _Raw(FakeAutoencoder):
    """Exact, but for what ``wrong`` does to what is decoded."""

    def __init__(self, motion: MotionSpec, wrong: Callable[[MotionBatch], torch.Tensor]) -> None:
        super().__init__(motion)
        self.latent = LatentSpec(1, 263 * 64)
        self.fingerprint = "f" * 64
        self._wrong = wrong

    def encode(self, motion: MotionBatch) -> Normal:
        padded = torch.nn.functional.pad(motion.features * motion.mask[..., None], (0, 0, 0, 64))[:, :64]
        loc = padded.flatten(1)[:, None]
        return Normal(loc, torch.full_like(loc, 0.1))

    def decode(self, latent: Latent, mask: torch.Tensor) -> MotionBatch:
        made = MotionBatch(latent.values.view(-1, 64, 263)[:, : mask.shape[1]], mask, self.motion)
        return MotionBatch(self._wrong(made), mask, self.motion)


def test_an_autoencoder_that_gives_raw_features() -> None:
    motion = MotionSpec("humanml3d", 20.0, torch.full((263,), 3.0), torch.full((263,), 0.1))
    mask = lengths_to_mask(torch.tensor([40, 64, 52]))
    features = torch.randn(3, 64, 263, generator=torch.Generator().manual_seed(0)) * mask[..., None]
    real = MotionBatch(features, mask, motion)
    assert_conforms(check_autoencoder("good", _Raw(motion, lambda made: made.features), real))
    raw = _Raw(motion, lambda made: made.denormalize().features)
    assert "gives raw features" in failed(check_autoencoder("raw", raw, real))


def test_an_autoencoder_whose_fingerprint_tells_nothing() -> None:
    subject: Any = FakeAutoencoder(MOTION)
    subject.network = torch.nn.Linear(2, 2)
    subject.training_loss = lambda motion, draws: {"loss": subject.network(motion.features[..., :2]).square().mean()}
    said = failed(check_autoencoder("fake", subject))
    assert "does not tell the weights" in said
    subject.fingerprint = "short"
    assert "is no hash" in failed(check_autoencoder("fake", subject))


def test_an_evaluator_that_is_constant() -> None:
    subject = FakeEvaluator(MOTION)
    subject.embed_motion = lambda motion: torch.ones(len(motion.features), 8)  # type: ignore[method-assign]
    assert "embed_motion: is constant" in failed(check_evaluator("fake", subject))


def _loaded(change: Callable[[MotionSample], MotionSample]) -> Callable[[Any], Any]:
    def patch(dataset: Any) -> Any:
        load = dataset.load

        def changed(split: str, *, skip_bad: bool = False) -> Any:
            samples, report = load(split, skip_bad=skip_bad)
            return [change(sample) for sample in samples], report

        dataset.load = changed
        return dataset

    return patch


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda sample: replace(sample, id=f"other{sample.id}"), "does not name"),
        (lambda sample: replace(sample, features=sample.features.double()), "features of torch.float64"),
        (lambda sample: replace(sample, features=sample.features[:7]), "has 7 frames, needs 8"),
        (
            lambda sample: replace(sample, captions=tuple(replace(c, tokens=()) for c in sample.captions)),
            "a caption without tokens",
        ),
        (lambda sample: replace(sample, features=sample.features * 1e4), "needs raw features"),
    ],
)
def test_wrong_datasets(change: Any, message: str, tmp_path: Path) -> None:
    ids = {"train": ["a", "b", "c"], "val": ["d"], "test": ["e", "f"]}
    dataset = HumanML3DFolder(write_folder(tmp_path / "walks", ids))
    assert message in failed(check_dataset("walks", _loaded(change)(dataset)))


def test_a_metric_that_fails_on_long_motions() -> None:
    def metric(motions: GeneratedMotions) -> torch.Tensor:
        values = penetration_depth(motions)
        return values * float("nan") if motions.joints.shape[1] > 196 else values

    assert "NaN or infinity of a motion of 200" in failed(check_metric("wrong", metric))


def test_nothing_to_open_is_no_pass(tmp_path: Path) -> None:
    (finding,) = check_plugin("humanml3d", load_plugins(), _store(tmp_path))["dataset:humanml3d"]
    assert finding.skipped
    assert "give --path" in finding.message


def test_a_hook_that_is_not_marked(tmp_path: Path) -> None:
    path = tmp_path / "forgot.py"
    path.write_text("def leadbench_metrics():\n    return []\n")
    found = check_plugin("forgot", load_plugins([path]), _store(tmp_path))["forgot"]
    assert "'leadbench_metrics' is not marked: put @leadbench.hookimpl before it" in failed(found)
