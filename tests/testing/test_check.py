"""Wrong plugins are each caught, with a message that names the mistake; bundled ones pass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes import FakeAutoencoder, FakeBackbone, FakeEvaluator
from folders import write_folder

from leadbench.core.contracts import GeneratedMotions
from leadbench.core.errors import UnknownNameError
from leadbench.core.random import NoiseSource
from leadbench.core.tensors import Condition, Latent, MotionBatch, MotionSpec
from leadbench.data.humanml3d import HumanML3DFolder
from leadbench.metrics.bundled import floating_height, jerk, penetration_depth, skating_ratio
from leadbench.plugins.manager import load_plugins
from leadbench.testing import (
    Finding,
    assert_conforms,
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
    for name in ("wordllama", "minilm"):
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
