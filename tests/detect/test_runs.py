"""Secret access keys are looked for in long runs of their characters only, and that finds all of them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kong_plugins.aws_masker.detect import credential, engine

_KEYS = [
    sample.replace("«", "").replace("»", "").encode()
    for sample in (*credential.SECRET_KEY.positives, *credential.SECRET_KEY.negatives)
]
_PIECES = st.sampled_from([*_KEYS, b" ", b"\n", b"\\/", b"%2F", b"/" * 39, b"a1B" * 40, b"secret: ", b"_", b"="])


def _runs() -> engine._Runs:
    assert credential.SECRET_KEY.run is not None
    return engine._Runs(credential.SECRET_KEY, *credential.SECRET_KEY.run)


@pytest.mark.parametrize("size", [7, 64, 1 << 18])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(_PIECES, max_size=8))
def test_runs_hold_all_keys(pieces: list[bytes], size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same spans as those of a search of the whole text, wherever a piece of a large text ends."""
    text = b"".join(pieces)
    monkeypatch.setattr(engine, "_PIECE", size)
    runs = _runs()
    assert runs.spans(text) == engine._Pass([credential.SECRET_KEY]).spans(text)


def test_keys_are_among_them() -> None:
    """The test above compares something."""
    runs = _runs()
    assert sum(bool(runs.spans(sample)) for sample in _KEYS) >= len(credential.SECRET_KEY.positives)
