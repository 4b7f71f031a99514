"""Claims: verdicts on hand-made records, statistics against scipy, and the command's exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from records import LEAD_MLD, MLD, made_record, write_run
from scipy import stats

from leadbench.core.config import MTIConfig
from leadbench.core.errors import DataError, ResultsError
from leadbench.core.presets import PROJECTOR_VARIANTS
from leadbench.metrics.statistics import PairedTest, holm, t_test
from leadbench.report.claims.gather import _stored, judge, judge_results
from leadbench.report.claims.judge import Claim, Comparison, Evidence, Judged, overall
from leadbench.report.claims.paper import LATENTS_PCA, PROJECTED_PCA, claims
from leadbench.report.claims.render import _paper, _published_value, render_claims
from leadbench.report.published import published
from leadbench.results.records import Record
from leadbench.results.rows import REAL, Row
from leadbench.results.store import RunStore
from leadbench.tasks.mti.task import MTITask
from leadbench.tasks.shared.realigners import Edit
from leadbench.tasks.shared.units import Entry, Sampling
from leadbench.zoo.projectors import AttachedProjector

FIRST, SECOND = MLD, LEAD_MLD


def at(row: Row, steps: int | None) -> Row:
    return row.model_copy(update={"steps": steps})


def record(row: Row, replication: int, steps: int | None = None, **metrics: float) -> Record:
    return made_record(at(row, steps), replication, metrics=dict(metrics))


def retask(item: Record, task: str, **details: object) -> Record:
    return made_record(item.row, item.replication, task=task, metrics=item.metrics, details=details)


def pairs(shift: float, noise: float = 0.001, n: int = 20, metric: str = "fid", real: float = 0.0) -> list[Record]:
    """Two rows that share a large random part, and differ by ``shift``."""
    random = np.random.default_rng(0)
    found = []
    for replication in range(n):
        shared = 1 + random.normal()
        found += [
            record(REAL, replication, **{metric: real}),
            record(MLD, replication, 50, **{metric: shared}),
            record(LEAD_MLD, replication, 50, **{metric: shared + shift + noise * random.normal()}),
        ]
    return found


def verdict(tmp_path: Path, records: list[Record], *comparisons: Comparison) -> str:
    run = write_run(tmp_path / "run", records)
    claim = Claim("made", "", "", "t2m", comparisons)
    reports = judge_results(run.parent)
    assert reports[0].dataset == "made"
    stored = _stored(RunStore(run).load())
    assert stored is not None
    return judge([claim], [stored])[0].verdict


@pytest.mark.parametrize(
    ("shift", "noise", "expected"),
    [(-0.01, 0.001, "holds"), (0.01, 0.001, "fails"), (0.0, 0.001, "inconclusive"), (-0.01, 0.1, "inconclusive")],
)
def test_paired_differences_settle_a_claim(tmp_path: Path, shift: float, noise: float, expected: str) -> None:
    """The rows' own spread is a hundred times the difference; only pairing shows it."""
    assert verdict(tmp_path, pairs(shift, noise), Comparison("fid", FIRST, SECOND, "below")) == expected


@pytest.mark.parametrize(
    ("shift", "noise", "expected"), [(0.002, 0.002, "holds"), (0.05, 0.002, "fails"), (0.002, 0.2, "inconclusive")]
)
def test_equality_needs_an_interval_within_the_bound(tmp_path: Path, shift: float, noise: float, expected: str) -> None:
    comparison = Comparison("fid", FIRST, SECOND, "equal", bound=0.008)
    assert verdict(tmp_path, pairs(shift, noise), comparison) == expected


def test_nearness_to_real_is_not_smallness(tmp_path: Path) -> None:
    rows = pairs(0.1, metric="diversity", real=100.0)
    assert verdict(tmp_path, rows, Comparison("diversity", FIRST, SECOND, "below", to_real=True)) == "holds"


def test_a_claim_of_several_parts_needs_all(tmp_path: Path) -> None:
    below, above = (Comparison("fid", FIRST, SECOND, direction) for direction in ("below", "above"))
    assert verdict(tmp_path, pairs(-0.01), below, above) == "fails"


def test_a_relative_bound(tmp_path: Path) -> None:
    rows = [record(MLD, i, seconds=0.2 + 0.01 * i) for i in range(5)]
    rows += [record(LEAD_MLD, i, seconds=(0.2 + 0.01 * i) * (1.02 + 0.0001 * i)) for i in range(5)]
    tight, loose = (Comparison("seconds", FIRST, SECOND, "below", bound=b, relative=True) for b in (0.01, 0.038))
    assert verdict(tmp_path / "a", rows, loose) == "holds"
    assert verdict(tmp_path / "b", rows, tight) == "fails"


def test_rows_that_are_missing_are_not_measured(tmp_path: Path) -> None:
    assert (
        verdict(tmp_path, pairs(-0.1), Comparison("fid", FIRST, Row(backbone="other", projector="lead"), "below"))
        == "not measured"
    )
    one = [item for item in pairs(-0.1) if item.replication == 0]
    assert verdict(tmp_path / "one", one, Comparison("fid", FIRST, SECOND, "below")) == "inconclusive"


def test_the_run_with_most_replications_tells(tmp_path: Path) -> None:
    write_run(tmp_path / "small", pairs(0.01, n=3))
    write_run(tmp_path / "large", pairs(-0.01, n=12))
    judged = {item.claim.name: item for item in judge_results(tmp_path)[0].judged}
    assert judged["table1.mld.fid"].runs == ("large",)
    assert judged["table1.mld.fid"].findings[0].test.n == 12
    assert judged["table1.mld.fid"].verdict == "holds"
    assert judged["table5.fid"].verdict == "not measured"


def test_a_sweep_of_guidance_is_no_setting_of_the_paper(tmp_path: Path) -> None:
    rows = [
        item.model_copy(update={"row": item.row.model_copy(update={"guidance": g})})
        for item in pairs(-0.1)
        for g in (1.0, 7.5)
    ]
    write_run(tmp_path / "sweep", rows)
    with pytest.raises(ResultsError, match="no run"):
        judge_results(tmp_path)


def test_t_test_is_scipys() -> None:
    values = np.random.default_rng(3).normal(0.3, 1.0, 12)
    found = t_test(values.tolist(), 0.1)
    reference = stats.ttest_1samp(values, 0.1)
    assert found.p_value == pytest.approx(reference.pvalue, rel=1e-9)
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    lower = stats.ttest_1samp(values, -0.5, alternative="greater").pvalue
    upper = stats.ttest_1samp(values, 0.5, alternative="less").pvalue
    assert t_test(values.tolist(), 0.5, equivalence=True).p_value == pytest.approx(max(lower, upper), rel=1e-9)
    assert t_test([0.2, 0.2]).p_value < 1e-9
    assert t_test([0.0, 0.0]).p_value == 1.0
    with pytest.raises(DataError, match="1 replication"):
        t_test([1.0])


def test_holm_by_its_definition() -> None:
    p_values = np.random.default_rng(5).uniform(0, 0.3, 9)
    order = np.sort(p_values)
    expected = [max(min(1.0, (9 - j) * order[j]) for j in range(rank + 1)) for rank in range(9)]
    assert sorted(holm(p_values.tolist())) == pytest.approx(expected)
    assert holm([0.5]) == [0.5]


def test_every_claim_of_a_table_has_the_papers_numbers() -> None:
    """Rows are named by hand in two places: a wrong one would be a claim that is never measured."""
    rendered = json.loads(render_claims([], "json"))
    assert rendered == []
    for claim in claims():
        for comparison in claim.comparisons:
            if claim.table is not None:
                assert _paper(comparison, claim.table) != "—", (claim.name, comparison)
    assert len({claim.name for claim in claims()}) == len(claims())


def producible() -> set[Row]:
    """Every row that the bundled tasks make of the paper's models, as claims name rows: without guidance."""
    found = {REAL, LATENTS_PCA, PROJECTED_PCA}
    for backbone, steps in (("mld", (None,)), ("motionclip", (None,)), ("motionlcm", (None, 1, 2, 4))):
        variants = [name for name in PROJECTOR_VARIANTS if name != "full"]
        edits = [Edit(None, None, None, "", None, None), Edit("lead", None, None, "", "", None)]
        edits += [Edit(None, None, control, "", None, None) for control in ("clamp", "rescale")]
        edits += [Edit("lead", variant, None, "", "", None) for variant in variants]
        for count, edit in product(steps, edits):
            entry = Entry(backbone, None, (), ())  # type: ignore[arg-type]
            found.add(at(entry.row(Sampling(backbone, 0, None), edit), count))
        for projector, batch in product((None, "lead"), (1, 8)):
            found.add(Row(backbone=backbone, projector=projector, setting={"batch": batch}))
    lead = [AttachedProjector("lead", "LEAD", v, None, "", Path()) for v in (None, "no-align", "no-var", "no-rec")]  # type: ignore[arg-type]
    config = MTIConfig()
    task = MTITask(None, None, SimpleNamespace(name="mld"), lead, config)  # type: ignore[arg-type]
    return found | {task.row(way, p) for way in task.learnings for p in way.projectors}


def test_a_claim_names_rows_that_a_task_makes() -> None:
    """A row that nothing can make would be a claim that is never measured."""
    rows = producible()
    for claim in claims():
        for comparison in claim.comparisons:
            for row in (comparison.first, comparison.second):
                assert row in rows, (claim.name, row)
    wanted = {row for claim in claims() for c in claim.comparisons for row in (c.first, c.second)}
    for variant in PROJECTOR_VARIANTS:
        assert variant == "full" or LEAD_MLD.model_copy(update={"variant": variant}) in wanted


def test_opposite_claims_are_judged_where_the_paper_makes_them(tmp_path: Path) -> None:
    for dataset in ("humanml3d", "kit", "made"):
        rows = [item.model_copy(update={"dataset": dataset}) for item in pairs(0.2, metric="multimodality")]
        write_run(tmp_path / dataset / "run", rows)
    found = {r.dataset: {j.claim.name: j.verdict for j in r.judged} for r in judge_results(tmp_path)}
    assert found["humanml3d"]["table1.mld.multimodality"] == "holds"
    assert "table2.multimodality" not in found["humanml3d"]
    assert found["kit"]["table2.multimodality"] == "fails"
    assert "table1.mld.multimodality" not in found["kit"]
    assert found["made"]["table1.mld.multimodality"] == "holds"
    assert found["made"]["table2.multimodality"] == "fails"


def test_two_evaluators_are_judged_apart(tmp_path: Path) -> None:
    """As are their tables; what needs no evaluator then stands alone."""
    write_run(tmp_path / "a", pairs(-0.1))
    write_run(tmp_path / "b", [item.model_copy(update={"evaluator": "other"}) for item in pairs(0.1)])
    write_run(tmp_path / "c", [retask(item, "made") for item in pairs(0.1)])
    reports = {report.dataset: report.judged for report in judge_results(tmp_path)}
    assert set(reports) == {"made, evaluator e", "made, evaluator other", "made, without an evaluator"}
    found = {name: {j.claim.name: j.verdict for j in judged} for name, judged in reports.items()}
    assert found["made, evaluator e"]["table1.mld.fid"] == "holds"
    assert found["made, evaluator other"]["table1.mld.fid"] == "fails"


def test_runs_that_are_not_the_papers_settings_take_no_part(tmp_path: Path) -> None:
    write_run(tmp_path / "a", [retask(item, "t2m", warnings=["skipped"]) for item in pairs(-0.1)])
    with pytest.raises(ResultsError, match="no run"):
        judge_results(tmp_path)


def test_a_row_at_two_numbers_of_steps_is_no_single_row(tmp_path: Path) -> None:
    ten = [item.model_copy(update={"row": at(item.row, 10)}) for item in pairs(0.5) if item.row.steps]
    assert verdict(tmp_path, [*pairs(-0.1), *ten], Comparison("fid", FIRST, SECOND, "below")) == "not measured"
    comparison = Comparison("fid", at(FIRST, 50), at(SECOND, 50), "below")
    assert verdict(tmp_path / "b", [*pairs(-0.1), *ten], comparison) == "holds"


def test_distance_to_real_does_not_grow_with_noise(tmp_path: Path) -> None:
    """Equal means on both sides of Real; one row is noisy, and would look farther away by single differences."""
    random = np.random.default_rng(0)
    rows = []
    for replication in range(20):
        rows += [
            record(REAL, replication, diversity=5.0),
            record(MLD, replication, 50, diversity=5.01 + 0.001 * random.normal()),
            record(LEAD_MLD, replication, 50, diversity=5.01 + 0.3 * random.normal()),
        ]
    comparison = Comparison("diversity", FIRST, SECOND, "above", to_real=True)
    assert verdict(tmp_path, rows, comparison) == "inconclusive"


def test_clusters_are_judged_by_their_bootstrap(tmp_path: Path) -> None:
    def row(which: Row, value: float, interval: tuple[float, float]) -> Record:
        metrics = {"silhouette_cosine": value, "silhouette_euclidean": value}
        counts = dict.fromkeys(("width", "labelled", "neighbours", "pool", "captions", "resamples"), 1)
        intervals = dict.fromkeys(metrics, interval)
        details = {**counts, "clips": 50, "labels": {}, "labels_source": "", "intervals": intervals}
        return made_record(which, task="structure", metrics=metrics, details=details)

    difference = Row(source="real", projector="lead", setting={"space": "difference", "reduction": "pca"})
    rows = [row(LATENTS_PCA, 0.2, (0.1, 0.3)), row(PROJECTED_PCA, 0.5, (0.4, 0.6))]
    write_run(tmp_path / "a" / "run", [*rows, row(difference, 0.3, (0.2, 0.4))])
    write_run(tmp_path / "b" / "run", [*rows, row(difference, 0.3, (-0.2, 0.8))])
    for folder, expected in (("a", "holds"), ("b", "inconclusive")):
        judged = {item.claim.name: item for item in judge_results(tmp_path / folder)[0].judged}
        assert judged["figure3.clusters"].verdict == expected
        assert judged["figure3.clusters"].findings[0].test.n == 50


def test_overhead_is_judged_round_by_round(tmp_path: Path) -> None:
    def timed(row: Row, rounds: list[float]) -> Record:
        one = row.model_copy(update={"steps": 50, "setting": {"batch": 1}})
        empty = {"parameters": {}, "multiply_accumulates": {}, "hardware": {}, "probe": {}}
        details = {"frames": 196, "batch": 1, "peak_memory_mib": 1.0, "rounds": rounds, **empty}
        return made_record(one, task="latency", metrics={"aits": 1.0}, details=details)

    base = [0.20, 0.22, 0.21, 0.25, 0.20]
    for folder, factors in (("a", (1.02, 1.03)), ("b", (1.09, 1.08))):
        slower = [factors[i % 2] * value for i, value in enumerate(base)]
        write_run(tmp_path / folder / "run", [timed(MLD, base), timed(LEAD_MLD, slower)])
    for folder, expected in (("a", "holds"), ("b", "fails")):
        judged = {item.claim.name: item.verdict for item in judge_results(tmp_path / folder)[0].judged}
        assert judged["inference.overhead"] == expected


def test_one_question_is_one_test(tmp_path: Path) -> None:
    """Claims that share a comparison do not make each other's p-values larger."""
    run = _stored(RunStore(write_run(tmp_path / "run", pairs(-0.0006, 0.001))).load())
    assert run is not None
    comparison = Comparison("fid", FIRST, SECOND, "below")
    once = judge([Claim("a", "", "", "t2m", (comparison,))], [run])
    twice = judge([Claim("a", "", "", "t2m", (comparison,)), Claim("b", "", "", "t2m", (comparison,))], [run])
    assert once[0].findings[0].adjusted == twice[0].findings[0].adjusted == twice[1].findings[0].adjusted


def test_the_papers_own_numbers_satisfy_the_claims_of_its_tables(tmp_path: Path) -> None:
    """Records that repeat the published means: claims hold, except where the paper contradicts itself."""
    wanted = [claim for claim in claims() if claim.table is not None]
    verdicts = {}
    for claim in wanted:
        rows: dict[Row, dict[str, float]] = {}
        for comparison in claim.comparisons:
            for row in (comparison.first, comparison.second, *([REAL] if comparison.to_real else [])):
                value = _published_value(claim.table or 0, row, comparison.metric)
                if value is None and row == REAL:
                    real = next(found for found in published().table(claim.table or 0) if found.row == "Real")
                    value = real.metrics[comparison.metric].mean
                assert value is not None
                rows.setdefault(row, {})[comparison.metric] = value
        details = {"backbone": "mld"} if claim.task == "mti" else {}
        run = write_run(
            tmp_path / claim.name,
            [
                made_record(row, r, task=claim.task, metrics=metrics, details=dict(details))
                for row, metrics in rows.items()
                for r in range(2)
            ],
        )
        judged = {item.claim.name: item.verdict for item in judge_results(run)[0].judged}
        verdicts[claim.name] = judged[claim.name]
    failing = {name for name, found in verdicts.items() if found != "holds"}
    assert failing == {"table6.all_metrics"}  # R@3 is 0.766 without KL, 0.762 with everything


def test_the_command_tells_by_its_exit_status(tmp_path: Path) -> None:
    write_run(tmp_path / "made" / "run", pairs(-0.01))
    command = [sys.executable, "-W", "ignore", "-m", "leadbench.cli.main", "claims", str(tmp_path)]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True)
    (report,) = json.loads(done.stdout)
    found = {claim["name"]: claim for claim in report["claims"]}
    assert found["table1.mld.fid"]["verdict"] == "holds"
    assert found["table1.mld.fid"]["comparisons"][0]["difference"]["mean"] == pytest.approx(-0.01, abs=1e-3)
    assert found["table1.mld.fid"]["comparisons"][0]["paper"] == "0.473 → 0.109"
    assert done.returncode == 0
    write_run(tmp_path / "worse" / "run", [item.model_copy(update={"dataset": "worse"}) for item in pairs(0.01)])
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 3
    assert "Claims of the paper on made" in done.stdout
    assert "Claims of the paper on worse" in done.stdout
    nothing = subprocess.run([*command[:-1], str(tmp_path / "nowhere")], capture_output=True, text=True)
    assert nothing.returncode == 2
    assert "no run with records" in nothing.stderr


def test_exit_status() -> None:
    assert overall([]) == 0
    claim = Claim("made", "", "", "t2m", (Comparison("fid", FIRST, SECOND, "below"),))

    def judged(mean: float, p_value: float) -> Judged:
        test = PairedTest(mean, mean - 0.1, mean + 0.1, p_value, 20)
        return Judged(claim, (Evidence(claim.comparisons[0], 1.0, 1.0 + mean, test, p_value),))

    good, bad, unclear = judged(-1.0, 0.001), judged(1.0, 0.001), judged(-1.0, 0.5)
    assert overall([good, Judged(claim, ())]) == 0
    assert overall([good, unclear]) == 4
    assert overall([good, unclear, bad]) == 3
