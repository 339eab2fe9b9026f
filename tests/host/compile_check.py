"""Compile every kernel for every architecture without a GPU, and print what it takes.

NVRTC and the binary utilities come from tests/nvrtc.lock, which `make test` installs
apart; the test runs this file with that environment's Python. After a wanted change:
`make budget`.

A kernel is compiled for float and double, its other template parameters at their
defaults, unless the head of the source says which ones, in one line or several:

    // Checked:   rational_forward<float>, rational_forward<bfloat16, 5, 4, 'B'>

What each takes: registers, bytes of stack (spilled registers lie there) and of shared
memory. Three architectures are disassembled, too (that is half of the time): number of
instructions, loads and stores of 16 bytes and, where an innermost loop stores results,
its instructions per stored element (`loop`; the loop of the widest stores).
"""

import argparse
import importlib.util
import io
import json
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import files
from pathlib import Path

ROOT = Path(__file__).parents[2]
KERNELS = ROOT / "kernels"
ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120")
DISASSEMBLED = ("sm_80", "sm_90", "sm_120")
SCALARS = ("float", "double")
# Bytes of a template's first argument; the types of two bytes are in common/vector.cuh.
SIZES = {"float": 4, "double": 8, "bfloat16": 2, "float16": 2}


def sources():
    """Return kanlib.ops._sources, by its path: kanlib itself needs torch."""
    path = ROOT / "kanlib" / "ops" / "_sources.py"
    spec = importlib.util.spec_from_file_location("_sources", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tool(name):
    """Return the path of one of NVIDIA's binary utilities."""
    found = (path for path in files(f"nvidia-cuda-{name}") if path.name == name)
    return str(next(found).locate())


def output(*command):
    """Return what a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def instantiations(text):
    """Return the kernels of a source with the template arguments to compile."""
    listed = ",".join(re.findall(r"^// Checked:\s*(.+)$", text, re.MULTILINE))
    chosen = re.findall(r"(\w+\s*<[^>]*>|\w+)\s*(?:,|$)", listed)
    names = sources().names_in(text)
    unknown = {name.split("<")[0].strip() for name in chosen} - set(names)
    if unknown:
        raise SystemExit(f"'Checked:' names {sorted(unknown)}; the kernels are {names}")
    for name in names:
        if not any(re.match(rf"{name}\b", choice) for choice in chosen):
            chosen += [f"{name}<{scalar}>" for scalar in SCALARS]
    return chosen


def compile_cubin(path, folder, names, architecture):
    """Return the machine code and the mangled names; warnings are errors."""
    # Imported here: pytest reads this file for doctests, in an environment without it.
    from cuda.core import Program, ProgramOptions

    code = sources().inlined(path.read_text(), path.name, folder)
    options = ProgramOptions(std="c++17", arch=architecture, name=path.name)
    program, log = Program(code, "c++", options), io.StringIO()
    made = program.compile("cubin", name_expressions=tuple(names), logs=log)
    if log.getvalue():
        raise SystemExit(f"{path} for {architecture}:\n{log.getvalue()}")
    return made.code, {k: v.decode() for k, v in made.symbol_mapping.items()}


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


def listings(cubin):
    """Return the disassembled lines of each mangled name, labels among them."""
    sections = re.split(r"\n\t\.section\t", output(tool("nvdisasm"), "-c", cubin))
    return {
        section.removeprefix(".text.").split(",")[0]: [
            label or code
            for label, code in re.findall(
                r"^(\.L\w+):|/\*[0-9a-f]{4,}\*/\s+(?!NOP)(\S.*?);",
                section,
                re.MULTILINE,
            )
        ]
        for section in sections
        if section.startswith(".text.")
    }


def counted(lines, size):
    """Return what the lines of one kernel hold; `size` is that of an element."""
    code = [line for line in lines if not line.startswith(".L")]
    counts = {
        "instructions": len(code),
        "wide_loads": sum(bool(re.search(r"\bLDG\.\S*128", line)) for line in code),
        "wide_stores": sum(bool(re.search(r"\bSTG\.\S*128", line)) for line in code),
    }
    loops = [(stored_bytes(body), len(body)) for body in inner_loops(lines)]
    widths, length = max(
        loops, key=lambda loop: (loop[0][:1], sum(loop[0])), default=([], 0)
    )
    if widths:
        counts["loop"] = round(length * size / sum(widths), 1)
    return counts


def inner_loops(lines):
    """Yield the instructions of each loop that contains no other."""
    labels = {line: i for i, line in enumerate(lines) if line.startswith(".L")}
    jumps = (
        (i, re.search(r"\bBRA\b.*`\((\.L\w+)\)", line)) for i, line in enumerate(lines)
    )
    loops = [
        (labels[jump[1]], i) for i, jump in jumps if jump and labels[jump[1]] < i - 1
    ]
    for start, end in loops:
        if not any(
            start <= s and e <= end and (s, e) != (start, end) for s, e in loops
        ):
            yield [line for line in lines[start : end + 1] if not line.startswith(".L")]


def stored_bytes(code):
    """Return how many bytes each store to global memory writes, widest first."""
    stores = (re.search(r"\bSTG((?:\.\w+)+)", line) for line in code)
    bits = (re.search(r"\.[US]?(128|64|16|8)\b", store[1]) for store in stores if store)
    return sorted((int(b[1]) // 8 if b else 4 for b in bits), reverse=True)


def measure(path, folder, names, architecture):
    """Return {kernel: what it takes} of one source on one architecture."""
    code, mangled = compile_cubin(path, folder, names, architecture)
    with tempfile.TemporaryDirectory() as place:
        cubin = Path(place) / "kernel.cubin"
        cubin.write_bytes(code)
        used = resources(cubin)
        lines = listings(cubin) if architecture in DISASSEMBLED else {}
    found = {}
    for name in names:
        symbol, size = mangled[name], element_size(name)
        more = counted(lines[symbol], size) if symbol in lines else {}
        found[name] = used[symbol] | more
    return found


def element_size(name):
    """Return the bytes of the first template argument; 4 if it is no known type."""
    first = re.search(r"<\s*(\w+)", name)
    return SIZES.get(first[1] if first else "", 4)


def main():
    """Print what every kernel takes as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=KERNELS)
    parser.add_argument("architectures", nargs="*", default=ARCHITECTURES)
    given = parser.parse_args()
    paths = sorted(given.folder.glob("**/*.cu"))
    names = {path: instantiations(path.read_text()) for path in paths}
    jobs = [(p, a) for p in paths for a in given.architectures]
    importlib.import_module(
        "cuda.core"
    )  # before the threads, which would do it at once
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(
            lambda job: measure(job[0], given.folder, names[job[0]], job[1]), jobs
        )
        measured = dict(zip(jobs, found, strict=True))
    budget = {
        path.relative_to(given.folder).as_posix(): {
            name: {a: measured[path, a][name] for a in given.architectures}
            for name in names[path]
        }
        for path in paths
    }
    # One line for each kernel and architecture, so that a change reads well as a diff.
    text = json.dumps(budget, indent=2)
    print(re.sub(r"\{\s+(\"registers[^}]+?)\s+\}", flat, text))


def flat(match):
    """Return an innermost JSON object on one line."""
    return "{" + re.sub(r"\s+", " ", match[1]) + "}"


if __name__ == "__main__":
    main()
