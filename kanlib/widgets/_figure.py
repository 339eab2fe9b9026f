"""What every figure that moves has: a text in place of it, and a still twin."""

from abc import abstractmethod
from importlib.util import find_spec
from typing import Any

import anywidget
import traitlets

from kanlib import plotting


class MovingFigure(anywidget.AnyWidget):
    """A figure whose JavaScript answers the reader, with or without a kernel.

    A subclass sets `_esm` and `_css`, its traits, and two methods: `still`, which draws
    it for print as it is now, and `_summary`, which says what it shows in one line that
    is the same in every run.

    Args:
        alt: what the figure shows, read out in place of it.
        **traits: anything else an ipywidget takes, `layout` for one.

    Raises:
        TypeError: "alt is" no str; a subclass "has no" `still` or `_summary`.
        ValueError: "alt is empty".

    Example:
        >>> class Dot(MovingFigure):
        ...     _esm = "export default { render: ({ el }) => el.append('.') };"
        ...     def still(self):
        ...         return plotting.figure(lambda a: a.plot(0, 0, "."), alt=self.alt)
        ...     def _summary(self):
        ...         return "one dot"
        >>> Dot(alt="a dot")
        Dot: one dot
        >>> Dot(alt="a dot").still()
        Figure: a dot
    """

    alt = traitlets.Unicode().tag(sync=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a figure that print, or a person reading the notebook, cannot show."""
        super().__init_subclass__(**kwargs)
        for name in ("still", "_summary"):
            if getattr(getattr(cls, name), "__isabstractmethod__", False):
                raise TypeError(
                    f"MovingFigure: {cls.__name__} has no {name}(); expected one, "
                    "because a page in print shows no JavaScript."
                )

    def __init__(self, *, alt: str, **traits: Any) -> None:
        problem = _alt_problem(alt)
        if problem:
            kind = ValueError if isinstance(alt, str) else TypeError
            raise kind(f"{type(self).__name__}: {problem}")
        super().__init__(alt=alt, **traits)

    @abstractmethod
    def still(self) -> plotting.Figure:
        """Draw the figure as it is now, for print."""

    @abstractmethod
    def _summary(self) -> str:
        """Return what the figure shows, in one line that is the same in every run."""

    @traitlets.validate("alt")
    def _has_alt(self, proposal: Any) -> str:
        if problem := _alt_problem(proposal.value):
            raise traitlets.TraitError(f"{type(self).__name__}: {problem}")
        return proposal.value

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Add a still picture, for print and for viewers that run no JavaScript."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None or find_spec("matplotlib") is None:
            return bundle
        data, metadata = bundle
        still = self.still()._repr_mimebundle_()
        twin = {kind: still[kind] for kind in ("image/png", "text/plain")}
        return data | twin, metadata

    def __repr__(self) -> str:
        """Return one line that is the same in every run."""
        return f"{type(self).__name__}: {self._summary()}"


def _alt_problem(alt: Any) -> str:
    """Return what is wrong with a text that stands for a figure, empty if nothing."""
    if not isinstance(alt, str):
        return f"alt is a {type(alt).__name__}; expected a str."
    if not alt.strip():
        return (
            "alt is empty; expected what the figure shows, in words, because some "
            "readers do not see it."
        )
    return ""
