"""Compile every kernel for every architecture without a GPU, and print what it takes.

NVRTC and the binary utilities come from tests/nvrtc.lock, which `make test` installs
apart; the test runs this file with that environment's Python. After a wanted change:

    .venv-nvrtc/bin/python tests/host/compile_check.py > tests/host/budget.json
"""

import argparse
import io
import json
import re
import subprocess
import tempfile
from importlib.metadata import files
from pathlib import Path

KERNELS = Path(__file__).parents[2] / "kernels"
ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
SCALARS = ("float", "double")


def tool(name):
    """Return the path of one of NVIDIA's binary utilities."""
    found = (path for path in files(f"nvidia-cuda-{name}") if path.name == name)
    return str(next(found).locate())


def output(*command):
    """Return what a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def instantiations(source):
    """Return every kernel of a source in both precisions."""
    names = re.findall(r"__global__\s+void\s+(\w+)\s*\(", source)
    return [f"{name}<{scalar}>" for name in names for scalar in SCALARS]


def compile_cubin(path, names, architecture):
    """Return the machine code and the mangled names; warnings are errors."""
    # Imported here: pytest reads this file for doctests, in an environment without it.
    from cuda.core import Program, ProgramOptions

    options = ProgramOptions(std="c++17", arch=architecture, name=path.name)
    program, log = Program(path.read_text(), "c++", options), io.StringIO()
    code = program.compile("cubin", name_expressions=tuple(names), logs=log)
    if log.getvalue():
        raise SystemExit(f"{path} for {architecture}:\n{log.getvalue()}")
    return code.code, {k: v.decode() for k, v in code.symbol_mapping.items()}


def resources(cubin):
    """Return registers, stack and shared bytes of each mangled name."""
    pattern = r"Function (\S+):\s+REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)"
    found = re.findall(pattern, output(tool("cuobjdump"), "-res-usage", cubin))
    return {
        # Spilled registers live on the stack, so no stack means no spills.
        name: {
            "registers": int(registers),
            "stack": int(stack) + int(local),
            "shared": int(shared),
        }
        for name, registers, stack, shared, local in found
    }


def instructions(cubin):
    """Return the machine instructions of each mangled name, without padding."""
    sections = re.split(r"\n\t\.section\t", output(tool("nvdisasm"), "-c", cubin))
    return {
        section.removeprefix(".text.").split(",")[0]: len(
            re.findall(r"/\*[0-9a-f]{4,}\*/\s+(?!NOP)\S", section)
        )
        for section in sections
        if section.startswith(".text.")
    }


def measure(path, names, architecture):
    """Return {kernel: resources} of one source on one architecture."""
    code, mangled = compile_cubin(path, names, architecture)
    with tempfile.TemporaryDirectory() as folder:
        cubin = Path(folder) / "kernel.cubin"
        cubin.write_bytes(code)
        used, counted = resources(cubin), instructions(cubin)
    return {
        name: used[mangled[name]] | {"instructions": counted[mangled[name]]}
        for name in names
    }


def main():
    """Print the resources of every kernel as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=KERNELS)
    parser.add_argument("architectures", nargs="*", default=ARCHITECTURES)
    given = parser.parse_args()
    budget = {}
    for path in sorted(given.folder.glob("**/*.cu")):
        names = instantiations(path.read_text())
        kernels = budget[path.relative_to(given.folder).as_posix()] = {
            n: {} for n in names
        }
        for architecture in given.architectures:
            for name, used in measure(path, names, architecture).items():
                kernels[name][architecture] = used
    # One line for each kernel and architecture, so that a change reads well as a diff.
    text = json.dumps(budget, indent=2)
    print(re.sub(r"\{\s+(\"registers[^}]+?)\s+\}", flat, text))


def flat(match):
    """Return an innermost JSON object on one line."""
    return "{" + re.sub(r"\s+", " ", match[1]) + "}"


if __name__ == "__main__":
    main()
