"""Recall, precision, fidelity and speed on what nobody here wrote: `python -m bench.evidence`."""
