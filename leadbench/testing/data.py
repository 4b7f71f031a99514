"""Checks of datasets and of metrics of motions."""

from __future__ import annotations

import torch
from torch import Tensor

from leadbench.core.contracts import GeneratedMotions, MotionDataset, MotionMetric
from leadbench.core.skeleton import get_skeleton
from leadbench.core.tensors import Latent, MotionSample, MotionSpec, lengths_to_mask
from leadbench.testing.findings import Finding, need, need_detached, need_equal, need_shape, run_checks, unchanged

SPLITS = ("train", "val", "test")
SHORTEST = 8
"""Frames of a motion: two steps of 4, of which the official rules may drop one."""

_MANY = 500  # motions that tell what features look like


def check_dataset(name: str, dataset: MotionDataset) -> list[Finding]:
    """Whether a dataset implements ``MotionDataset``."""

    def splits() -> None:
        seen: dict[str, str] = {}
        for split in SPLITS:
            ids = dataset.ids(split)
            need(len(ids) > 0, f"{name}: split {split!r} is empty")
            need(len(set(ids)) == len(ids), f"{name}: split {split!r} names an id twice")
            for identifier in ids:
                need(identifier not in seen, f"{name}: id {identifier!r} is in {seen.get(identifier)} and in {split}")
                seen[identifier] = split

    def statistics() -> None:
        spec = dataset.motion
        width = get_skeleton(spec.skeleton).n_features
        for what, tensor in (("mean", spec.mean), ("std", spec.std)):
            need(
                tuple(tensor.shape) == (width,), f"{name}: {what} is {list(tensor.shape)}, {spec.skeleton} has {width}"
            )

    def identity() -> None:
        need(len(dataset.identity) >= 8, f"{name}: identity {dataset.identity!r} is no hash of its content")
        need(dataset.identity == dataset.identity, f"{name}: identity changes from call to call")

    def samples() -> None:
        for split in SPLITS:
            loaded, report = dataset.load(split, skip_bad=True)
            need(len(loaded) == report.kept > 0, f"{name}: load({split!r}) gave {len(loaded)}, reported {report.kept}")
            need(len({sample.id for sample in loaded}) == len(loaded), f"{name}: two samples of {split!r} share an id")
            for sample in loaded:
                _check_sample(f"{name}: {sample.id}", sample, dataset.motion)

    def loaded_ids() -> None:
        for split in SPLITS:
            named = set(dataset.ids(split))
            for sample in dataset.load(split, skip_bad=True)[0]:
                # a tagged part of a motion is a sample of its own, named LETTER_ID
                known = sample.id in named or sample.id.partition("_")[2] in named
                need(known, f"{name}: load({split!r}) gave {sample.id!r}, which ids({split!r}) does not name")

    def normalised() -> None:
        _check_normalised(name, dataset)

    return run_checks(
        {
            "splits": splits,
            "statistics": statistics,
            "identity": identity,
            "samples": samples,
            "ids of samples": loaded_ids,
            "raw features": normalised,
        }
    )


def _check_normalised(name: str, dataset: MotionDataset) -> None:
    samples, spec = dataset.load("train", skip_bad=True)[0], dataset.motion
    frames = torch.cat([sample.features for sample in samples[:_MANY]])
    spread = float(((frames - spec.mean) / spec.std).std(dim=0).median())
    need(
        0.1 < spread < 10,
        f"{name}: normalised by its mean and std, features deviate by {spread:.2g}; needs raw features, and statistics "
        f"of them",
    )


def _check_sample(what: str, sample: MotionSample, motion: MotionSpec) -> None:
    features, captions = sample.features, sample.captions
    need(features.shape[1:] == motion.mean.shape, f"{what} has features {list(features.shape[1:])}")
    need(features.dtype == torch.float32, f"{what} has features of {features.dtype}, needs torch.float32")
    need(sample.frames >= SHORTEST, f"{what} has {sample.frames} frames, needs {SHORTEST}")
    need(len(captions) > 0, f"{what} has no caption")
    tagged = all(text.tokens for text in captions)
    need(tagged, f"{what} has a caption without tokens (word/POS), which evaluators read")
    need(bool(features.isfinite().all()), f"{what} holds NaN or infinity")


def check_metric(name: str, metric: MotionMetric) -> list[Finding]:
    """Whether a metric gives one number for each motion, whatever is beside it or behind its last frame."""
    lengths = torch.tensor([40, 60, 52])
    mask = lengths_to_mask(lengths)
    generator = torch.Generator().manual_seed(0)
    joints = torch.rand(3, 60, 22, 3, generator=generator)
    latent = torch.randn(3, 1, 8, generator=generator)

    def motions(rows: slice = slice(None), filling: float = 0.0) -> GeneratedMotions:
        filled = joints[rows].masked_fill(~mask[rows, :, None, None], filling)
        return GeneratedMotions(filled, mask[rows], "humanml3d", 20.0, Latent.full(latent[rows]))

    def values(**options: float) -> Tensor:
        return metric(motions(**options))  # type: ignore[arg-type]

    def shape() -> None:
        need_shape(name, values(), (3,))
        need_detached(name, values())

    def determinism() -> None:
        need_equal(name, values(), values(), "the same motions give another value")

    def batch_invariance() -> None:
        together = values()
        for row in range(3):
            alone = metric(motions(slice(row, row + 1)))
            need_equal(name, alone[0], together[row], "a motion's value depends on its batch neighbours")

    def motion_mask() -> None:
        need_equal(name, values(), values(filling=9.0), "ignores the mask: padded frames change the value")

    def long_motions() -> None:
        count = 400
        joints = torch.rand(2, count, 22, 3, generator=torch.Generator().manual_seed(1))
        mask = lengths_to_mask(torch.tensor([count, 200]))
        found = metric(GeneratedMotions(joints * mask[..., None, None], mask, "humanml3d", 20.0, Latent.none(2)))
        need(bool(torch.isfinite(found).all()), f"{name}: NaN or infinity of a motion of 200 or 400 frames")

    def inputs() -> None:
        given = motions()
        with unchanged(name, given.joints, given.mask):
            metric(given)

    return run_checks(
        {
            "shape": shape,
            "determinism": determinism,
            "batch invariance": batch_invariance,
            "motion mask": motion_mask,
            "long motions": long_motions,
            "inputs": inputs,
        }
    )
