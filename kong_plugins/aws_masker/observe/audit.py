"""The audit trail: an entry of a Redis Stream for each request, capped. Operators' commands write there too."""

from __future__ import annotations

import orjson

from kong_plugins.aws_masker.observe.record import RequestRecord


def entry_of(record: RequestRecord) -> dict[str, str | int]:
    """Return who sent what kind of request when, which families it held how often, and what was decided."""
    return {
        "action": "request",
        "time": round(record.time * 1000),
        "request": record.request,
        "source": record.source,
        "tenant": record.tenant,
        "api": record.api,
        "route": record.route,
        "mode": record.mode,
        "decision": record.decision,
        "error": record.error,
        "status": record.status,
        "values": sum(record.masked.values()),
        "families": orjson.dumps(dict(record.masked)).decode(),
        "signed": orjson.dumps(dict(record.signed)).decode(),
        "bytes": record.size,
    }
