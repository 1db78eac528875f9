"""What is counted, under which names: the document knows them all, and no label is a request's."""

from __future__ import annotations

import re
from pathlib import Path

from kong_plugins.aws_masker.errors import ConfigError
from kong_plugins.aws_masker.observe.metrics import Metrics, WorkerMetrics
from kong_plugins.aws_masker.observe.record import AnswerRecord, RequestRecord

DOCUMENT = Path(__file__).parents[2] / "docs" / "observability.md"
REQUEST = RequestRecord(
    "id", "kong", "consumer:c", "anthropic", "messages", masked={"bucket": 2}, seconds={"mask": 1.0}
)


def test_the_document_knows_all_metrics_and_labels() -> None:
    """Neither less nor more than there is."""
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `aws_masker_")]
    told = {name for row in rows for name in re.findall(r"`(aws_masker_[a-z_]+)`", row.split("|")[1])}
    workers = {"aws_masker_workers", "aws_masker_workers_wanted", "aws_masker_workers_ended_total"}
    counted = {metric.name + ("_total" if metric.type == "counter" else "") for metric in Metrics().registry.collect()}
    assert told == counted | workers
    assert WorkerMetrics().alive.describe()


def test_mode_observe_counts_apart() -> None:
    """What went upstream is not among what was masked."""
    metrics = Metrics()
    metrics.request(REQUEST)
    metrics.request(RequestRecord("id", "kong", "", "anthropic", mode="observe", masked={"bucket": 5}))
    value = metrics.registry.get_sample_value
    assert value("aws_masker_masked_values_total", {"family": "bucket"}) == 2
    assert value("aws_masker_observed_values_total", {"family": "bucket"}) == 5


def test_no_tenant_and_no_id_is_a_label() -> None:
    """However many there are, the number of series does not grow."""
    metrics = Metrics()
    sizes = []
    for number in range(2):
        metrics.request(RequestRecord(f"id-{number}", "kong", f"consumer:{number}", "anthropic", size=number))
        metrics.answer(AnswerRecord(f"id-{number}", "kong", f"consumer:{number}", "anthropic"))
        sizes.append(metrics.render().count(b"\n"))
    assert sizes[0] == sizes[1]
    assert b"consumer" not in metrics.render()


def test_a_wrong_configuration_is_dated() -> None:
    """Readiness looks at when it last was."""
    metrics = Metrics()
    name = "aws_masker_misconfigured_timestamp_seconds"
    metrics.request(REQUEST)
    assert metrics.registry.get_sample_value(name) == 0
    metrics.request(RequestRecord("id", "kong", "", "anthropic", outcome=ConfigError.code, sent=False))
    assert (metrics.registry.get_sample_value(name) or 0) > 1e9
