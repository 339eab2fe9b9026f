"""The wheel carries the whole package; lock, environment and pyproject agree."""

import importlib.metadata
import importlib.util
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import kanlib

# The wheel is built once: all its tests run in one worker.
pytestmark = pytest.mark.xdist_group("wheel")

ROOT = pathlib.Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
GPU_EXTRAS = {"cuda", "cuda12"}
PYTHONS = ("3.11", "3.12", "3.13")


def environment(python: str) -> dict[str, str]:
    """Marker values of Linux and CPython `python`."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.5",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_machine": "x86_64",
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "extra": "",
    }


def lock_lines() -> list[str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def locked(python: str) -> dict[str, Version]:
    """What the lock installs on Linux with `python`."""
    pins: dict[str, Version] = {}
    for line in lock_lines():
        pin = Requirement(line)
        if pin.marker is None or pin.marker.evaluate(environment(python)):
            name = canonicalize_name(pin.name)
            assert name not in pins, f"{name} is pinned twice for Python {python}"
            (specifier,) = pin.specifier
            pins[name] = Version(specifier.version)
    return pins


def packages_in_tree() -> dict[str, pathlib.Path]:
    """Every folder of the two packages that holds a Python file."""
    found = {}
    for package, folder in (("kanlib", "kanlib"), ("kanbook", "book/kanbook")):
        for file in (ROOT / folder).rglob("*.py"):
            relative = file.parent.relative_to(ROOT / folder).parts
            found[".".join((package, *relative))] = file.parent
    return found


# --- pyproject, lock and environment.yml ------------------------------------------


def test_listed_packages_are_those_of_the_tree() -> None:
    settings = PYPROJECT["tool"]["setuptools"]
    assert set(settings["packages"]) == {*packages_in_tree(), "kanlib._cuda"}
    assert settings["package-dir"] == {
        "kanlib": "kanlib",
        "kanlib._cuda": "kernels",
        "kanbook": "book/kanbook",
    }


def test_kernels_is_a_folder_of_cuda_sources_only() -> None:
    files = [path for path in (ROOT / "kernels").rglob("*") if path.is_file()]
    assert files
    assert {file.suffix for file in files} <= {".cu", ".cuh", ".md"}


def test_core_dependencies_are_three_ranges() -> None:
    core = {canonicalize_name(Requirement(r).name) for r in PROJECT["dependencies"]}
    assert core == {"torch", "numpy", "jaxtyping"}
    extras = PROJECT["optional-dependencies"].values()
    every = [*PROJECT["dependencies"], *itertools.chain.from_iterable(extras)]
    assert [requirement for requirement in every if "==" in requirement] == []


def test_lock_holds_exact_public_pins() -> None:
    for line in lock_lines():
        pin = Requirement(line)
        assert [s.operator for s in pin.specifier] == ["=="], line
        assert "*" not in str(pin.specifier), line
        assert "+" not in str(pin.specifier), f"{line}: a local version"
        assert pin.url is None, line


def test_lock_has_no_gpu_package() -> None:
    gpu = re.compile(r"^(nvidia|cuda|cupy|triton|pytorch-triton)(-|$)")
    names = {canonicalize_name(Requirement(line).name) for line in lock_lines()}
    assert [name for name in sorted(names) if gpu.match(name)] == []


@pytest.mark.parametrize("python", PYTHONS)
def test_lock_satisfies_every_requirement(python: str) -> None:
    pins = locked(python)
    wanted = {"core": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
    wanted["build"] = PYPROJECT["build-system"]["requires"]
    for extra in wanted.keys() - GPU_EXTRAS:
        for text in wanted[extra]:
            requirement = Requirement(text)
            name = canonicalize_name(requirement.name)
            assert name in pins, f"{extra}: {text} is not in the lock"
            assert requirement.specifier.contains(pins[name]), f"{extra}: {text}"


def test_installed_environment_is_the_lock() -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    differing = {}
    for name, version in locked(here).items():
        try:
            installed = Version(importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            differing[name] = "missing"
            continue
        if installed.public != version.public:
            differing[name] = str(installed)
    assert differing == {}, "run make env"


def test_environment_names_only_the_python_range() -> None:
    text = (ROOT / "environment.yml").read_text()
    parsed = yaml.safe_load(text)
    assert set(parsed) == {"name", "channels", "dependencies"}
    assert parsed["channels"] == ["conda-forge"]
    python, pip, listed = parsed["dependencies"]
    assert python.startswith("python")
    assert SpecifierSet(python.removeprefix("python")) == SpecifierSet(
        PROJECT["requires-python"]
    )
    assert pip == "pip"
    (index,) = re.findall(
        r"^TORCH_CPU_INDEX \?= (\S+)$", (ROOT / "Makefile").read_text(), re.M
    )
    assert listed == {
        "pip": [f"--extra-index-url {index}", "-r requirements.lock", "-e ."]
    }


def test_environment_offers_each_cuda_extra_as_a_comment() -> None:
    text = (ROOT / "environment.yml").read_text()
    offered = re.findall(r"^\s+# - -e \.\[(\w+)\]\s+# CUDA \d+, (\S+)$", text, re.M)
    extras = PROJECT["optional-dependencies"]
    assert dict(offered) == {e: Requirement(extras[e][0]).name for e in GPU_EXTRAS}


def test_supported_pythons_are_the_required_range() -> None:
    required = SpecifierSet(PROJECT["requires-python"])
    assert [p for p in PYTHONS if required.contains(f"{p}.0")] == list(PYTHONS)
    assert not required.contains("3.10.9")
    assert not required.contains("3.14.0")


def test_citation_agrees_with_pyproject() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["title"].startswith(
        yaml.safe_load((ROOT / "_config.yml").read_text())["title"]
    )


# --- the wheel ---------------------------------------------------------------------

PROBE = """
import importlib.metadata, importlib.resources, importlib.util, json, sys
import kanbook, kanlib
def files(package):
    root = importlib.resources.files(package)
    def walk(folder, prefix):
        for entry in folder.iterdir():
            if entry.is_dir():
                yield from walk(entry, prefix + entry.name + "/")
            else:
                yield prefix + entry.name
    return sorted(walk(root, ""))
print(json.dumps({
    "kanlib": kanlib.__file__,
    "kanbook": kanbook.__file__,
    "version": kanlib.__version__,
    "metadata": importlib.metadata.version("kanlib"),
    "kernels": importlib.util.find_spec("kernels") is not None,
    "path": sys.path,
    "files": {"kanlib": files("kanlib"), "kanbook": files("kanbook")},
}))
"""


def clean_environment() -> dict[str, str]:
    """This process's environment without what could lead back to the repository."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_CONSTRAINT")
    return {key: value for key, value in os.environ.items() if key not in hidden}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A virtual environment with the built wheel in it and no repository in sight."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("kanlib", "kernels", "book/kanbook"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)

    def run(*command: str | pathlib.Path) -> None:
        done = subprocess.run(
            command, cwd=folder, env=clean_environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    flags = ("--wheel", "--no-isolation", "--outdir", folder / "dist")
    run(sys.executable, "-P", "-m", "build", *flags, source)
    (wheel,) = (folder / "dist").glob("*.whl")
    venv = folder / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv)
    pip = (sys.executable, "-P", "-m", "pip", "--python", venv / "bin" / "python")
    run(*pip, "install", "-q", "--no-index", "--no-deps", wheel)
    # The heavy dependencies are borrowed. A .pth file inside a borrowed folder is not
    # read, so the editable install of this repository stays out of sight.
    site = venv / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv


@pytest.fixture(scope="module")
def probe(installed: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    done = subprocess.run(
        [installed / "bin" / "python", "-I", "-W", "error", "-c", PROBE],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_wheel_imports_without_the_repository(
    probe: dict, installed: pathlib.Path
) -> None:
    assert pathlib.Path(probe["kanlib"]).is_relative_to(installed)
    assert pathlib.Path(probe["kanbook"]).is_relative_to(installed)
    assert not probe["kernels"]
    near = [p for p in probe["path"] if pathlib.Path(p) in (ROOT, ROOT / "book")]
    assert near == []


def test_wheel_version_is_everywhere_the_same(probe: dict) -> None:
    assert probe["version"] == probe["metadata"] == PROJECT["version"]


def test_wheel_carries_every_kernel_source(probe: dict) -> None:
    sources = {
        f"_cuda/{path.relative_to(ROOT / 'kernels').as_posix()}"
        for suffix in ("*.cu", "*.cuh")
        for path in (ROOT / "kernels").rglob(suffix)
    }
    assert sources
    carried = {name for name in probe["files"]["kanlib"] if name.startswith("_cuda/")}
    assert carried == sources


@pytest.mark.parametrize(
    ("package", "folder"), [("kanlib", "kanlib"), ("kanbook", "book/kanbook")]
)
def test_wheel_carries_every_file_of_the_package(
    probe: dict, package: str, folder: str
) -> None:
    """Scripts, style sheets, templates and py.typed, not only the Python files."""
    expected = {
        path.relative_to(ROOT / folder).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    carried = {
        name
        for name in probe["files"][package]
        if not name.startswith("_cuda/") and "__pycache__" not in name
    }
    assert "py.typed" in carried
    assert carried == expected


def test_wheel_installs_the_command_line(
    installed: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    done = subprocess.run(
        [installed / "bin" / "kanbook", "--help"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "new-chapter" in done.stdout


# --- the editable install ----------------------------------------------------------


def test_editable_install_reaches_the_kernel_sources() -> None:
    package = pathlib.Path(kanlib.__file__).parent
    places = [package / "_cuda", package.parent / "kernels"]
    assert any(place.is_dir() and any(place.rglob("*.cu")) for place in places)


def test_kernels_folder_is_not_importable() -> None:
    """Another project's package has this name; the root must stay off sys.path."""
    assert importlib.util.find_spec("kernels") is None
    assert str(ROOT) not in sys.path
