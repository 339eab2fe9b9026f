"""Compile a CUDA source for this GPU and launch its kernels, through CuPy.

Nothing here imports CuPy or touches a GPU before `raw_kernel` has checked that both are
there; every reason why not is one sentence that `KernelUnavailable` and `report` show.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from kanlib._errors import KernelUnavailable
from kanlib.ops._sources import expanded, kernel_names, listed

# No fast-math: the book checks digits. CuPy adds the architecture of the device.
OPTIONS = ("-std=c++17",)


def cuda_refusals() -> list[str]:
    """Return why CUDA kernels cannot run here, one sentence each; empty if they can."""
    reasons = []
    installed = find_spec("cupy") is not None
    if not installed:
        reasons.append(
            'CuPy is not installed: pip install "kanlib[cuda]" (CUDA 13) or '
            '"kanlib[cuda12]"'
        )
    if torch.version.cuda is None:
        reasons.append(f"this torch ({torch.__version__}) is built without CUDA")
    elif not torch.cuda.is_available():
        reasons.append("torch finds no CUDA device")
    elif installed:
        reasons += _cupy_trouble()
    return reasons


def _cupy_trouble() -> list[str]:
    """Return why an installed CuPy does not work with this machine's driver."""
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()
    except (ImportError, RuntimeError) as error:  # CUDARuntimeError is a RuntimeError
        return [f"CuPy is installed but does not work: {error}"]
    return []


@dataclass(frozen=True)
class RawKernel:
    """A compiled CUDA kernel: `kernel(grid, block, *values)` launches it.

    A launch takes torch tensors and CuPy arrays alike, on torch's current stream.
    `cupy` is the kernel as CuPy knows it, with its attributes (`num_regs`, ...).
    """

    path: str
    name: str
    cupy: Any

    def __call__(
        self, grid: tuple[int, ...], block: tuple[int, ...], *values: Any
    ) -> None:
        """Launch the kernel on torch's current stream of the arrays' device.

        Args:
            grid: Blocks in one to three dimensions.
            block: Threads of a block in one to three dimensions.
            *values: One per parameter of the kernel, in order: CUDA tensors and CuPy
                arrays (contiguous, all on one device) for pointers, NumPy scalars of
                the parameter's exact type (`np.int32(rows)`) for the rest.

        Raises:
            TypeError: "value 2 is a float": a bare number has no C type, and an object
                that is no array has no address.
            ValueError: "value 2 is on" the CPU or another device; "value 2 is not
                contiguous", so that the kernel would read the wrong entries.

        Notes:
            Nothing checks that number and types of the values are those of the kernel,
            and autograd does not see what it writes.
            CuPy arrays are safe on any stream: the launch waits for what CuPy's current
            stream did before, and that stream waits for the launch.
        """
        import cupy

        device = _device(self.name, values)
        arguments = tuple(
            np.int64(v.data_ptr()) if isinstance(v, torch.Tensor) else v for v in values
        )
        with cupy.cuda.Device(device):
            theirs = cupy.cuda.get_current_stream()
            current = torch.cuda.current_stream(device).cuda_stream
            ours = cupy.cuda.ExternalStream(current, device)
            apart = theirs.ptr != ours.ptr and any(map(_is_cupy, values))
            if apart:
                ours.wait_event(theirs.record())
            with ours:
                self.cupy(grid, block, arguments)
            if apart:
                theirs.wait_event(ours.record())


def raw_kernel(path: str, name: str) -> RawKernel:
    """Return the kernel `name` of the CUDA source `path`, compiled for this GPU.

    Args:
        path: One of `kernel_files()`, such as "bspline/basis.cu".
        name: The kernel with its template arguments, such as "bspline_basis<float>" or
            "bspline_basis<double, 5>".

    Raises:
        ValueError: "there is no" such file; the file "has no kernel" of that name.
        KernelUnavailable: no CuPy, no GPU; the message lists every reason.

    Notes:
        CuPy compiles (with -std=c++17, without fast-math) on first use and keeps the
        result on disk; call this once, outside loops. The head of each source says what
        to launch and which parameters to pass.

    Example:
        On a machine with a GPU:

            points, K = x.numel(), knots.numel() - 4
            phi = torch.empty(points, K, device="cuda")
            kernel = ops.raw_kernel("bspline/basis.cu", "bspline_basis<float>")
            sizes = np.int64(points), np.int32(1), np.int32(K)
            kernel((-(-points // 128),), (128,), x, knots, phi, *sizes)
    """
    names = kernel_names(path)
    if name.split("<")[0].strip() not in names:
        raise ValueError(
            f"raw_kernel: {path} has no kernel {name!r}; expected one of "
            f"{listed(names)}, with template arguments such as <float>."
        )
    reasons = cuda_refusals()
    if reasons:
        raise KernelUnavailable(f"{name} of {path}", "cuda", reasons)
    import cupy

    module = cupy.RawModule(
        code=expanded(path), options=OPTIONS, name_expressions=(name,)
    )
    return RawKernel(path, name, module.get_function(name))


def _is_cupy(value: Any) -> bool:
    return hasattr(value, "__cuda_array_interface__") and hasattr(value, "flags")


def _device(owner: str, values: Sequence[Any]) -> int:
    """Check the values of a launch and return the index of their one device."""
    devices: dict[int, int] = {}
    for position, value in enumerate(values):
        what = f"{owner}: value {position}"
        if isinstance(value, torch.Tensor):
            if value.device.type != "cuda":
                raise ValueError(
                    f"{what} is on {value.device}; expected a CUDA tensor, because "
                    f"this kernel runs on a GPU. Use .cuda()."
                )
            contiguous, device = value.is_contiguous(), value.device.index
        elif _is_cupy(value):
            contiguous, device = value.flags.c_contiguous, value.device.id
        elif isinstance(value, np.generic):
            continue
        else:
            raise TypeError(
                f"{what} is a {type(value).__name__}; expected a CUDA tensor, a CuPy "
                "array, or a NumPy scalar of the parameter's exact type, "
                "such as np.int32(3)."
            )
        if not contiguous:
            raise ValueError(
                f"{what} is not contiguous; expected contiguous memory, because a "
                "kernel gets an address and no strides. Use .contiguous() "
                "(torch) or cupy.ascontiguousarray."
            )
        devices.setdefault(device, position)
    if len(devices) > 1:
        (first, at), (other, position), *_ = devices.items()
        raise ValueError(
            f"{owner}: value {position} is on cuda:{other}; expected cuda:{first}, "
            f"because value {at} is there."
        )
    return next(iter(devices)) if devices else torch.cuda.current_device()
