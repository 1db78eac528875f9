"""Masks AWS identifiers and secrets on their way to an LLM API, and restores them on the way back."""

__version__ = "0.1.0"
