"""The launch picture: which program adds to which address, and how long they queue."""

from typing import Any, NamedTuple

import numpy as np
import traitlets

from kanlib import _check, plotting
from kanlib.widgets._assets import script, style
from kanlib.widgets._figure import MovingFigure

_OWNER = "LaunchPicture"
CHOICES = {
    "rows": [2**k for k in range(6, 19)],
    "channels": [96, 192, 384, 768, 1536, 3072],
    "groups": [1, 2, 4, 8, 16, 32],
    "tile_rows": [1, 4, 16, 64, 256, 1024],
}
"""What the sliders offer; every number of groups divides every number of channels."""

_SUMS, _BLOCK, _BYTES = 10, 256, 4
_NAMES = {
    "element": "one atomic an element",
    "block": "one a block of 256",
    "tile": "one a tile",
    "partials": "none, partial sums",
}
_ALT = (
    "A matrix of activations and the addresses its programs add to, with one atomic "
    "an element and with one a tile; how many additions queue at an address; and what "
    "each launch can reach at best, under a roofline."
)


class Launch(NamedTuple):
    """What one launch of the backward pass does to memory."""

    atomics: int
    """Atomic additions to global memory, in all."""
    queue: int
    """How many of them one address receives."""
    extra: int
    """Bytes moved beyond those that the pass must move."""


class LaunchPicture(MovingFigure):
    """Atomic additions of four launches that sum ten coefficients' gradients a group.

    With E = rows · channels elements, T = tile_rows and g = groups, an address receives
    E / g additions from a launch with one atomic an element, ⌈E / 256⌉ with one a
    block, ⌈rows / T⌉ with one a tile, and none where programs leave partial sums. The
    reader moves the four sizes.

    Args:
        rows: 64 to 262144, a power of two.
        channels: 96, 192, 384, 768, 1536 or 3072.
        groups: a power of two up to 32.
        tile_rows: 1, 4, 16, 64, 256 or 1024.
        flops: operations an element takes, for the roofline.
        peak: operations that the device performs a second.
        bandwidth: bytes that it moves a second.
        alt: the text read out in place of the figure.
        **traits: anything else an ipywidget takes, `layout` for one.

    Raises:
        ValueError: "alt is empty"; "rows is" none of the choices, likewise "channels",
            "groups" and "tile_rows"; "flops must be" positive, likewise "peak" and
            "bandwidth".
        traitlets.TraitError: an attribute is later assigned what there is not.

    Notes:
        Numbers take four bytes. An atomic moves eight, and so does a partial sum, which
        is written and read.

    Example:
        >>> picture = LaunchPicture(rows=4096, channels=768, groups=8, tile_rows=64)
        >>> picture
        LaunchPicture: 4096 rows, 768 channels, 8 groups, tiles of 64 rows
        >>> picture.launches["tile"]
        Launch(atomics=5120, queue=64, extra=40960)
    """

    _esm = script("launch_picture.js")
    _css = style("figure.css", "launch_picture.css")

    rows = traitlets.Int().tag(sync=True)
    channels = traitlets.Int().tag(sync=True)
    groups = traitlets.Int().tag(sync=True)
    tile_rows = traitlets.Int().tag(sync=True)
    flops = traitlets.Float().tag(sync=True)
    peak = traitlets.Float().tag(sync=True)
    bandwidth = traitlets.Float().tag(sync=True)
    _choices = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        *,
        rows: int = 1024,
        channels: int = 768,
        groups: int = 8,
        tile_rows: int = 64,
        flops: float = 57.0,
        peak: float = 67e12,
        bandwidth: float = 4.8e12,
        alt: str = _ALT,
        **traits: Any,
    ) -> None:
        sizes = {
            "rows": rows,
            "channels": channels,
            "groups": groups,
            "tile_rows": tile_rows,
        }
        for name, value in sizes.items():
            _check.is_one_of(_OWNER, name, value, CHOICES[name])
        device = {"flops": flops, "peak": peak, "bandwidth": bandwidth}
        for name, number in device.items():
            _check.is_positive(_OWNER, name, number)
        super().__init__(alt=alt, _choices=CHOICES, **sizes, **device, **traits)

    @traitlets.validate(*CHOICES)
    def _is_there(self, proposal: Any) -> int:
        name, value = proposal.trait.name, proposal.value
        try:
            _check.is_one_of(_OWNER, name, value, CHOICES[name])
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None
        return value

    @property
    def launches(self) -> dict[str, Launch]:
        """The four launches at the sizes shown: element, block, tile, partials."""
        elements, g = self.rows * self.channels, self.groups
        tiles, blocks = -(-self.rows // self.tile_rows), -(-elements // _BLOCK)
        moved = 2 * _BYTES * _SUMS
        return {
            "element": Launch(_SUMS * elements, elements // g, moved * elements),
            "block": Launch(_SUMS * g * blocks, blocks, moved * g * blocks),
            "tile": Launch(_SUMS * g * tiles, tiles, moved * g * tiles),
            "partials": Launch(0, 0, moved * g * tiles),
        }

    @property
    def intensities(self) -> dict[str, float]:
        """Operations per byte of each launch, all its bytes counted."""
        elements = self.rows * self.channels
        return {
            name: self.flops * elements / (3 * _BYTES * elements + launch.extra)
            for name, launch in self.launches.items()
        }

    def still(self) -> plotting.Figure:
        """Draw the queues and the roofline at the sizes shown."""
        queues = {_NAMES[name]: launch.queue for name, launch in self.launches.items()}
        points = np.array(list(self.intensities.values()))
        x = np.geomspace(0.1, 100, 61)

        def roof(at: np.ndarray) -> np.ndarray:
            return np.minimum(self.peak, self.bandwidth * at) / 1e12

        def draw(axes: Any) -> None:
            left, right = axes
            left.barh(list(queues), [max(q, 1) for q in queues.values()])
            left.set(xscale="log", xlim=(1, 1e9), xlabel="queue at an address")
            left.invert_yaxis()
            right.loglog(x, roof(x), color="gray", label="roofline")
            right.loglog(points, roof(points), "o", label="launches")
            right.set(xlabel="operations per byte", ylabel="10¹² operations/s")
            right.legend()

        data: dict[str, Any] = {
            "launch": list(queues),
            "queue": list(queues.values()),
            "operations per byte": points,
        }
        return plotting.figure(
            draw, columns=2, size=(7.2, 2.8), alt=self.alt, data=data
        )

    def _summary(self) -> str:
        return (
            f"{self.rows} rows, {self.channels} channels, {self.groups} groups, "
            f"tiles of {self.tile_rows} rows"
        )
