"""The publishing machine."""
