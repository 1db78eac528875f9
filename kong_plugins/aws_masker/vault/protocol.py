"""What every vault offers, and how a request is masked with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from kong_plugins.aws_masker.errors import MaskingFailed
from kong_plugins.aws_masker.text import Entry, Memory

BreakerState = Literal["closed", "open", "half-open"]


class Collision(MaskingFailed):
    """A placeholder stands for another value already; the tenant's memory knows it now, so masking again gets by."""

    def __init__(self) -> None:
        super().__init__("a placeholder is already in use for another value")


@dataclass(frozen=True)
class Status:
    """How a vault is doing, for health and metrics; without names of tenants and without values."""

    kind: Literal["memory", "redis"]
    tenants: int
    """Tenants that this process knows."""
    connected: bool = True
    """The last operation reached the store."""
    fallback: bool = False
    """The store is away, and this process serves from its own memory."""
    breaker: BreakerState = "closed"
    pending: int = 0
    """Records that the store does not have yet."""
    latency: float = 0.0
    """Seconds that the last operation took."""
    operations: Mapping[str, int] = field(default_factory=dict)
    """Operations since the start, by kind."""
    errors: Mapping[str, int] = field(default_factory=dict)
    """Failed operations since the start, by error code."""


class Vault(Protocol):
    """Keeps, tenant by tenant, what each placeholder stands for. Thread-safe."""

    blocking: bool
    """Whether `memory` and `remember` wait for another machine; then they do not belong in an event loop."""

    def open(self) -> None:
        """Look at the store, if there is one, so that what is wrong shows at the start.

        Raises:
            ConfigError: the store belongs to another key. That it is away raises nothing.
        """

    def memory(self, tenant: str) -> Memory:
        """Return what `tenant` left behind, up to date; at most one round trip, none while it is read.

        Raises:
            VaultUnavailable: the store is away, and doing without it is not wanted.
            ConfigError: the store belongs to another key.
        """

    def known(self, tenant: str) -> Memory:
        """Return what this process knows of `tenant`, at once."""

    def entries(self, tenant: str) -> Mapping[bytes, Entry]:
        """Return all that this process knows of `tenant`: for answers that are restored where nobody can be asked."""

    def remember(self, tenant: str, mapping: Mapping[bytes, Entry]) -> None:
        """Keep `mapping` for `tenant`, or nothing of it; no round trip if all of it is kept already.

        Raises:
            Collision: a placeholder is held for another value. The first holder wins; the second must not go upstream,
                because its answer would be restored with the first one's value.
            VaultUnavailable, ConfigError: as `memory`.
        """

    def status(self) -> Status:
        """Tell how the vault is doing; no round trip."""

    def close(self) -> None:
        """Close what connections there are."""


class Later:
    """The memory of a tenant, asked for when it is first needed: most answers hold only what their request did."""

    def __init__(self, vault: Vault, tenant: str) -> None:
        self._vault = vault
        self._tenant = tenant
        self._memory: Memory | None = None

    def entry(self, placeholder: bytes) -> Entry | None:
        """Return what `placeholder` stands for, or None. Raises what `Vault.memory` does."""
        return self._asked().entry(placeholder)

    def names(self) -> Sequence[Entry]:
        """Return the names that earlier requests made certain. Raises what `Vault.memory` does."""
        return self._asked().names()

    def _asked(self) -> Memory:
        if self._memory is None:
            self._memory = self._vault.memory(self._tenant)
        return self._memory


class _Masked(Protocol):
    @property
    def mapping(self) -> Mapping[bytes, Entry]: ...


Masked = TypeVar("Masked", bound=_Masked)


def mask_with(vault: Vault, tenant: str, mask: Callable[[Memory], Masked]) -> Masked:
    """Return what `mask` makes of a request, its mapping being in the vault.

    Masking asks the memory before it gives a placeholder out, so a collision takes two requests at the same moment
    whose values collide. The later one is masked once more, and then gets another placeholder.

    Raises:
        Collision: twice in a row, which is next to impossible. Besides, what `mask` and the vault raise.
    """
    masked = mask(vault.memory(tenant))
    try:
        vault.remember(tenant, masked.mapping)
    except Collision:
        masked = mask(vault.known(tenant))
        vault.remember(tenant, masked.mapping)
    return masked
