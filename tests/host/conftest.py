"""The `emulate` fixture: unmodified .cu files, compiled by g++ and run on the CPU."""

import ctypes
import itertools
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

HEADER = Path(__file__).with_name("cuda_host.h")
FLAGS = (
    *("-std=c++17", "-O1", "-shared", "-fPIC"),
    *("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"),
    # Else two libraries would share the shared memory of templates of the same name.
    *("-fvisibility=hidden", "-fno-gnu-unique"),
)
GUARD = 256  # elements on each side of a guarded buffer


@dataclass(frozen=True)
class Guarded:
    """An output of NaN (of -1, if integers) between two guard bands."""

    whole: np.ndarray

    @classmethod
    def of(cls, size, dtype):
        fill = np.nan if np.issubdtype(dtype, np.floating) else -1
        whole = np.full(size + 2 * GUARD, fill, dtype)
        whole[:GUARD] = whole[GUARD + size :] = 77
        return cls(whole)

    @property
    def inside(self):
        return self.whole[GUARD : len(self.whole) - GUARD]

    def check_guards(self):
        """Raise AssertionError if a kernel wrote before or behind the buffer."""
        size = len(self.inside)
        outside = [*range(-GUARD, 0), *range(size, size + GUARD)]
        hit = [i for i in outside if self.whole[GUARD + i] != 77]
        assert not hit, f"written outside 0 to {size - 1}: {hit[:8]}"


@dataclass(frozen=True)
class Emulated:
    """The kernels of one .cu file; `launch` takes what a GPU launch takes."""

    library: ctypes.CDLL
    names: tuple[str, ...]

    def output(self, size, dtype):
        """Return a guarded buffer of NaN for a kernel to write."""
        return Guarded.of(size, dtype)

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
        unit = folder / f"unit_{next(serial)}.cpp"
        unit.write_text(f'#include "{HEADER}"\n#include "{path}"\n{entries}')
        command = [compiler, *FLAGS, unit]
        library = unit.with_suffix(".so")
        made = subprocess.run([*command, "-o", library], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        return Emulated(ctypes.CDLL(str(library)), tuple(names))

    return build
