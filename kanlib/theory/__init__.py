"""Recursions that say what depth and width do to a network before it is trained."""

__all__: list[str] = []
