"""The door to the CUDA sources: what it reads, what it refuses, what it launches."""

import re
import subprocess
import sys
from contextlib import nullcontext
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from kanlib._errors import KernelUnavailable
from kanlib.ops import (
    RawKernel,
    _cuda,
    _sources,
    kernel_files,
    kernel_names,
    kernel_source,
    raw_kernel,
    report,
)

BASIS = "bspline/basis.cu"


def test_every_source_starts_with_operation_launch_and_bytes():
    assert BASIS in kernel_files()
    for path in kernel_files():
        lines = kernel_source(path).splitlines()
        heads = [line for line in lines if re.match(r"// (?!Checked)[A-Z]\w+: ", line)]
        assert lines[0] == heads[0], path
        for line, head in zip(heads, ("Operation:", "Launch:", "Bytes:"), strict=False):
            assert line.startswith(f"// {head} "), f"{path}: {line}"
        assert kernel_names(path), f"{path} has no kernel"


def test_every_region_is_closed():
    for path in kernel_files():
        depth = 0
        for line in kernel_source(path).splitlines():
            depth += line.startswith("// region: ")
            depth -= line == "// endregion"
            assert depth in (0, 1), f"{path}: {line}"
        assert depth == 0, f"{path}: an open region"


def test_sources_are_found_in_a_wheel(tmp_path, monkeypatch):
    (tmp_path / "sum").mkdir()
    (tmp_path / "sum" / "rows.cu").write_text("__global__ void rows(int *x) {}")
    monkeypatch.setattr(_sources, "_WHEEL", tmp_path)
    assert kernel_files() == ("sum/rows.cu",)
    assert kernel_names("sum/rows.cu") == ("rows",)


def test_an_included_file_is_inlined_once_with_its_lines(tmp_path, monkeypatch):
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "a.cuh").write_text(
        '#pragma once\n#include "common/b.cuh"\nA'
    )
    (tmp_path / "common" / "b.cuh").write_text("B")
    head = '#include "common/a.cuh"\n#include <limits>\n  # include "common/b.cuh"\n'
    (tmp_path / "sum.cu").write_text(head + "__global__ void __launch_bounds__(9) f()")
    monkeypatch.setattr(_sources, "_WHEEL", tmp_path)
    assert _sources.expanded("sum.cu").splitlines() == [
        *('#line 1 "sum.cu"', '#line 1 "common/a.cuh"', ""),
        *('#line 1 "common/b.cuh"', "B", '#line 3 "common/a.cuh"', "A"),
        *('#line 2 "sum.cu"', "#include <limits>", ""),
        "__global__ void __launch_bounds__(9) f()",
    ]
    assert kernel_files() == ("sum.cu",)
    assert kernel_names("sum.cu") == ("f",)


def test_a_missing_included_file_is_named_with_its_line(tmp_path, monkeypatch):
    (tmp_path / "sum.cu").write_text('\n#include "common/a.cuh"\n')
    monkeypatch.setattr(_sources, "_WHEEL", tmp_path)
    with pytest.raises(ValueError, match=r"sum.cu: line 2 includes 'common/a.cuh'"):
        _sources.expanded("sum.cu")


@pytest.mark.parametrize("path", ["nope.cu", "../pyproject.toml", "bspline", ""])
@pytest.mark.parametrize("reader", [kernel_source, lambda path: raw_kernel(path, "f")])
def test_an_unknown_file_lists_the_files(path, reader):
    with pytest.raises(ValueError, match=rf"there is no '{path}'.*{BASIS}"):
        reader(path)


@pytest.mark.parametrize("name", ["nope", "nope<float>", "bspline", ""])
def test_an_unknown_kernel_lists_the_kernels(name):
    with pytest.raises(ValueError, match=rf"has no kernel '{name}'.*bspline_basis"):
        raw_kernel(BASIS, name)


def fake_cupy(monkeypatch, **parts):
    module = ModuleType("cupy")
    module.__spec__ = ModuleSpec("cupy", None)
    vars(module).update(parts)
    monkeypatch.setitem(sys.modules, "cupy", module)


def hide_cupy(monkeypatch):
    monkeypatch.setattr(_cuda, "find_spec", lambda name: None)


def see_gpu(monkeypatch, *, built="13.0", found=True):
    monkeypatch.setattr(torch.version, "cuda", built)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: found)


def test_every_reason_is_named_at_once(monkeypatch):
    hide_cupy(monkeypatch)
    see_gpu(monkeypatch, built=None, found=False)
    with pytest.raises(KernelUnavailable) as caught:
        raw_kernel(BASIS, "bspline_basis<float>")
    cupy, torch_build = caught.value.reasons
    assert cupy.startswith("CuPy is not installed")
    assert torch_build.endswith("is built without CUDA")
    assert 'backend="cuda"' in str(caught.value)
    assert all(reason in str(caught.value) for reason in (cupy, torch_build))


def test_a_missing_device_is_a_reason(monkeypatch):
    fake_cupy(monkeypatch)
    see_gpu(monkeypatch, found=False)
    assert _cuda.cuda_refusals() == ["torch finds no CUDA device"]


def test_a_cupy_that_does_not_work_is_a_reason(monkeypatch):
    def fail():
        raise RuntimeError("driver too old")

    runtime = SimpleNamespace(getDeviceCount=fail)
    fake_cupy(monkeypatch, cuda=SimpleNamespace(runtime=runtime))
    see_gpu(monkeypatch)
    assert _cuda.cuda_refusals() == [
        "CuPy is installed but does not work: driver too old"
    ]


def test_report_lists_references_and_kernels_with_reasons(monkeypatch):
    hide_cupy(monkeypatch)
    see_gpu(monkeypatch)
    rows = {(row.operation, row.backend): row for row in report().rows}
    assert rows["bspline", "reference"].runs
    kernel = rows[f"bspline_basis of {BASIS}", "cuda"]
    assert not kernel.runs
    lines = str(report()).splitlines()
    assert lines[0].split() == ["bspline", "reference", "runs"]
    assert any("no: CuPy is not installed" in line for line in lines)


def test_report_says_runs_where_nothing_is_missing(monkeypatch):
    runtime = SimpleNamespace(getDeviceCount=lambda: 1)
    fake_cupy(monkeypatch, cuda=SimpleNamespace(runtime=runtime))
    see_gpu(monkeypatch)
    assert all(row.runs for row in report().rows)


def test_importing_ops_does_not_import_cupy():
    code = "import sys, kanlib.ops; sys.exit('cupy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class FakeArray:
    """What a CuPy array shows to a launch."""

    __cuda_array_interface__ = ()

    def __init__(self, device=0, contiguous=True):
        self.device = SimpleNamespace(id=device)
        self.flags = SimpleNamespace(c_contiguous=contiguous)


class FakeStream:
    def __init__(self, log, name, ptr):
        self.log, self.name, self.ptr = log, name, ptr

    def record(self):
        self.log.append(f"record {self.name}")
        return self.name

    def wait_event(self, event):
        self.log.append(f"{self.name} waits for {event}")

    def __enter__(self):
        self.log.append(f"enter {self.name}")

    def __exit__(self, *_):
        self.log.append(f"leave {self.name}")


@pytest.fixture
def launched(monkeypatch):
    """A kernel whose CuPy is a fake on another stream than torch, and its log."""
    log = []
    cuda = SimpleNamespace(
        Device=lambda index: nullcontext(log.append(f"device {index}")),
        get_current_stream=lambda: FakeStream(log, "cupy", 1),
        ExternalStream=lambda ptr, device: FakeStream(log, "torch", ptr),
    )
    fake_cupy(monkeypatch, cuda=cuda)
    current = SimpleNamespace(cuda_stream=2)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: current)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 7)
    kernel = RawKernel(BASIS, "f<float>", lambda *given: log.append(given))
    return kernel, log


def test_a_launch_runs_on_torchs_stream_of_the_arrays_device(launched):
    kernel, log = launched
    array, size = FakeArray(device=3), np.int32(5)
    kernel((2,), (128,), array, size)
    assert log == [
        "device 3",
        "record cupy",
        "torch waits for cupy",
        "enter torch",
        ((2,), (128,), (array, size)),
        "leave torch",
        "record torch",
        "cupy waits for torch",
    ]


def test_a_launch_without_cupy_arrays_waits_for_nothing(launched):
    kernel, log = launched
    kernel((1,), (1,), np.int64(3))
    given = ((1,), (1,), (np.int64(3),))
    assert log == ["device 7", "enter torch", given, "leave torch"]


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (torch.zeros(3), ValueError, "value 1 is on cpu; expected a CUDA tensor"),
        (2.5, TypeError, "value 1 is a float; expected .* NumPy scalar"),
        (3, TypeError, "value 1 is a int; expected"),
        (None, TypeError, "value 1 is a NoneType; expected"),
        (np.zeros(3), TypeError, "value 1 is a ndarray; expected"),
        (FakeArray(contiguous=False), ValueError, "value 1 is not contiguous"),
        (FakeArray(device=1), ValueError, "value 1 is on cuda:1; expected cuda:0"),
    ],
)
def test_a_value_that_a_kernel_cannot_take_is_refused(launched, value, error, words):
    kernel, log = launched
    with pytest.raises(error, match=rf"f<float>: {words}"):
        kernel((1,), (1,), FakeArray(), value)
    assert log == []
