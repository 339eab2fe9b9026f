"""Unmodified .cu files on the CPU, compiled by g++, and on a GPU where there is one.

`emulate` builds for the CPU alone: for what a GPU must not be asked, such as a planted
overrun. `kernels` builds for the CPU and again for the device, if this machine has one,
so that a test written with it runs on both.
"""

import ctypes
import itertools
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kanlib.ops._cuda import OPTIONS, cuda_refusals
from kanlib.ops._sources import inlined

HERE = Path(__file__).parent
KERNELS = HERE.parents[1] / "kernels"
FLAGS = (
    *("-std=c++17", "-O1", "-fPIC", "-fsanitize=alignment,bounds"),
    *("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"),
    # Else two libraries would share the shared memory of templates of the same name.
    *("-fvisibility=hidden", "-fno-gnu-unique"),
)
GUARD = 256  # elements on each side of a guarded buffer
LINE = 256  # bytes that device allocations, and guarded buffers, are aligned to


def filled(size, dtype, offset):
    """Return an aligned buffer of ones in every bit and the middle of it, `size` long.

    Every bit set is NaN for float32, float64, and for half types kept as uint16.
    """
    count = size + offset + 2 * GUARD
    itemsize = np.dtype(dtype).itemsize
    raw = np.full(count * itemsize + LINE, 0xFF, np.uint8)
    start = -raw.ctypes.data % LINE
    whole = raw[start : start + count * itemsize].view(dtype)
    return whole, whole[GUARD + offset :][:size]


@dataclass(frozen=True)
class Guarded:
    """An output of NaN (integers: every bit set) between two guard bands.

    `inside` starts on a multiple of 256 bytes, or `offset` elements later, as a view of
    a tensor does.
    """

    whole: np.ndarray
    inside: np.ndarray

    @classmethod
    def of(cls, size, dtype, offset=0):
        whole, inside = filled(size, dtype, offset)
        whole[: GUARD + offset] = whole[GUARD + offset + size :] = 77
        return cls(whole, inside)

    def check_guards(self):
        """Raise AssertionError if a kernel wrote before or behind the buffer."""
        size, start = self.inside.size, self.whole.size - self.inside.size - GUARD
        outside = [*range(-start, 0), *range(size, size + GUARD)]
        hit = [i for i in outside if self.whole[start + i] != 77]
        assert not hit, f"written outside 0 to {size - 1}: {hit[:8]}"


class Launches:
    """What both kinds of built kernels offer beside `launch`."""

    def output(self, size, dtype, offset=0):
        """Return a guarded buffer of NaN for a kernel to write."""
        return Guarded.of(size, dtype, offset)

    def input(self, array, offset=0):
        """Return a flat copy of an array between NaN, `offset` elements displaced."""
        _, inside = filled(array.size, array.dtype, offset)
        inside[:] = array.ravel()
        return inside


@dataclass(frozen=True)
class Emulated(Launches):
    """The kernels of one .cu file; `launch` takes what a GPU launch takes."""

    library: ctypes.CDLL
    names: tuple[str, ...]

    def launch(self, name, grid, block, *values, order=0):
        """Run one kernel; values are numpy arrays (pointers) and numpy scalars."""
        assert all(v.ndim == 0 or v.flags.c_contiguous for v in values)
        boxes = [np.array([v.ctypes.data if v.ndim else v]) for v in values]
        dims = [(ctypes.c_uint * 3)(*(*d, 1, 1)[:3]) for d in (grid, block)]
        trouble = ctypes.create_string_buffer(512)
        entry = getattr(self.library, f"kernel_{self.names.index(name)}")
        failed = entry(
            *dims,
            (ctypes.c_void_p * len(boxes))(*(box.ctypes.data for box in boxes)),
            (ctypes.c_size_t * len(boxes))(*(box.itemsize for box in boxes)),
            ctypes.c_size_t(len(boxes)),
            ctypes.c_int(order),
            trouble,
            ctypes.c_size_t(len(trouble)),
        )
        if failed:
            raise RuntimeError(trouble.value.decode())


@dataclass(frozen=True)
class OnDevice(Launches):
    """The kernels of one .cu file on this machine's GPU, with the same `launch`."""

    module: Any

    def launch(self, name, grid, block, *values, order=0):
        """Run one kernel on copies of the arrays and copy all of their memory back.

        A device has one order of its own, so `order` changes nothing.
        """
        import cupy

        assert all(v.ndim == 0 or v.flags.c_contiguous for v in values)
        memory, pointers = {}, []
        for value in values:
            if value.ndim == 0:
                pointers.append(value)
                continue
            if value.size == 0:
                pointers.append(np.int64(0))
                continue
            root = whole(value)
            if id(root) not in memory:
                # As far past a multiple of 256 bytes as here, guard bands and all.
                copy = cupy.empty(root.nbytes + LINE, cupy.uint8)
                copy = copy[root.ctypes.data % LINE :][: root.nbytes]
                copy.set(np.frombuffer(root, np.uint8))
                memory[id(root)] = root, copy
            _, copy = memory[id(root)]
            distance = value.ctypes.data - root.ctypes.data
            pointers.append(np.int64(copy.data.ptr + distance))
        self.module.get_function(name)(grid, block, tuple(pointers))
        cupy.cuda.get_current_stream().synchronize()
        for root, copy in memory.values():
            if root.flags.writeable:
                np.frombuffer(root, np.uint8)[:] = copy.get()


def whole(array):
    """Return the array that owns the memory of a view."""
    while isinstance(array.base, np.ndarray) and array.base.flags.c_contiguous:
        array = array.base
    return array


@pytest.fixture(scope="session")
def emulate(tmp_path_factory):
    """Return build(path, names): compile these kernels of one .cu file for the CPU."""
    compiler = shutil.which("g++")
    if compiler is None or sys.platform != "linux":
        pytest.skip("the emulation of the kernels needs g++ on Linux")
    folder, serial = tmp_path_factory.mktemp("emulated"), itertools.count()

    def build(path, names):
        entries = "".join(
            f"HOST_ENTRY int kernel_{i}(HOST_LAUNCH_PARAMETERS) "
            f"{{ return host::launch(&{name}, HOST_LAUNCH_VALUES); }}\n"
            for i, name in enumerate(names)
        )
        source = folder / f"unit_{next(serial)}.cu"
        source.write_text(inlined(path.read_text(), path.name, KERNELS))
        unit, library = source.with_suffix(".cpp"), source.with_suffix(".so")
        included = "".join(f'#include "{p}"\n' for p in (HERE / "cuda_host.h", source))
        unit.write_text(included + entries)
        # Linked without -fsanitize: the handlers are in cuda_host.h, not in a library.
        run(compiler, *FLAGS, "-c", unit, "-o", source.with_suffix(".o"))
        run(compiler, "-shared", source.with_suffix(".o"), "-o", library)
        return Emulated(ctypes.CDLL(str(library)), tuple(names))

    return build


def run(*command):
    """Run a compiler; what it prints is the assertion's message."""
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr


def build_on_device(path, names):
    """Compile these kernels of one .cu file for the GPU, as `raw_kernel` does."""
    import cupy

    source = inlined(path.read_text(), path.name, KERNELS)
    return OnDevice(
        cupy.RawModule(code=source, options=OPTIONS, name_expressions=tuple(names))
    )


@pytest.fixture
def device_launches():
    """Return the class that launches on a GPU, to be tried without one."""
    return OnDevice


PLACES = ["emulated"]
if not cuda_refusals():
    PLACES.append(pytest.param("device", marks=pytest.mark.device))


@pytest.fixture(scope="session", params=PLACES)
def kernels(request):
    """Return build(path, names) for the CPU, and for a GPU if there is one."""
    if request.param == "device":
        return build_on_device
    return request.getfixturevalue("emulate")
