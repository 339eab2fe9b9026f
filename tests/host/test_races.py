"""The kernels under ThreadSanitizer, one OS thread per CUDA thread: `make races`.

A launch is a small C++ program, which is what ThreadSanitizer wants. Its arguments are
those of the kernel; arrays are vectors filled with ones.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kanlib.ops._sources import _root, inlined, kernel_files

HERE = Path(__file__).parent
FLAGS = ("-std=c++20", "-O1", "-g", "-fsanitize=thread", "-Wno-unknown-pragmas")


@pytest.fixture(scope="module")
def sanitize(tmp_path_factory):
    """Return run(name, source, launch): what ThreadSanitizer prints for one launch."""
    compiler, folder = shutil.which("g++"), tmp_path_factory.mktemp("races")
    if compiler is None:
        pytest.skip("the race check needs g++")

    def program(name, text):
        unit, made = folder / f"{name}.cpp", folder / name
        unit.write_text(text)
        command = (compiler, *FLAGS, unit, "-o", made)
        return made, subprocess.run(command, capture_output=True, text=True)

    probe, built = program("probe", "int main() {}")
    if built.returncode:
        pytest.skip("this g++ has no ThreadSanitizer (libtsan)")
    # Older runtimes stop at start where the kernel randomizes addresses widely.
    plain = run_program([probe])
    start = [] if plain.returncode == 0 else ["setarch", "-R"]
    if start and (
        shutil.which("setarch") is None or run_program([*start, probe]).returncode
    ):
        pytest.skip(
            f"ThreadSanitizer does not start here: {plain.stderr.strip()[:200]}"
        )

    def run(name, source, launch):
        text = (
            f'#include "{HERE / "cuda_races.h"}"\n{source}\n'
            f'#line 1 "launch"\nint main() {{ {launch} }}\n'
        )
        made, built = program(name, text)
        assert built.returncode == 0, built.stderr
        return run_program([*start, made])

    return run


def run_program(command):
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def source_of(path, *changes):
    text = (_root() / path).read_text()
    for right, wrong in changes:
        assert text.count(right) >= 1, f"{right!r} is no longer in {path}"
        text = text.replace(right, wrong)
    return inlined(text, path, _root())


def probe(name, threads=64):
    source = inlined((HERE / "probes.cu").read_text(), "probes.cu", _root())
    return source, (
        f"static float x[{threads}], out[{threads}];"
        f"host::launch({name}, {{1, 1, 1}}, {{{threads}, 1, 1}}, x, out);"
    )


def test_a_planted_race_is_reported_with_its_line(sanitize):
    found = sanitize("planted", *probe("reverse_race"))
    assert found.returncode != 0
    assert "data race" in found.stderr
    assert re.search(r"reverse_race.*probes\.cu:\d+", found.stderr)


def test_the_same_kernel_with_its_barrier_is_silent(sanitize):
    found = sanitize("right", *probe("reverse"))
    assert (found.returncode, found.stderr) == (0, "")


# 16 rows of 2 groups of 12 columns; 2 tiles of 8 rows.
LAUNCHES = {
    "rational/forward.cu": (
        "static T y[384]; host::launch(rational_forward<T>, {2, 1, 1}, {64, 1, 1}, "
        "x, a, b, y, 16, 2, 12, 8, 0);"
    ),
    "rational/backward.cu": (
        "static Arithmetic<T> partial[40]; host::launch(rational_backward<T>, "
        "{4, 1, 1}, {64, 1, 1}, x, g, a, b, gx, partial, 16, 2, 12, 8, 0);"
    ),
    "rational/backward_naive.cu": (
        "static Arithmetic<T> sa[6], sb[8]; host::launch(rational_backward_naive<T>, "
        "{6, 1, 1}, {64, 1, 1}, x, g, a, b, gx, sa, sb, 384, 2, 12, 0);"
    ),
    "rational/backward_tiled.cu": (
        "static Arithmetic<T> sa[6], sb[8]; host::launch(rational_backward_tiled<T>, "
        "{1, 2, 1}, {64, 1, 1}, x, g, a, b, gx, sa, sb, 16, 2, 12, 0);"
    ),
}
# 10 rows, 5 inputs, 8 outputs of which two lanes share, K = 7 cubic functions and SiLU.
SPLINES = {
    "bspline/local_sum.cu": (
        "static T out[80]; host::launch(spline_local_sum<T>, {1, 1, 1}, {64, 1, 1}, "
        "x, x, knots, g, out, 10, 5, 8, 1, 7, 1, 2);"
    ),
    "bspline/local_pull.cu": (
        "static T out[80]; host::launch(spline_local_pull<T>, {1, 1, 1}, {64, 1, 1}, "
        "x, knots, g, x, out, 10, 5, 8, 1, 7, 1, 2);"
    ),
    "bspline/local_push.cu": (
        "static T out[640]; host::launch(spline_local_push<T>, {1, 1, 2}, {64, 1, 1}, "
        "x, x, knots, g, out, 10, 5, 5, 8, 1, 7, 1, 2);"
    ),
}
KNOTS = "static double knots[11]; for (int i = 0; i < 11; ++i) knots[i] = i - 4;"
ARRAYS = (
    "alignas(16) static T x[384], g[384], gx[384]; "
    "static Arithmetic<T> a[6] = {1, 1}, b[8] = {1, 1}; "
)


@pytest.mark.races
@pytest.mark.parametrize("scalar", ["float", "double", "bfloat16"])
@pytest.mark.parametrize("path", LAUNCHES)
def test_a_rational_kernel_has_no_race(sanitize, path, scalar):
    name = path.replace("/", "_").removesuffix(".cu") + f"_{scalar}"
    launch = f"using T = {scalar}; {ARRAYS}{LAUNCHES[path]}"
    found = sanitize(name, source_of(path), launch)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.races
@pytest.mark.parametrize("scalar", ["float", "double"])
def test_the_sum_of_tiles_has_no_race(sanitize, scalar):
    launch = (
        f"using T = {scalar}; static T partial[40], of_a[6], of_b[8]; "
        "host::launch(rational_reduce<T>, {14, 1, 1}, {64, 1, 1}, partial, of_a, of_b, "
        "2, 2, 1);"
    )
    found = sanitize(f"reduce_{scalar}", source_of("rational/reduce.cu"), launch)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.races
@pytest.mark.parametrize("scalar", ["float", "double"])
@pytest.mark.parametrize("path", SPLINES)
def test_a_spline_kernel_has_no_race(sanitize, path, scalar):
    name = path.replace("/", "_").removesuffix(".cu") + f"_{scalar}"
    launch = f"using T = {scalar}; {ARRAYS}{KNOTS}{SPLINES[path]}"
    found = sanitize(name, source_of(path), launch)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.races
@pytest.mark.parametrize("path", [*list(LAUNCHES)[1:4:2], *SPLINES])
def test_a_kernel_without_its_barriers_has_one(sanitize, path):
    name = path.replace("/", "_").removesuffix(".cu") + "_bare"
    launch = f"using T = float; {ARRAYS}{KNOTS}{(LAUNCHES | SPLINES)[path]}"
    bare = source_of(path, ("__syncthreads();", ""))
    assert "data race" in sanitize(name, bare, launch).stderr


def test_every_kernel_that_shares_memory_is_run_here():
    sharing = {p for p in kernel_files() if "__shared__" in (_root() / p).read_text()}
    assert sharing <= {*LAUNCHES, *SPLINES, "rational/reduce.cu"}
