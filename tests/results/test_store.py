"""Records: exact floats, kills at any byte, several processes, contradicting runs."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from leadbench.cli.main import main
from leadbench.core.errors import ResultsError
from leadbench.results.records import SCHEMA_VERSION, Record
from leadbench.results.rows import Row
from leadbench.results.store import RunStore
from leadbench.results.verify import verify_results

CONFIG = {"steps": [1, 2, 4], "config": {"seed": 0, "pool": 32}}


def record(key: str, **changes: Any) -> Record:
    values = {
        "task": "made",
        "dataset": "bnr",
        "protocol": "guo-2022",
        "evaluator": "abc",
        "row": Row(backbone="mld", setting={"name": key}),
        "replication": 0,
        "seed": 0,
        "metrics": {"fid": 0.1, "multimodality": None},
        "details": {"task": "made"},
        "chunk_size": 128,
    }
    return Record.model_validate({**values, **changes})


def key(name: str) -> str:
    return record(name).key


def names(records: list[Record]) -> list[object]:
    return [r.row.setting["name"] for r in records]


def _values(**values: Any) -> dict[str, Any]:
    return {"task": "made", "values": values}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    store = RunStore(tmp_path / "bnr" / "run")
    store.start("made", CONFIG, {"mld": "MLD"}, {"python": "3.11"})
    return store


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@settings(max_examples=50, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_survive_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, value: float) -> None:
    folder = tmp_path_factory.mktemp("run")
    RunStore(folder).start("made", CONFIG, {}, {})
    RunStore(folder).append(record("a", metrics={"fid": value}, details=_values(norm=value), row=Row(guidance=value)))
    (back,) = RunStore(folder).records()
    found = [back.metrics["fid"], back.details.values["norm"], back.row.guidance]
    assert [bits(v) for v in found if v is not None] == [bits(value)] * 3


def test_records_come_back_equal_and_in_order(store: RunStore) -> None:
    written = [record(str(i), replication=i, seconds={"sampling": 0.1 * i}) for i in range(5)]
    for item in written:
        store.append(item)
    assert store.records() == written == RunStore(store.folder).records()
    assert RunStore(store.folder).done(written[3].key)
    assert not RunStore(store.folder).done(key("5"))


def test_nothing_is_written_before_start(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "none")
    assert store.records() == []
    assert not store.done(key("a"))
    assert not (tmp_path / "none").exists()
    with pytest.raises(ResultsError, match="no such folder"):
        store.header()
    with pytest.raises(ResultsError, match=r"no run\.json in it, so this is no run folder"):
        RunStore(tmp_path).header()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_metrics_are_finite_or_none(store: RunStore, bad: float) -> None:
    with pytest.raises(ValidationError):
        record("a", metrics={"fid": bad})
    with pytest.raises(ResultsError, match=r"record .*: cannot be stored as JSON"):
        store.append(record("a", details=_values(norm=bad)))
    assert store.records() == []


def test_records_are_frozen_and_strict_about_keys() -> None:
    with pytest.raises(ValidationError):
        record("a").row = Row()  # type: ignore[misc]
    with pytest.raises(ValidationError):
        record("a", colour="red")


def test_a_stored_key_stays_as_it_is(store: RunStore) -> None:
    store.append(record("a", metrics={"fid": 1.0}))
    RunStore(store.folder).append(record("a", metrics={"fid": 2.0}))
    assert [r.metrics["fid"] for r in store.records()] == [1.0]
    assert (store.folder / "records.jsonl").read_bytes().count(b"\n") == 1


def test_a_line_cut_at_any_byte_costs_only_itself(store: RunStore) -> None:
    store.append(record("a"))
    file = store.folder / "records.jsonl"
    whole = file.read_bytes()
    line = whole.replace(b'"name": "a"', b'"name": "b"')
    for cut in range(0, len(line), 7):
        file.write_bytes(whole + line[:cut])
        after_crash = RunStore(store.folder)
        assert names(after_crash.records()) == ["a"]
        after_crash.append(record("b"))
        after_crash.append(record("c"))
        assert names(RunStore(store.folder).records()) == ["a", "b", "c"]


def test_a_broken_whole_line_is_named(store: RunStore) -> None:
    store.append(record("a"))
    with (store.folder / "records.jsonl").open("ab") as file:
        file.write(b'{"row": 1}\n')
    with pytest.raises(ResultsError, match=r"records\.jsonl:2: not a record"):
        RunStore(store.folder).records()
    with pytest.raises(ResultsError, match=r"records\.jsonl:2: not a record"):
        store.done(key("b"))


def test_other_writers_are_seen(store: RunStore) -> None:
    assert not store.done(key("a"))
    RunStore(store.folder).append(record("a"))
    assert store.done(key("a"))


def write_many(folder: Path, name: str, count: int) -> None:
    store = RunStore(folder)
    for i in range(count):
        store.append(record(f"{name}-{i}", details=_values(text="x" * 3000)))
        store.append(record(f"shared-{i}"))


def test_processes_share_a_run(store: RunStore) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=write_many, args=(store.folder, name, 15)) for name in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    lines = (store.folder / "records.jsonl").read_text().splitlines()
    keys = [json.loads(line)["row"]["setting"]["name"] for line in lines]
    assert len(keys) == len(set(keys)) == 60


def test_kill_leaves_whole_records_and_no_lock(store: RunStore) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(3):
        worker = context.Process(target=write_many, args=(store.folder, f"k{attempt}", 10_000))
        worker.start()
        deadline = time.monotonic() + 30
        while not RunStore(store.folder).done(key(f"k{attempt}-3")) and time.monotonic() < deadline:
            time.sleep(0.005)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(30)
        store.append(record(f"after-{attempt}"))
        keys = names(RunStore(store.folder).records())
        assert f"after-{attempt}" in keys
        assert f"k{attempt}-3" in keys


def test_header_holds_config_and_provenance(store: RunStore) -> None:
    assert {name: value for name, value in store.header().items() if name != "digest"} == {
        "schema_version": SCHEMA_VERSION,
        "task": "made",
        "identity": CONFIG,
        "names": {"mld": "MLD"},
        "provenance": {"python": "3.11"},
        "plan": {},
    }
    before = (store.folder / "run.json").read_bytes()
    RunStore(store.folder).start("made", CONFIG, {}, {"python": "3.12"})  # same run, started again elsewhere
    assert (store.folder / "run.json").read_bytes() == before


def test_another_configuration_is_refused_by_name(store: RunStore) -> None:
    other = {"steps": [1, 2], "config": {"seed": 1, "pool": 32}, "controls": True}
    with pytest.raises(ResultsError, match=r"another config\.seed, controls, steps; choose another --out"):
        RunStore(store.folder).start("made", other, {}, {})
    assert store.header()["identity"] == CONFIG


def test_tuples_and_lists_are_the_same_configuration(store: RunStore) -> None:
    RunStore(store.folder).start("made", {**CONFIG, "steps": (1, 2, 4)}, {}, {})


def test_unreadable_and_newer_headers_are_refused(store: RunStore) -> None:
    header = store.folder / "run.json"
    header.write_text(header.read_text().replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 999'))
    with pytest.raises(ResultsError, match="schema version 999"):
        store.start("made", CONFIG, {}, {})
    header.write_text("{")
    with pytest.raises(ResultsError, match=r"run\.json: not JSON"):
        store.start("made", CONFIG, {}, {})


def test_another_task_is_refused(store: RunStore) -> None:
    with pytest.raises(ResultsError, match="holds a run with another task"):
        RunStore(store.folder).start("t2m", CONFIG, {}, {})


def test_a_run_is_loaded_with_names_and_identity(store: RunStore) -> None:
    store.append(record("a"))
    run = RunStore(store.folder).load()
    assert (run.task, run.identity, run.names) == ("made", CONFIG, {"mld": "MLD"})
    assert run.records == (record("a"),)


def test_records_of_another_schema_are_refused_with_what_helps(store: RunStore) -> None:
    file = store.folder / "records.jsonl"
    file.write_text(json.dumps({**record("a").model_dump(mode="json"), "schema_version": 1}) + "\n")
    with pytest.raises(ResultsError, match=r"records\.jsonl:1: .*schema version 1; .*leadbench results migrate"):
        RunStore(store.folder).records()
    file.write_text(json.dumps({**record("a").model_dump(mode="json"), "schema_version": 99}) + "\n")
    with pytest.raises(ResultsError, match="schema version 99, this leadbench reads 3"):
        RunStore(store.folder).records()


def test_details_belong_to_the_task() -> None:
    with pytest.raises(ValidationError, match="task 't2m' with details of task 'made'"):
        record("a", task="t2m")
    with pytest.raises(ValidationError, match="colour"):
        record("a", task="t2m", details={"task": "t2m", "colour": "red"})


@pytest.fixture
def finished(tmp_path: Path) -> RunStore:
    """Two rows, two replications, all there."""
    store = RunStore(tmp_path / "bnr" / "run")
    records = [record(name, replication=n, metrics={"fid": 0.5 + n}) for n in range(2) for name in "ab"]
    store.start("made", CONFIG, {}, {}, [r.key for r in records])
    for item in records:
        store.append(item)
    return store


def _lines(store: RunStore) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (store.folder / "records.jsonl").read_text().splitlines()]


def _write(store: RunStore, lines: list[dict[str, Any]]) -> None:
    (store.folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _altered(lines: list[dict[str, Any]], how: str, other: dict[str, Any]) -> list[dict[str, Any]]:
    first, second, *rest = lines
    return {
        "another value": [{**first, "metrics": {"fid": 0.4}}, second, *rest],
        "rows swapped": [{**first, "row": second["row"]}, {**second, "row": first["row"]}, *rest],
        "another replication": [{**first, "replication": 1}, second, *rest],
        "no digest": [{k: v for k, v in first.items() if k != "digest"}, second, *rest],
        "one of another run": [other, second, *rest],
        "a duplicate first": [{**second, "metrics": {"fid": 9.0}}, first, second, *rest],
    }[how]


@pytest.mark.parametrize(
    "how",
    ["another value", "rows swapped", "another replication", "no digest", "one of another run", "a duplicate first"],
)
def test_a_record_that_is_not_as_it_was_written_is_found(finished: RunStore, tmp_path: Path, how: str) -> None:
    other = RunStore(tmp_path / "other")
    other.start("made", {**CONFIG, "seed": 7}, {}, {})
    other.append(record("a"))
    _write(finished, _altered(_lines(finished), how, _lines(other)[0]))
    with pytest.raises(ResultsError, match=r"records\.jsonl:1: changed after it was written, or copied"):
        RunStore(finished.folder).load()
    (found,) = verify_results(tmp_path / "bnr")
    assert "records.jsonl:1" in found.problem


def test_a_record_that_nobody_planned_is_found(finished: RunStore) -> None:
    finished.append(record("c"))
    with pytest.raises(ResultsError, match="1 records are no part of the run"):
        RunStore(finished.folder).load()


def test_a_changed_header_is_found(finished: RunStore) -> None:
    path = finished.folder / "run.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(ResultsError, match=r"run\.json: changed after it was written"):
        RunStore(finished.folder).load()


def test_a_deleted_record_makes_the_run_unfinished(finished: RunStore) -> None:
    whole = RunStore(finished.folder).load()
    assert not whole.missing
    assert whole.replications(record("a").row) == (2, 2)
    _write(finished, _lines(finished)[:-1])
    part = RunStore(finished.folder).load()
    assert part.missing == {record("b", replication=1).key}
    assert (part.replications(record("a").row), part.replications(record("b").row)) == ((2, 2), (1, 2))
    (found,) = verify_results(finished.folder)
    assert (found.records, found.planned, found.problem) == (3, 4, "")


def test_other_rows_under_one_identity_are_refused(finished: RunStore) -> None:
    with pytest.raises(ResultsError, match="other rows or replications"):
        RunStore(finished.folder).start("made", CONFIG, {}, {}, [record("z").key])


def test_the_command_verifies(
    finished: RunStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def verify() -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["leadbench", "results", "verify", str(finished.folder.parent)])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    assert verify()[:2] == (0, f"{finished.folder}: 4 of 4 records, finished\n")
    lines = _lines(finished)
    _write(finished, lines[:-1])
    code, out, _ = verify()
    assert (code, "3 of 4 records, not finished" in out) == (0, True)
    _write(finished, _altered(lines, "rows swapped", lines[0]))
    code, out, err = verify()
    assert (code, "records.jsonl:1: changed" in out) == (2, True)
    assert "1 of 1 runs are not as they were written" in err
