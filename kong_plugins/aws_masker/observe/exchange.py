"""What is learnt of one request while it is worked on, until it can be told as records."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from kong_plugins.aws_masker.observe.record import AnswerRecord, Mode, RequestRecord, Source, route_of
from kong_plugins.aws_masker.observe.stability import Histories, History, WatchedSession
from kong_plugins.aws_masker.observe.tally import Tally
from kong_plugins.aws_masker.pipeline import MaskedRequest
from kong_plugins.aws_masker.text import MaskSession, Memory
from kong_plugins.aws_masker.vault.protocol import Vault, mask_with
from kong_plugins.aws_masker.wire.providers import Api, api_of

Result = TypeVar("Result")


class Exchange:
    """One request and its answer. Not to be shared by threads that run at the same time."""

    def __init__(self, source: Source, request: str = "", mode: Mode = "enforce") -> None:
        """`request`: its id."""
        self.request = request
        self.api = Api.OTHER
        self.tenant = ""
        """As it may be told."""
        self.sent = False
        """Whether the request was let upstream."""
        self.size = 0
        """Bytes of the request's body."""
        self.answer_size = 0
        """Bytes of the answer's body, as far as it has come."""
        self.answer_seconds = 0.0
        """Seconds that restoring took."""
        self.tally: Tally | None = None
        """Counts what the answer's placeholders are, if there is an answer to restore."""
        self._source: Source = source
        self._mode: Mode = mode
        self._begun = time.time()
        self._path = ""
        self._seconds: dict[str, float] = {}
        self._masked: MaskedRequest | None = None
        self._history = History(0, 0)

    def arrived(self, path: str) -> None:
        """Take note of what is asked for; `path` without the query."""
        self._path = path
        self.api = api_of(path)

    def resumed(self, request: str, api: Api, tenant: str) -> None:
        """Take note of whose answer this is."""
        self.request, self.api, self.tenant = request, api, tenant

    def mask(
        self,
        vault: Vault,
        tenant: str,
        session: Callable[[Memory], MaskSession],
        histories: Histories,
        mask: Callable[[MaskSession], MaskedRequest],
    ) -> MaskedRequest:
        """Return the masked request, its mapping being in the vault. Raises what `mask_with` does."""
        spent = 0.0

        def timed(memory: Memory) -> MaskedRequest:
            nonlocal spent
            begun = time.perf_counter()
            watched = WatchedSession(session(memory), histories, tenant)
            try:
                return mask(watched)
            finally:
                spent += time.perf_counter() - begun
                self._history = watched.history

        begun = time.perf_counter()
        try:
            self._masked = mask_with(vault, tenant, timed)
        finally:
            self._seconds = {"mask": spent, "vault": time.perf_counter() - begun - spent}
        return self._masked

    def asked(self, outcome: str, status: int = 0) -> RequestRecord:
        """Return how the request was masked, and how it ended."""
        masked = self._masked
        return RequestRecord(
            self.request,
            self._source,
            self.tenant,
            self.api.value,
            route_of(self._path),
            self._mode,
            outcome,
            status,
            self._begun,
            masked.counts if masked and self.sent else {},
            masked.signed if masked and self.sent else {},
            self.size,
            self._seconds,
            *self._history,
            self.sent,
        )

    def restore(self, work: Callable[[], Result]) -> Result:
        """Return what `work` does, whose time counts as restoring."""
        begun = time.perf_counter()
        try:
            return work()
        finally:
            self.answer_seconds += time.perf_counter() - begun

    def answered(self, *, success: bool = True) -> AnswerRecord | None:
        """Return what was turned back, None if there was nothing to look at."""
        if self.tally is None:
            return None
        makers = self.tally.makers
        return AnswerRecord(
            self.request,
            self._source,
            self.tenant,
            self.api.value,
            time.time(),
            self.tally.restored,
            makers["own"],
            makers["foreign"],
            self.answer_size,
            self.answer_seconds,
            success,
        )
