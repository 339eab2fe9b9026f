"""The walk through a module: layers by their type, others by tracing their forward."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, fx, nn

from kanlib.certify._box import OWNER, Box, read, unsupported
from kanlib.certify._margins import Last
from kanlib.certify._modules import MODULES, rule_of
from kanlib.certify._outward import Rounding
from kanlib.certify._rules import RULES, SEVERAL
from kanlib.certify._trace import graph_of

ATTRIBUTES = ("shape", "ndim", "device")


class Walk:
    """One pass of a box through a module.

    Args:
        rounding: How ends are computed.
        last: What to do with a `Linear` layer at the very end, if not the usual.
    """

    def __init__(self, rounding: Rounding, last: Last | None = None) -> None:
        self.rounding, self.last = rounding, last

    def module(
        self, module: nn.Module, path: str, x: Box, *rest: Any, last: bool = False
    ) -> Any:
        """Return the box of the result; `last` says that nothing comes after."""
        where = f"{OWNER}: {path or 'the module'} ({type(module).__name__})"
        read(x, where)
        if module._forward_hooks or module._forward_pre_hooks:
            unsupported(
                where, "a forward hook", "it may change what goes in or comes out"
            )
        own = type(module).__call__ is nn.Module.__call__
        if "forward" in vars(module) or not own:
            unsupported(
                where, "a replaced forward", "its type no longer says what it does"
            )
        rule = rule_of(module)
        if rule is None or rest:
            return self._traced(module, where, path, (x, *rest), last)
        if last and self.last and rule is MODULES[nn.Linear]:
            return self.last(where, x, module.weight, module.bias)  # type: ignore[arg-type]
        y = rule(self, where, path, module, x, last)
        if getattr(module, "inplace", False) and y is not x:
            x.writers.append(where)
        return y

    def _traced(
        self,
        module: nn.Module,
        where: str,
        path: str,
        args: tuple[Any, ...],
        last: bool,
    ) -> Any:
        kind = type(module)
        if kind.__module__.startswith("torch.nn") or "forward" in vars(module):
            unsupported(where, "this layer")
        if kind.__call__ is not nn.Module.__call__:
            unsupported(where, "this layer", "it has a __call__ of its own")
        graph, root = graph_of(module, where)
        given, values = iter(args), dict[fx.Node, Any]()
        for node in graph.nodes:
            label = f"{where}: {node.name}"
            a = fx.map_arg(node.args, values.__getitem__)
            k = fx.map_arg(node.kwargs, values.__getitem__)
            if node.op == "placeholder":
                values[node] = next(given, *a)
            elif node.op == "get_attr":
                values[node] = _attribute(root, node.target)
            elif node.op == "output":
                return self._result(a[0], where)
            elif node.op == "call_module":
                child = f"{path}.{node.target}" if path else node.target
                final = last and _is_final(node)
                part = root.get_submodule(node.target)
                if not isinstance(read(a[0] if a else None, label), Box) or k:
                    unsupported(f"{OWNER}: {child}", "a layer called without a box")
                values[node] = self.module(part, child, *a, last=final)
                if final and isinstance(values[node], Tensor):
                    return values[node]  # of `self.last`, not a constant
            else:
                function = node.target
                if node.op == "call_method":
                    function = getattr(Tensor, node.target)
                values[node] = self._function(function, label, a, k)
        unsupported(where, "a forward without a result")

    def _result(self, found: Any, where: str) -> Any:
        if isinstance(found, Tensor):
            found = self.rounding.cast(found)
            return Box(found, found, [])
        if not isinstance(found, Box):
            unsupported(where, f"a result of type {type(found).__name__}")
        return read(found, where)

    def _function(
        self,
        function: Any,
        where: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Any:
        boxes = _boxes((args, kwargs))
        if not boxes:
            return function(*args, **kwargs)
        for one in boxes:
            read(one, where)
        first = args[0] if args else None
        if function in (getattr, Tensor.size, Tensor.dim, len):
            if function is getattr and args[1] not in ATTRIBUTES:
                unsupported(where, f"the attribute {args[1]}")
            return function(first.lower, *args[1:], **kwargs)  # type: ignore[union-attr]
        function, writes = _out_of_place(function)
        kwargs = dict(kwargs)
        writes = kwargs.pop("inplace", False) or writes
        name = getattr(function, "__name__", str(function))
        single = isinstance(first, Box) and len(boxes) == 1
        rule = SEVERAL.get(function) or RULES.get(function)
        if rule is None:
            unsupported(where, f"the function {name}")
        if function in RULES and not single:
            unsupported(where, f"{name} of several tensors that depend on the input")
        try:
            y = rule(self.rounding, where, *args, **kwargs)
        except TypeError as error:
            unsupported(where, f"{name} with these arguments", str(error))
        if writes and isinstance(first, Box) and y is not first:
            first.writers.append(where)
        return y


def _out_of_place(function: Any) -> tuple[Any, bool]:
    """Return the function that leaves its argument alone, and whether this does not."""
    name = getattr(function, "__name__", "")
    if name in ("iadd", "isub", "imul", "itruediv"):
        return function, True
    if name.endswith("_") and not name.endswith("__"):
        return getattr(Tensor, name[:-1], function), True
    return function, False


def _boxes(value: Any) -> list[Box]:
    """Return all boxes among arguments."""
    if isinstance(value, Box):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [one for part in value for one in _boxes(part)]
    if isinstance(value, slice):
        return _boxes((value.start, value.stop, value.step))
    return []


def _attribute(root: Any, target: str) -> Any:
    for name in target.split("."):
        root = getattr(root, name)
    return root


def _is_final(node: fx.Node) -> bool:
    """Whether a node is the module's result and nothing else reads it."""
    return len(node.users) == 1 and next(iter(node.users)).op == "output"
