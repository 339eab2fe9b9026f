"""CI files: they parse, and what they name exists. None of them can be run here."""

import pathlib
import re
import subprocess

import pytest
import yaml
from kanbook.latex import PACKAGES

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def parsed(path: pathlib.Path) -> dict:
    content = yaml.safe_load(path.read_text())
    # YAML 1.1 reads the key `on` as a truth value.
    content["on"] = content.pop(True)
    return content


def steps(workflow: dict) -> list[dict]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_all_workflows_are_here() -> None:
    assert [path.stem for path in WORKFLOWS] == ["publish", "test", "weekly"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_and_commands_exist(path: pathlib.Path) -> None:
    workflow = parsed(path)
    assert workflow["permissions"]["contents"] == "read"
    for job in workflow["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
            continue
        command = step["run"].split()
        if command[0] == "make":
            assert set(command[1:]) <= TARGETS
        elif command[:2] == ["sudo", "apt-get"]:
            assert command[2:] in (["update"], ["install", "-y", *PACKAGES.split()])
        else:
            assert command == ["bash", ".ci/run"]


def test_workflows_use_supported_pythons() -> None:
    workflow = parsed(ROOT / ".github" / "workflows" / "test.yml")
    assert workflow["on"].keys() == {"push", "pull_request"}
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.13"]


def test_the_weekly_run_makes_the_pdf_or_fails() -> None:
    workflow = parsed(ROOT / ".github" / "workflows" / "weekly.yml")
    assert workflow["on"].keys() == {"schedule", "workflow_dispatch"}
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands.index("sudo apt-get update") == 0
    assert {"make pdf", "make long"} <= set(commands)
    # `make pdf` skips where there is no TeX; this does not.
    (kept,) = [s for s in steps(workflow) if "upload-artifact" in s.get("uses", "")]
    assert kept["with"]["path"] == "_build/*.pdf"
    assert kept["with"]["if-no-files-found"] == "error"


def test_contributors_learn_what_the_pdf_needs() -> None:
    page = (ROOT / "book" / "pages" / "contributing.md").read_text("utf-8")
    (line,) = [one for one in page.splitlines() if "apt-get install" in one]
    assert line.split()[-len(PACKAGES.split()) :] == PACKAGES.split()


def test_publish_uploads_what_make_downloads_renders() -> None:
    workflow = parsed(ROOT / ".github" / "workflows" / "publish.yml")
    assert workflow["permissions"] == {
        "contents": "read",
        "pages": "write",
        "id-token": "write",
    }
    commands = [step["run"] for step in steps(workflow) if "run" in step]
    assert commands[0] == "bash .ci/run"
    assert commands[-1] == "make downloads"
    (upload,) = [s for s in steps(workflow) if "upload-pages" in s.get("uses", "")]
    assert upload["with"]["path"] == "_build/html"
    assert workflow["jobs"]["deploy"]["needs"] == "build"
    assert workflow["jobs"]["deploy"]["environment"]["name"] == "github-pages"


def test_ci_script_is_valid_shell() -> None:
    script = ROOT / ".ci" / "run"
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = script.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    # The test runner's summary must be the last thing printed.
    assert text.rstrip().splitlines()[-1].startswith("exec make -s test ")


def test_pre_commit_runs_the_locked_ruff() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (repository,) = config["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/ruff ")
        assert "jupyter" in hook["types_or"]
