"""One B-spline layer in all its forms: ours, the peers' and the floors."""

import contextlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from _measure import Lines, Times, equal_only, interleaved
from _peers import Peers, has_pykan
from torch import Tensor, nn

from kanlib.bases import BSpline, GaussianRBF
from kanlib.layers import KANLayer

DEGREE = 3
OURS, PRODUCTS = "kanlib", "matrix products alone"
FAST_KAN = "fast-kan, without layer norm"
TOLERANCE = 1e-5
"""Float32: what results may differ by, over the largest of them."""


@dataclass(frozen=True)
class Case:
    """A shape: inputs, outputs, batch, and intervals of the grid."""

    inputs: int
    outputs: int
    batch: int
    intervals: int

    def __str__(self) -> str:
        return (
            f"{self.inputs} → {self.outputs}, batch {self.batch}, "
            f"{self.intervals} intervals"
        )


@dataclass
class Contender:
    """A function of x, its parameters, and whether it must give what ours gives."""

    forward: Callable[[Tensor], Tensor]
    parameters: list[Tensor]
    same: bool = True
    version: str = ""

    def step(self, x: Tensor, g: Tensor) -> tuple[Tensor, ...]:
        """Return the result, the gradient of x, and then those of the parameters."""
        y = self.forward(x)
        wanted = (x, *self.parameters)
        return y, *torch.autograd.grad(y, wanted, g, allow_unused=True)


def ours(case: Case) -> KANLayer:
    """Return our layer, with the same values for the same shape."""
    basis = BSpline.uniform(case.intervals, DEGREE)
    generator = torch.Generator().manual_seed(0)
    return KANLayer(case.inputs, case.outputs, basis, generator=generator)


def data(case: Case) -> tuple[Tensor, Tensor]:
    """Return x inside the grid and a gradient of the result."""
    generator = torch.Generator().manual_seed(1)
    x = 1.98 * torch.rand(case.batch, case.inputs, generator=generator) - 0.99
    g = torch.randn(case.batch, case.outputs, generator=generator)
    return x.requires_grad_(), g


def module(layer: nn.Module, same: bool = True, version: str = "") -> Contender:
    """Return a module as a contender."""
    wanted = [p for p in layer.parameters() if p.requires_grad]
    return Contender(layer, wanted, same, version)


def efficient_kan(case: Case, peers: Peers) -> dict[str, Contender]:
    """As it comes, with a factor of its own for each edge, and without that factor."""
    found = peers.module("efficient-kan")
    if found is None:
        return {}
    layer, version, made = ours(case), peers.version("efficient-kan"), {}
    for name, scaler in (("efficient-kan", True), ("efficient-kan, no scaler", False)):
        peer = found.KANLinear(
            case.inputs,
            case.outputs,
            grid_size=case.intervals,
            spline_order=DEGREE,
            enable_standalone_scale_spline=scaler,
        )
        with torch.no_grad():
            peer.spline_weight.copy_(layer.coefficients)
            peer.base_weight.copy_(layer.base_weight)
            if scaler:
                peer.spline_scaler.fill_(1.0)
        made[name] = module(peer, version=version)
    return made


def fast_kan(case: Case, peers: Peers) -> dict[str, Contender]:
    """As many Gaussian bumps as ours has splines, with layer norm and without.

    Another function than ours; without the norm it is our layer on another basis, and
    that is what it is held against here.
    """
    found = peers.module("fast-kan")
    if found is None:
        return {}
    size, version = case.intervals + DEGREE, peers.version("fast-kan")
    sizes, ends = (case.inputs, case.outputs), (-1.0, 1.0)
    twin = KANLayer(*sizes, GaussianRBF.uniform(size, ends))
    made = {}
    for name, norm in (("fast-kan", True), (FAST_KAN, False)):
        peer = found.FastKANLayer(*sizes, *ends, size, use_layernorm=norm)
        with torch.no_grad():
            peer.spline_linear.weight.copy_(twin.coefficients.flatten(1))
            peer.base_linear.weight.copy_(twin.base_weight)
            peer.base_linear.bias.zero_()
        made[name] = module(peer, same=False, version=version)
    x, _ = data(case)
    if equal_only({FAST_KAN: [made[FAST_KAN].forward(x)]}, [twin(x)], TOLERANCE):
        del made[FAST_KAN]
    return made


def pykan_layer(case: Case) -> dict[str, Contender]:
    """Return pykan's layer, which also returns the value of every edge."""
    if not has_pykan():
        return {}
    from kan.KANLayer import KANLayer as Peer

    peer = Peer(in_dim=case.inputs, out_dim=case.outputs, num=case.intervals, k=DEGREE)
    _set_pykan(peer, ours(case))
    wanted = [p for p in peer.parameters() if p.requires_grad]
    return {"pykan KANLayer": Contender(lambda x: peer(x)[0], wanted)}


def pykan_network(case: Case) -> dict[str, Contender]:
    """Return pykan's network of one layer: as it comes, and after `speed()`."""
    if not has_pykan():
        return {}
    from kan import KAN

    made = {}
    for name, fast in (("pykan KAN, default", False), ("pykan KAN, speed()", True)):
        with contextlib.redirect_stdout(io.StringIO()):
            peer = KAN(
                width=[case.inputs, case.outputs],
                grid=case.intervals,
                k=DEGREE,
                auto_save=False,
            )
            if fast:
                peer.speed()
        _set_pykan(peer.act_fun[0], ours(case))
        made[name] = module(peer)
    return made


def _set_pykan(peer: Any, layer: KANLayer) -> None:
    """Give a layer of pykan our values; its grid is drawn evenly anyway."""
    assert layer.base_weight is not None
    with torch.no_grad():
        peer.coef.copy_(layer.coefficients.transpose(0, 1))
        peer.scale_base.copy_(layer.base_weight.T)
        peer.scale_sp.fill_(1.0)


def plain(case: Case) -> dict[str, Contender]:
    """Return a linear layer, and a network of two with as many parameters as ours."""
    count = sum(p.numel() for p in ours(case).parameters())
    width = max(1, (count - case.outputs) // (case.inputs + case.outputs + 1))
    network = nn.Sequential(
        nn.Linear(case.inputs, width), nn.SiLU(), nn.Linear(width, case.outputs)
    )
    return {
        "MLP of as many parameters": module(network, same=False),
        "linear layer": module(nn.Linear(case.inputs, case.outputs), same=False),
    }


def products(case: Case) -> Callable[[Tensor], object]:
    """Return the floor: all products that the layer needs, the features given."""
    features = torch.rand(case.batch, case.inputs * (case.intervals + DEGREE + 1))
    weight = torch.rand(features.shape[1], case.outputs)

    def run(g: Tensor) -> object:
        return features @ weight, g @ weight.T, features.T @ g

    return run


def compare(
    case: Case,
    contenders: dict[str, Contender],
    lines: Lines,
    rounds: int = 15,
    seconds: float = 20.0,
) -> dict[str, Times]:
    """Assert that results are equal, time forward and backward, and print the lines."""
    x, g = data(case)
    own = module(ours(case))
    y, gx, *_ = own.step(x, g)
    _against_reference(case, x, y)
    rest = {name: c for name, c in contenders.items() if c.same}
    why = equal_only({n: c.step(x, g)[:2] for n, c in rest.items()}, (y, gx), TOLERANCE)
    lines.disqualified(str(case), why)
    running = {OURS: own} | {n: c for n, c in contenders.items() if n not in why}
    floor = products(case)
    calls: dict[str, Callable[[], object]] = {PRODUCTS: lambda: floor(g)}
    for name, one in running.items():
        calls[name] = lambda one=one: one.step(x, g)
    found = interleaved(calls, rounds, min(5, rounds), seconds)
    more = {n: {"version": c.version} for n, c in contenders.items() if c.version}
    lines.times(str(case), "forward and backward", found, OURS, **more)
    return found


def _against_reference(case: Case, x: Tensor, y: Tensor) -> None:
    """Assert that our result is that of plain PyTorch, in float64."""
    layer = ours(case).double()
    assert isinstance(layer.basis, BSpline)
    assert layer.base_weight is not None
    phi = layer.basis(x.double())
    expected = phi.flatten(-2) @ layer.coefficients.flatten(1).T
    expected = expected + nn.functional.silu(x.double()) @ layer.base_weight.T
    if equal_only({OURS: [y]}, [expected], TOLERANCE):
        raise AssertionError(f"kanlib at {case}: its result is not the reference's.")


def ratio(times: dict[str, Times], above: str, below: str) -> float | None:
    """Return a ratio of medians; None if one of the two did not run."""
    if above not in times or below not in times:
        return None
    return times[above].median / times[below].median


def fastest(times: dict[str, Times], names: Iterable[str]) -> str:
    """Return which of a peer's modes was the fastest; "" if none ran."""
    ran = [name for name in names if name in times]
    return min(ran, key=lambda name: times[name].median, default="")
