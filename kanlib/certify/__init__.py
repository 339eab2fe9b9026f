"""Bounds that hold for every input of a set, and for every pair of inputs."""

from kanlib.certify.interval import (
    certified_accuracy,
    interval_bounds,
    interval_margins,
)

__all__ = ["certified_accuracy", "interval_bounds", "interval_margins"]
