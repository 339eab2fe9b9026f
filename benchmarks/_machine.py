"""Where a measurement was made: processor, versions, commit; the head of a record."""

import hashlib
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "numba", "kanlib", "pykan")


def machine() -> dict[str, Any]:
    """Describe the processor that this runs on; no name of the host."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    pages = {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= os.sysconf_names.keys()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if pages else 0
    return {
        "device": processor(),
        "cores": usable or os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's name, family and model, as far as the system tells."""
    if not cpuinfo.exists():
        return platform.processor() or platform.machine()
    lines = (line.partition(":") for line in cpuinfo.read_text().splitlines())
    facts: dict[str, str] = {}
    for name, _, value in lines:
        facts.setdefault(name.strip(), value.strip())
    name = facts.get("model name", platform.machine())
    numbers = [f"{key} {facts[key]}" for key in ("cpu family", "model") if key in facts]
    return f"{name} ({', '.join(numbers)})" if numbers else name


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return Python's version and those of the packages that are installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def sources_hash(root: Path) -> str:
    """Return a hash of the operations and kernels: whose speed is measured."""
    hashed = hashlib.sha256()
    for folder in ("kanlib/ops", "kernels"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in {".py", ".cu", ".cuh"}:
                hashed.update(path.relative_to(root).as_posix().encode())
                hashed.update(path.read_bytes())
    return hashed.hexdigest()[:16]


def commit(folder: Path) -> str:
    """Return the commit that a folder is at; "" where it is no checkout."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    if not (folder / ".git").exists():
        return ""
    return subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.strip()


def changed(root: Path) -> bool:
    """Return whether the measured sources differ from what the commit holds."""
    command = ["git", "-C", str(root), "status", "--porcelain", "kanlib", "kernels"]
    if not (root / ".git").exists():
        return False
    return bool(subprocess.run(command, check=True, capture_output=True).stdout)


def head(root: Path) -> dict[str, Any]:
    """Return what a record says first: where, when, and with which sources."""
    return {
        **machine(),
        "date": date.today().isoformat(),
        "commit": commit(root),
        "changed": changed(root),
        "sources": sources_hash(root),
        "versions": versions(),
    }
