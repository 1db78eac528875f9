"""What the proxy counts, for Prometheus. Labels come from fixed sets only: never from a request."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_WAIT_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_BYTES = (1e3, 1e4, 1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8)

ANSWERED = "answered"
CLIENT_GONE = "client_gone"


class Metrics:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "aws_masker_requests",
            f"Requests by API and outcome: `{ANSWERED}`, `{CLIENT_GONE}` or an error code.",
            ("api", "outcome"),
            registry=self._registry,
        )
        self.running = Gauge("aws_masker_requests_running", "Requests under way.", registry=self._registry)
        self.masked = Counter(
            "aws_masker_masked_values", "Values masked, by family.", ("family",), registry=self._registry
        )
        self.signed = Counter(
            "aws_masker_signed_values",
            "Values in signed blocks, which went upstream because they must not be changed.",
            ("family",),
            registry=self._registry,
        )
        self.restored = Counter("aws_masker_restored_values", "Placeholders found in answers.", registry=self._registry)
        self.request_size = Histogram(
            "aws_masker_request_bytes", "Size of request bodies.", buckets=_BYTES, registry=self._registry
        )
        self.masking_time = Histogram(
            "aws_masker_masking_seconds", "Time to mask a request.", buckets=_SECONDS, registry=self._registry
        )
        self.first_byte_time = Histogram(
            "aws_masker_first_byte_seconds",
            "Time from the request's arrival to the first byte of the answer's body.",
            ("api",),
            buckets=_WAIT_SECONDS,
            registry=self._registry,
        )

    def render(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)
