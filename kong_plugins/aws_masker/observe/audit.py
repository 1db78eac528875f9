"""The audit trail: an entry of a Redis Stream for each request, capped. Operators' commands write there too."""

from __future__ import annotations

from kong_plugins.aws_masker.observe.record import Families, RequestRecord


def entry_of(record: RequestRecord) -> dict[str, str | int]:
    """Return who sent what kind of request when, which families it held how often, and what was decided."""
    return {
        "who": record.tenant,
        "when": round(record.time * 1000),
        "request": record.request,
        "source": record.source,
        "api": record.api,
        "route": record.route,
        "mode": record.mode,
        "decision": record.decision,
        "error": record.error,
        "status": record.status,
        "count": sum(record.masked.values()),
        "families": _text(record.masked),
        "signed": _text(record.signed),
        "bytes": record.size,
    }


def _text(families: Families) -> str:
    return ",".join(f"{family}={count}" for family, count in sorted(families.items()))
