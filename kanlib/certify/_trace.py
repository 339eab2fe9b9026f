"""The forward of a module as a graph: one operation a node, its layers as they are."""

import operator
from typing import Any

import torch
from torch import fx, nn

from kanlib.certify._box import unsupported


class _Proxy(fx.Proxy):
    """A proxy that records `x += y` as what it is, a write in place."""

    def __iadd__(self, other: Any) -> Any:
        return self.tracer.create_proxy(
            "call_function", operator.iadd, (self, other), {}
        )

    def __isub__(self, other: Any) -> Any:
        return self.tracer.create_proxy(
            "call_function", operator.isub, (self, other), {}
        )

    def __imul__(self, other: Any) -> Any:
        return self.tracer.create_proxy(
            "call_function", operator.imul, (self, other), {}
        )

    def __itruediv__(self, other: Any) -> Any:
        return self.tracer.create_proxy(
            "call_function", operator.itruediv, (self, other), {}
        )


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Every child is walked by itself."""
        return True

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Return a proxy of our kind."""
        return _Proxy(node, self)


def graph_of(module: nn.Module, where: str) -> tuple[fx.Graph, nn.Module]:
    """Return the graph of forward, and the module that holds its constants.

    Never kept: a forward may depend on attributes that change between calls.
    """
    state = torch.get_rng_state()
    try:
        tracer = _Tracer()
        graph = tracer.trace(module)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        unsupported(where, "this forward", f"torch.fx cannot trace it ({reason})")
    if not torch.equal(state, torch.get_rng_state()):
        unsupported(where, "this forward", "it draws random numbers")
    return graph, tracer.root
