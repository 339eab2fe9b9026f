"""Bounds that hold for every input of a set, and for every pair of inputs."""

__all__: list[str] = []
