"""Before any model is scored, real motions are: an evaluator that mistakes them measures nothing.

The official evaluators are held to the published Real rows (paper, Tables 1 and 2), ours to the row that their card
recorded on the same data. Where a check fails, what is usually wrong is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from leadbench.core.config import SelfTestSettings
from leadbench.core.contracts import Evaluator, MotionDataset
from leadbench.core.errors import SelfTestError
from leadbench.core.tensors import MotionSample
from leadbench.data.format import HUMANML3D_NAN
from leadbench.report.published import published_real
from leadbench.text.word_vectors import POS_TAGS, split_token
from leadbench.zoo.loaded import LoadedEvaluator

PUBLISHED_IDS = {"humanml3d": {"train": 23_384, "val": 1_460, "test": 4_384}}
SKIPPED = "the self-test on real motions was skipped (--skip-self-test): rows may mean nothing"
_NAMES = {"r_precision_3": "R@3", "mm_dist": "MM-Dist", "fid": "FID"}
_UNKNOWN_WORDS, _UNKNOWN_TAGS = 0.1, 0.05  # shares above which the text side is suspected
_SPREAD = 0.5  # how far normalised features may be from mean 0 and deviation 1, averaged over features


@dataclass(frozen=True)
class Check:
    """One metric of real motions: measured, expected, and how far they may differ."""

    metric: str
    found: float
    expected: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the difference is small enough; a Fréchet distance may also be smaller."""
        return abs(self.found - self.expected) <= self.tolerance or (
            self.metric == "fid" and self.found < self.expected
        )

    def __str__(self) -> str:
        return f"{_NAMES[self.metric]} {self.found:.3f} instead of {self.expected:.3f} ± {self.tolerance:.3f}"


@dataclass(frozen=True)
class SelfTest:
    """Result of a self-test: where the expected row comes from, its checks, and likely causes of a failure."""

    source: str
    checks: tuple[Check, ...]
    causes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def require(self) -> None:
        """Raise SelfTestError with the failed checks and the likely causes, unless all passed."""
        if self.passed:
            return
        failed = ", ".join(str(check) for check in self.checks if not check.passed)
        causes = "; ".join(f"({number}) {cause}" for number, cause in enumerate(self.causes, 1))
        raise SelfTestError(
            f"self-test: real motions score {failed} ({self.source}); likely causes: {causes}; "
            "--skip-self-test goes on and stamps each table"
        )


def expected_row(dataset: MotionDataset, evaluator: Evaluator) -> tuple[str, Mapping[str, float]] | None:
    """What real motions must score, and who says so; None where nobody does."""
    if isinstance(evaluator, LoadedEvaluator) and evaluator.official:
        row = published_real(dataset.name)
        return None if row is None else (f"published Real row of {dataset.name}", row)
    known: Mapping[str, float] = getattr(evaluator, "real_row", {})
    if known and getattr(evaluator, "dataset", "") == dataset.identity:
        return "Real row in the evaluator's card", known
    return None


def run_self_test(
    dataset: MotionDataset,
    evaluator: Evaluator,
    samples: Sequence[MotionSample],
    measured: Mapping[str, float | None],
    tolerances: SelfTestSettings,
) -> SelfTest | None:
    """Compare the Real row of one replication with what is expected; None where nothing is known to expect."""
    found = expected_row(dataset, evaluator)
    if found is None:
        return None
    source, row = found
    limits = tolerances.model_dump()
    checks = []
    for metric in _NAMES:
        value = measured.get(metric)
        if metric in row and value is not None:
            checks.append(Check(metric, value, row[metric], max(limits[metric], _scatter(metric, row, len(samples)))))
    failed = any(not check.passed for check in checks)
    causes = tuple(_causes(dataset, evaluator, samples)) if failed else ()
    return SelfTest(source, tuple(checks), causes)


def _scatter(metric: str, row: Mapping[str, float], count: int) -> float:
    """Four standard errors of a share among ``count`` samples: small splits scatter more than the settings allow."""
    if metric != "r_precision_3":
        return 0.05 * row[metric] * (300 / count) ** 0.5 if metric == "mm_dist" and count < 300 else 0.0
    share = min(max(row[metric], 0.02), 0.98)
    return float(4 * (share * (1 - share) / count) ** 0.5)


def _causes(dataset: MotionDataset, evaluator: Evaluator, samples: Sequence[MotionSample]) -> Iterator[str]:
    """What is usually wrong, as far as it can be seen, the surest first."""
    yield from _statistics(dataset, evaluator, samples)
    if isinstance(evaluator, LoadedEvaluator):
        yield from _words(evaluator, samples)
    unexpected = [name for name in dataset.load("test", skip_bad=True)[1].not_finite if name not in HUMANML3D_NAN]
    if unexpected:
        few = ", ".join(unexpected[:3])
        yield f"NaN motions: {len(unexpected)} of the test split were left out that are not published so (first: {few})"
    wanted = PUBLISHED_IDS.get(dataset.name, {}).get("test")
    count = len(dataset.ids("test"))
    if wanted is not None and count != wanted:
        yield f"the split: test.txt names {count:,} ids, the published one {wanted:,}"
    yield "the evaluator's weights are not those that belong to this dataset (finest.tar)"
    yield "captions or features were made by other rules than the published ones (leadbench data check tells more)"


def _statistics(dataset: MotionDataset, evaluator: Evaluator, samples: Sequence[MotionSample]) -> Iterator[str]:
    mean, std = evaluator.motion.mean, evaluator.motion.std
    if torch.equal(mean, dataset.motion.mean) and torch.equal(std, dataset.motion.std):
        yield "the statistics file: the evaluator was given the dataset's own Mean.npy and Std.npy, not Comp_v6_*/meta"
    frames = torch.cat([sample.features for sample in samples[:: max(1, len(samples) // 200)]])
    normal = (frames - mean) / std
    offset, spread = float(normal.mean(dim=0).abs().mean()), float(normal.std(dim=0).mean())
    if offset > _SPREAD or abs(spread - 1) > _SPREAD:
        what = f"features normalised by it have mean {offset:.2f} and deviation {spread:.2f}, not 0 and 1"
        yield f"the statistics file: {what}"


def _words(evaluator: LoadedEvaluator, samples: Sequence[MotionSample]) -> Iterator[str]:
    tokens = [split_token(token) for sample in samples for caption in sample.captions for token in caption.tokens]
    if not tokens:
        yield "the captions have no tokens word/POS"
        return
    words = {word for word, _ in tokens}
    known = {word: evaluator.text.words.lookup(word) is not None for word in words}
    unknown = sum(not known[word] for word, _ in tokens) / len(tokens)
    if unknown > _UNKNOWN_WORDS:
        yield f"the word vectors: {unknown:.0%} of the captions' words are unknown to them"
    odd = sum(tag not in POS_TAGS for _, tag in tokens) / len(tokens)
    if odd > _UNKNOWN_TAGS:
        yield f"the POS list: {odd:.0%} of the tags are not among {', '.join(POS_TAGS[:4])}, ..."
