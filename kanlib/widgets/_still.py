"""Packed panels drawn by matplotlib, for the print twins of moving figures."""

from typing import Any

from kanlib.widgets._packed import unpack
from kanlib.widgets.panel import NAMED

_DASHES = ("-", "--", ":", "-.")


def draw_frame(axes: Any, panel: dict[str, Any]) -> None:
    """Set matplotlib axes up as the page shows a packed panel, with its reference."""
    axes.set(xlim=panel["xlim"], ylim=panel["ylim"], xlabel=panel["xlabel"])
    if panel["log"]:
        axes.set_yscale("log")
    if "reference" in panel:
        x, y = unpack(panel["x"]), unpack(panel["reference"])
        label = panel["reference_name"]
        axes.plot(x, y, color="gray", linewidth=3, alpha=0.5, label=label)


def draw_state(
    axes: Any, panel: dict[str, Any], state: int, label: str = "", color: str = ""
) -> None:
    """Draw the curves and dots of one state; a label stands for all of them."""
    points, curves = panel["points"], panel["curves"]
    x = unpack(panel["x"]).reshape(-1, points)
    for c, y in enumerate(unpack(panel["y"]).reshape(-1, curves, points)[state]):
        kind = c % NAMED if panel["names"] else 0
        name = label or (panel["names"][c] if panel["names"] else None)
        axes.plot(
            x[min(state, len(x) - 1)],
            y,
            _DASHES[kind],
            color=color or f"C{kind}",
            label=name if c == 0 or not label else None,
        )
    if "marks" in panel:
        dots = (
            unpack(panel[name]).reshape(-1, panel["marks"])[state]
            for name in ("dots_x", "dots_y")
        )
        name = None if label else panel["dots_name"]
        axes.plot(*dots, "o", color=color or "C3", markersize=3, label=name)
