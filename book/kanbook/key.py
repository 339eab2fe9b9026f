"""The content key: what must be unchanged for a chapter not to run again."""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# These tags change what the executor does with a cell; all others only change the page.
EXECUTION_TAGS = {"parameters", "raises-exception", "skip-execution"}
SOURCES = {".py", ".js", ".css", ".cu", ".cuh", ".h"}


def components(
    notebook: Mapping[str, Any],
    root: Path,
    profile: str,
    parameters: Mapping[str, Any],
) -> dict[str, str]:
    """Return one hash for each thing that a chapter's numbers depend on.

    Args:
        notebook: The chapter; only its code cells count, so prose costs no execution.
        root: The book's root, with `kanlib`, `kernels` and `requirements.lock`.
        profile: The profile it runs at.
        parameters: What is injected.

    Returns:
        Hashes by the name that `reason` prints.
    """
    code = [
        [cell["source"], sorted(EXECUTION_TAGS & set(cell["metadata"].get("tags", [])))]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]
    return {
        "code cells": _hash([json.dumps(code)]),
        "parameters": _hash([json.dumps([profile, dict(parameters)], sort_keys=True)]),
        "kanlib sources": _hash_tree(root / "kanlib"),
        "kernels sources": _hash_tree(root / "kernels"),
        "requirements.lock": _hash_file(root / "requirements.lock"),
        "environment": _hash(
            [str(sys.version_info[:2]), installed("torch"), installed("numpy")]
        ),
    }


def key(parts: Mapping[str, str]) -> str:
    """Return the one hash over all components."""
    return _hash([json.dumps(parts, sort_keys=True)])


def reason(report: Mapping[str, Any] | None, parts: Mapping[str, str]) -> str:
    """Say why a chapter has to run, or return "" when its last result still holds.

    Args:
        report: What the last execution wrote, None if there was none.
        parts: The components now.

    Returns:
        For example "kanlib sources changed".
    """
    if report is None:
        return "it has not run yet"
    old = report.get("components", {})
    changed = [name for name, value in parts.items() if old.get(name) != value]
    # A report without components is of a notebook that could not even be read.
    if old and changed:
        return " and ".join(changed) + " changed"
    if report.get("status") != "ok":
        return f"its last run ended with status {report.get('status')}"
    return ""


def installed(distribution: str) -> str:
    """Return the version of an installed distribution, "none" when it is missing."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "none"


def _hash(texts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(len(text).to_bytes(8, "little"))
        digest.update(text.encode("utf-8"))
    return digest.hexdigest()[:16]


def _hash_file(path: Path) -> str:
    return _hash([path.read_text("utf-8")]) if path.is_file() else "absent"


def _hash_tree(folder: Path) -> str:
    files = sorted(p for p in folder.rglob("*") if p.suffix in SOURCES and p.is_file())
    names = [path.relative_to(folder).as_posix() for path in files]
    texts = [path.read_text("utf-8") for path in files]
    return _hash([piece for pair in zip(names, texts, strict=True) for piece in pair])
