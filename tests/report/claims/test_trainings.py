"""Runs of several trainings: which belong together, and the test that the training is the unit of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import call
from records import LEAD_MLD, MLD, made_record, write_run
from scipy import stats

from leadbench.metrics.statistics import smallest_visible, t_test, untested
from leadbench.report.claims.gather import judge_results
from leadbench.report.claims.judge import Judged
from leadbench.results.records import Record
from leadbench.results.rows import Row


def records(shift: float, seed: int, n: int = 5, guidance: float = 2.0) -> list[Record]:
    """Two rows whose replications hardly vary."""
    random = np.random.default_rng(seed)
    found = []
    for replication in range(n):
        for row, value in ((MLD, 1.0), (LEAD_MLD, 1.0 + shift)):
            one = Row(backbone=row.backbone, projector=row.projector, steps=50, guidance=guidance)
            found.append(made_record(one, replication, metrics={"fid": value + 1e-4 * random.normal()}))
    return found


def identity(weights: str, recipe: str | None = "r", judge: str = "j") -> dict[str, Any]:
    notes = {} if recipe is None else {"trainings": {"denoiser": {"seed": 0, "recipe": recipe}}}
    return {"weights": {"denoiser": weights, "evaluator": judge}, **notes}


def fid_claim(folder: Path) -> Judged:
    return {item.claim.name: item for item in judge_results(folder)[0].judged}["table1.mld.fid"]


def test_the_training_is_the_unit(tmp_path: Path) -> None:
    """Each training is beyond doubt by its replications; together they say nothing, as their seeds differ by more."""
    shifts = (-0.5, 0.4, -0.2)
    for number, shift in enumerate(shifts):
        write_run(tmp_path / f"{number}", records(shift, number), identity(f"w{number}"))
        alone = write_run(tmp_path / "alone" / f"{number}" / "run", records(shift, number), identity(f"w{number}"))
        assert fid_claim(alone.parent).verdict == ("holds" if shift < 0 else "fails")
    claim = fid_claim(tmp_path)
    assert (claim.verdict, claim.trainings, claim.runs) == ("inconclusive", 3, ("0", "1", "2"))
    finding = claim.findings[0]
    reference = stats.ttest_1samp(finding.trainings, 0.0)
    assert finding.trainings == pytest.approx(shifts, abs=1e-3)
    assert finding.test.p_value == pytest.approx(reference.pvalue, rel=1e-9)
    interval = reference.confidence_interval(0.95)
    assert (finding.test.low, finding.test.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_agreeing_trainings_settle_a_claim(tmp_path: Path) -> None:
    for number, shift in enumerate((-0.50, -0.52, -0.49, -0.51, -0.48)):
        write_run(tmp_path / f"{number}", records(shift, number), identity(f"w{number}"))
    claim = fid_claim(tmp_path)
    assert (claim.verdict, claim.trainings) == ("holds", 5)


@pytest.mark.parametrize(
    ("other", "guidance"),
    [
        (identity("w0"), 2.0),  # the same weights
        (identity("w1", recipe="s"), 2.0),  # trained otherwise
        (identity("w1", recipe=None), 2.0),  # nobody noted how
        (identity("w1"), 3.0),  # sampled otherwise
    ],
)
def test_what_is_no_other_training_of_the_recipe_is_not_pooled(
    tmp_path: Path, other: dict[str, Any], guidance: float
) -> None:
    write_run(tmp_path / "a", records(-0.5, 0, n=8), identity("w0"))
    write_run(tmp_path / "b", records(0.4, 1, guidance=guidance), other)
    claim = fid_claim(tmp_path)
    assert (claim.trainings, claim.runs, claim.findings[0].test.n) == (1, ("a",), 8)


def test_the_papers_guidance_tells_before_others(tmp_path: Path) -> None:
    """Even with fewer replications: the claims are about models sampled so."""
    write_run(tmp_path / "a", records(0.4, 0, n=20, guidance=2.0), identity("w0"))
    write_run(tmp_path / "b", records(-0.5, 1, n=5, guidance=7.5), identity("w0"))
    claim = fid_claim(tmp_path)
    assert (claim.verdict, claim.runs, claim.guidance) == ("holds", ("b",), (7.5,))


def test_models_that_a_claim_is_not_about_make_no_second_training(tmp_path: Path) -> None:
    """The student was trained anew and the teacher not: what the teacher's rows say is the same to the last digit."""
    for name, student in (("a", "s0"), ("b", "s1")):
        both = identity("w0")
        both["weights"]["student"] = student
        both["trainings"]["student"] = {"seed": 0, "recipe": "q"}
        write_run(tmp_path / name, records(-0.5, 0), both)
    assert fid_claim(tmp_path).trainings == 1


def test_smallest_visible_difference_by_simulation() -> None:
    """A shift of that size is found with a probability of about 80 %."""
    random = np.random.default_rng(0)
    exact = [-1.0, -0.5, 0.0, 0.5, 1.0]
    size = smallest_visible(t_test(exact))
    spread = float(np.std(exact, ddof=1))
    samples = random.normal(size, spread, (20_000, len(exact)))
    found = stats.ttest_1samp(samples, 0.0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=0.05)  # the quantiles of the central t are an approximation
    assert smallest_visible(untested(1.0)) == float("inf")


def test_several_folders_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, shift in enumerate((-0.5, -0.3)):
        write_run(tmp_path / f"folder-{number}" / "run", records(shift, number), identity(f"w{number}"))
    kit = [item.model_copy(update={"dataset": "kit"}) for item in records(-0.4, 7)]
    write_run(tmp_path / "kit" / "run", kit, identity("w9"))
    folders = [str(tmp_path / name) for name in ("folder-0", "folder-1", "kit", "folder-1")]
    assert call("claims", *folders) == 4
    said = capsys.readouterr().out
    assert said.startswith("**Verdicts**")
    assert "| inconclusive (2)" in said  # two trainings leave one degree of freedom
    assert "| holds (1)" in said
    assert call("claims", *folders, "--format", "json") == 4
    reports = json.loads(capsys.readouterr().out)
    (claim,) = (c for c in reports[0]["claims"] if c["name"] == "table1.mld.fid")
    assert claim["trainings"] == 2
    assert claim["comparisons"][0]["by_training"] == pytest.approx([-0.5, -0.3], abs=1e-3)
    assert call("claims", folders[0], str(tmp_path / "nowhere")) == 2
    assert "nowhere: no run with records" in capsys.readouterr().err


def test_more_trainings_tell_before_more_replications(tmp_path: Path) -> None:
    """A longer run of a model whose recipe nobody repeated stands behind several trainings of another one."""
    write_run(tmp_path / "long", records(0.5, 9, n=12), identity("w9", recipe="s"))
    for number, shift in enumerate((-0.50, -0.52, -0.49)):
        write_run(tmp_path / f"{number}", records(shift, number), identity(f"w{number}"))
    claim = fid_claim(tmp_path)
    assert (claim.verdict, claim.trainings, claim.runs) == ("holds", 3, ("0", "1", "2"))
