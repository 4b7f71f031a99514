"""Tables of stored runs: what is not finished says so, row by row, and is not ranked."""

from __future__ import annotations

import json
from pathlib import Path

from records import made_record, write_run

from leadbench.report.claims.gather import judge_results
from leadbench.report.claims.render import render_claims
from leadbench.results.records import Record
from leadbench.results.rows import REAL, Row
from leadbench.results.store import RunStore
from leadbench.tasks.stored import render_run

MLD, LEAD = Row(backbone="mld", steps=50), Row(backbone="mld", steps=50, projector="lead")


def _records(replications: int) -> list[Record]:
    metrics = {REAL: 0.0, MLD: 2.0, LEAD: 1.0}
    return [
        made_record(row, n, metrics={"fid": fid + 0.1 * n}) for n in range(replications) for row, fid in metrics.items()
    ]


def test_a_row_that_misses_replications_is_named_and_not_ranked(tmp_path: Path) -> None:
    records = _records(2)
    store = RunStore(tmp_path / "run")
    store.start("t2m", {}, {"mld": "MLD", "lead": "LEAD"}, {}, [r.key for r in records])
    for record in records[:-1]:
        store.append(record)
    text = render_run(store.load())
    assert "LEAD (MLD) [1 of 2 replications]" in text
    assert "NOT FINISHED: 5 of 6 records" in text
    assert "**" not in text.replace("**By", "").replace("1)**", "")  # 1.000 alone is no better than a mean of two
    store.append(records[-1])
    text = render_run(store.load())
    assert "NOT FINISHED" not in text
    assert "**1.050±" in text


def test_one_replication_is_inconclusive(tmp_path: Path) -> None:
    write_run(tmp_path / "run", _records(1))
    judged = judge_results(tmp_path)
    text = render_claims(judged)
    assert "-1.0000" in text
    found = [line for line in text.splitlines() if line.startswith("| table1.mld.fid")]
    assert len(found) == 2  # its verdict, and what it rests on
    assert [cell.strip() for cell in found[1].split("|")[-4:-1]] == ["1", "1", "inconclusive"]
    (content,) = json.loads(render_claims(judged, "json"))
    assert "Infinity" not in json.dumps(content)
