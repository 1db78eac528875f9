"""Prometheus and Grafana: rules that fire when they should, and no metric that is not ours."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from kong_plugins.aws_masker.observe.metrics import Metrics

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "docker/grafana/dashboards/aws-masker.json"
ALERTS = ROOT / "docker/prometheus/alerts.yml"


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "docker/prometheus/prometheus.yml"),
        ("check", "rules", "docker/prometheus/alerts.yml"),
        ("test", "rules", "tests/docker/alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool(arguments: tuple[str, ...]) -> None:
    """Configuration and rules are valid; alerts fire in the stories of alerts_test.yml, and not before."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    done = subprocess.run([promtool, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def ours() -> set[str]:
    """Return the names of all series that the masker gives."""
    names = set()
    for metric in Metrics().registry.collect():
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(metric.type, ("",))
        names |= {metric.name + ending for ending in endings}
    return names


def used(expressions: list[str]) -> set[str]:
    return {name for expression in expressions for name in re.findall(r"aws_masker_[a-z_]+", expression)}


def test_metrics_of_the_dashboard() -> None:
    """Each panel asks for series that exist; every metric of requests, answers and the vault is on it."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    names = used([target["expr"] for panel in panels for target in panel["targets"]])
    assert names <= ours()
    assert len(names) >= 15
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)


def test_metrics_of_the_alerts() -> None:
    """Each alert asks for series that exist, has a test of its own, and says what is the matter."""
    rules = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    assert used([rule["expr"] for rule in rules]) <= ours()
    tests = (ROOT / "tests/docker/alerts_test.yml").read_text()
    for rule in rules:
        assert rule["alert"] in tests
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_provisioning(services: dict[str, dict[str, list[str]]]) -> None:
    """Grafana finds the dashboard where it is mounted, and its data source by the name that the panels use."""
    source = yaml.safe_load((ROOT / "docker/grafana/provisioning/datasources/prometheus.yml").read_text())
    dashboard = json.loads(DASHBOARD.read_text())
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["datasources"][0]["uid"]}
    provider = yaml.safe_load((ROOT / "docker/grafana/provisioning/dashboards/aws-masker.yml").read_text())
    folder = provider["providers"][0]["options"]["path"]
    assert f"./docker/grafana/dashboards:{folder}:ro" in services["grafana"]["volumes"]


def test_targets(services: dict[str, dict[str, object]]) -> None:
    """Prometheus asks services that exist, on the network that it is on, at the plugin server's address."""
    jobs = yaml.safe_load((ROOT / "docker/prometheus/prometheus.yml").read_text())["scrape_configs"]
    targets = [target.split(":") for job in jobs for target in job["static_configs"][0]["targets"]]
    for host, _ in targets:
        assert "outside" in services[host]["networks"]  # type: ignore[operator]
    assert "--metrics-address 0.0.0.0:9105" in (ROOT / "docker/kong/Dockerfile").read_text()
    assert ["kong", "9105"] in targets
