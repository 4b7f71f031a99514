"""Runs of schema version 1, in which names of rows were their identity, to the current schema.

Version 1 is frozen: the strings here are those that it wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from leadbench.core.errors import ResultsError
from leadbench.core.files import write_text_atomic
from leadbench.core.reading import parse_json, read_json_object, read_text, reason
from leadbench.results.records import SCHEMA_VERSION, Record, record_key
from leadbench.results.rows import Row
from leadbench.results.seals import DIGEST, packed_plan, run_digest
from leadbench.results.store import header_text, record_line, run_folders

_VARIANTS = {"mlp": "mlp", "skip": "skip", "w/o KL": "no-var", "w/o align": "no-align", "w/o rec": "no-rec"}
_SOURCES: Mapping[str, dict[str, Any]] = {
    "Real": {"source": "real"},
    "Real, shuffled captions": {"source": "real", "control": "shuffled-captions"},
    "Train sample": {"source": "train"},
    "Reconstruction": {"source": "reconstruction"},
    "Other test latents": {"source": "latents", "control": "other-latents"},
    "Gaussian latents": {"source": "latents", "control": "gaussian-latents"},
    "N(0, I) latents": {"source": "latents", "control": "standard-normal-latents"},
}
_SPACES = {"Latents": "latents", "Projected": "projected", "Projected - Latents": "difference"}
_PROTOCOLS = {"guo-2022": "t2m", "mld": "t2m"}  # protocol -> task, where they differ
_NAMES = {"lead": "LEAD"}
_DETAILS = {
    "t2m": {"latent_norm", "skating_ratio"},
    "score": set(),
    "mti": {"backbone", "learning_rate"},
    "structure": {
        "width", "labelled", "clips", "labels", "labels_source", "neighbours", "pool", "captions", "resamples",
        "intervals",
    },
    "latency": {
        "frames", "batch", "rounds", "parameters", "multiply_accumulates", "peak_memory_mib", "hardware", "probe",
    },
}  # fmt: skip


def migrate_results(root: Path) -> tuple[list[Path], list[Path]]:
    """Bring every run below a folder to the current schema, in place; returns those changed, and those left as current.

    A run is replaced in two steps, records first, and a run that was interrupted between them is finished by the next
    call. Values, order, seeds and provenance stay; a run's folder keeps its name.

    Raises:
        ResultsError: no run below the folder, or one that cannot be read; it is left as it was.
    """
    folders = run_folders(root)
    if not folders:
        raise ResultsError(f"{root}: no run below it (a run is a folder with run.json)")
    changed: list[Path] = []
    current: list[Path] = []
    for folder in folders:
        (changed if _migrate(folder) else current).append(folder)
    return changed, current


def _migrate(folder: Path) -> bool:
    path = folder / "run.json"
    try:
        header = read_json_object(path, ResultsError)
        version = header["schema_version"]
    except KeyError as exc:
        raise ResultsError(f"{path}: not readable as a run (no schema_version)") from exc
    if version == SCHEMA_VERSION:
        return False
    if version not in (1, 2):
        raise ResultsError(
            f"{path}: schema version {version}; this leadbench migrates versions 1 and 2 to {SCHEMA_VERSION}"
        )
    try:
        content, records = (_from_1 if version == 1 else _from_2)(header, folder)
    except (LookupError, TypeError, AttributeError, ValueError) as exc:  # entries that are missing, or of another kind
        raise ResultsError(f"{path}: not a run of version {version} ({type(exc).__name__}: {reason(exc)})") from exc
    run = run_digest(content["task"], content["identity"])
    # older runs did not say what they would hold; their tasks have every replication of every row
    replications = sorted({record.replication for record in records})
    rows = dict.fromkeys(record.row for record in records)
    plan = packed_plan(record_key(row, number) for row in rows for number in replications)
    write_text_atomic(folder / "records.jsonl", "".join(record_line(record, run) for record in records))
    write_text_atomic(path, header_text({**content, "schema_version": SCHEMA_VERSION, "plan": plan}))
    return True


def _from_2(header: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], list[Record]]:
    """Version 2 had no digests and no plan."""
    records = [_record(line, "", {}, folder) for line in _lines(folder / "records.jsonl")]
    return dict(header), records


def _from_1(header: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], list[Record]]:
    stored = _lines(folder / "records.jsonl")
    old = [line for line in stored if line.get("schema_version") == 1]
    task = _task(header, old) if old else str(stored[0]["task"]) if stored else _task(header, [])
    names = {**_NAMES, **{line["backbone"]: line["display"] for line in old if line.get("display")}}
    for line in old:  # the first versions named the inverted backbone in the header alone
        if task in ("mti", "styles"):
            line["details"].setdefault("backbone", header["config"].get("backbone"))
    records = [_record(line, task, names, folder) for line in stored]
    content = {
        "task": task,
        "identity": header["config"],
        "names": names,
        "provenance": header.get("provenance", {}),
    }
    return content, records


def _lines(path: Path) -> list[dict[str, Any]]:
    """Whole lines; what a dead writer left behind the last one is dropped."""
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(read_text(path, ResultsError).split("\n")[:-1], 1):
        content = parse_json(line, f"{path}:{number}: not a record", ResultsError)
        if not isinstance(content, dict):
            raise ResultsError(f"{path}:{number}: not a record (no object)")
        found.append(content)
    return found


def _task(header: Mapping[str, Any], records: list[dict[str, Any]]) -> str:
    described = header["config"].get("benchmark")
    if records and described != "score":
        protocol = records[0]["protocol"]
        return _PROTOCOLS.get(protocol, str(protocol))
    return str(described or header["config"].get("protocol", "t2m"))


def _record(line: dict[str, Any], task: str, names: Mapping[str, str], folder: Path) -> Record:
    try:
        if line.get("schema_version") in (2, SCHEMA_VERSION):
            kept = {name: value for name, value in line.items() if name != DIGEST}
            return Record.model_validate({**kept, "schema_version": SCHEMA_VERSION})
        old = line["details"]
        kept = {name: old[name] for name in _DETAILS["mti" if task == "styles" else task] if name in old}
        details = {
            "task": task,
            "samples": old.get("samples", 0),
            "notes": old.get("notes", []),
            "warnings": old.get("stamps", []),
            **kept,
            **(_aligned(line["projector"]) if task in ("t2m", "structure") and line["projector"] else {}),
        }
        if task == "structure":
            details.pop("driven", None)
        kept_fields = ("dataset", "protocol", "evaluator", "replication", "seed", "metrics", "chunk_size", "seconds")
        content = {name: line[name] for name in kept_fields if name in line}
        row = _ROWS.get(task, _t2m_row)(line, names)
        return Record.model_validate({**content, "task": task, "row": row, "details": details})
    except (KeyError, TypeError, ValidationError) as exc:
        reason = " ".join(str(exc).split())[:300]
        raise ResultsError(f"{folder}: record {line.get('key')!r} cannot be migrated ({reason})") from exc


def _aligned(projector: str) -> dict[str, str]:
    """``aligned minilm, driven wordllama, no-align`` as fields; the variant is part of the row."""
    if projector.startswith("without alignment to "):  # how the first versions called a variant
        return {"aligned": projector.removeprefix("without alignment to ")}
    words = dict(part.split(" ", 1) for part in projector.split(", ") if " " in part)
    return {name: words[name] for name in ("aligned", "driven") if name in words}


def _t2m_row(line: Mapping[str, Any], names: Mapping[str, str]) -> Row:
    name, display, backbone = line["row"], line.get("display"), line.get("backbone")
    if backbone is None:
        base, _, owner = name.removesuffix(")").partition(" (")
        if name in _SOURCES:
            return Row(**_SOURCES[name])
        if base in _SOURCES:
            return Row(**_SOURCES[base], backbone={shown: key for key, shown in names.items()}[owner])
        return Row(source="given", setting={"name": name})
    fields: dict[str, Any] = {"backbone": backbone, "steps": line["steps"], "guidance": line["guidance"]}
    if name == display:
        return Row(**fields)
    if name.startswith(f"{display} + "):
        return Row(**fields, control=name.removeprefix(f"{display} + "))
    variant = name.removeprefix("LEAD").removesuffix(f"({display})").strip()
    return Row(**fields, projector="lead", variant=_VARIANTS[variant] if variant else None)


def _mti_row(line: Mapping[str, Any], names: Mapping[str, str]) -> Row:
    if line["row"] == "Real":
        return Row(source="real")
    words, _, projected = line["row"].partition(" + ")
    loss, _, variant = words.partition(", ")
    return Row(
        backbone=line["details"]["backbone"],
        projector="lead" if projected else None,
        variant=_VARIANTS[variant] if variant else None,
        setting={"words": "initial" if loss == "Initial word" else loss.removeprefix("MTI ")},
    )


def _structure_row(line: Mapping[str, Any], names: Mapping[str, str]) -> Row:
    space, *rest = line["row"].split(", ")
    setting = {"space": _SPACES[space], **({"reduction": "pca"} if "PCA" in rest else {})}
    return Row(
        source="real",
        projector=None if space == "Latents" else "lead",
        control="shuffled-labels" if "shuffled" in rest else None,
        setting=setting,
    )


def _latency_row(line: Mapping[str, Any], names: Mapping[str, str]) -> Row:
    return Row(
        backbone=line["backbone"],
        projector="lead" if line["projector"] else None,
        steps=line["steps"],
        guidance=line["guidance"],
        setting={"batch": line["chunk_size"]},
    )


_ROWS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, str]], Row]] = {
    "mti": _mti_row,
    "styles": _mti_row,
    "structure": _structure_row,
    "latency": _latency_row,
}

