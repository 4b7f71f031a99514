"""What ``leadbench plugins check --report`` writes: every finding, and a badge for a README."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from leadbench.core.files import write_text_atomic
from leadbench.testing.findings import Finding

FINDINGS, BADGE = "conformance.json", "badge.json"


def write_report(folder: Path, name: str, offers: Mapping[str, Sequence[Finding]]) -> None:
    """Write ``conformance.json`` and ``badge.json`` of a checked plugin into a folder, which is made.

    Raises:
        OSError: they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in ((FINDINGS, report(name, offers)), (BADGE, badge(offers))):
        write_text_atomic(folder / file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def report(name: str, offers: Mapping[str, Sequence[Finding]]) -> dict[str, Any]:
    """The findings by offer, with the versions that they hold for."""
    return {
        "plugin": name,
        "leadbench": metadata.version("leadbench"),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "offers": {offer: [_entry(finding) for finding in findings] for offer, findings in offers.items()},
    }


def badge(offers: Mapping[str, Sequence[Finding]]) -> dict[str, Any]:
    """A badge as the endpoint of shields.io reads it.

    >>> badge({"metric:mine": [Finding("shape", True), Finding("mask", False, "ignored")]})["message"]
    '1 of 2 checks fail'
    """
    tried = [finding for findings in offers.values() for finding in findings if not finding.skipped]
    failed = sum(not finding.passed for finding in tried)
    if failed:
        message, color = f"{failed} of {len(tried)} checks fail", "red"
    elif tried:
        message, color = f"conforms ({len(tried)} checks)", "brightgreen"
    else:
        message, color = "not checked", "lightgrey"
    return {
        "schemaVersion": 1,
        "label": f"leadbench {metadata.version('leadbench')}",
        "message": message,
        "color": color,
    }


def _entry(finding: Finding) -> dict[str, str]:
    result = "skipped" if finding.skipped else "passed" if finding.passed else "failed"
    return {"check": finding.check, "result": result} | ({"message": finding.message} if finding.message else {})
