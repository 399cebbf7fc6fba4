"""The rules and configurations in deploy/prometheus, by Prometheus' own tool and against what the service measures."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_pool import manifest
from monitoring import PROMETHEUS, RUNBOOK, Rule, anchors, metric_names, queries, rules
from prometheus_client.parser import text_string_to_metric_families
from server_process import ROOT

from service import messages
from service.api.problems import NotReady
from service.errors import slugs
from service.metrics import Metrics
from service.scheduler.costs import exactly

ALERTS = {rule.name: rule for rule in rules("alert")}
CONFIGURATIONS = ("prometheus.yml", "prometheus-with-key.yml", "compose.yml")
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


def promtool(*arguments: str | Path) -> str:
    """What the tool says; it must be content."""
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def measured() -> dict[str, set[str]]:
    """The names of everything that a service with a model and a worker shows, with the values of `le` of each."""
    metrics = Metrics()
    metrics.models({"m": manifest("m")})
    metrics.worker_replaced(0, True)
    metrics.bundles(["ready"])
    metrics.http_response("/livez", 200)
    metrics.worker_up(0, True)
    minimum = messages.Minimum(exactly(0.1), exactly(0.1), 0.0, (0.0, 0.0), [])
    steps = {"m": [messages.StepStat(1, 0.1)]}
    metrics.stats(0, messages.Stats(1, 1, steps, {"m": 0.1}, {"m": minimum}, 0.1, 1, {"m": messages.Batches(1, 1)}))
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).add(sample.labels.get("le", ""))
    return found


def test_promtool_accepts_the_rules() -> None:
    said = promtool("check", "rules", "--lint=all", "--lint-fatal", PROMETHEUS / "rules.yml", PROMETHEUS / "alerts.yml")
    assert f"{len(rules('record'))} rules found" in said
    assert f"{len(ALERTS)} rules found" in said


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_promtool_accepts_the_configuration(name: str, tmp_path: Path) -> None:
    for path in PROMETHEUS.glob("*.yml"):
        shutil.copy(path, tmp_path)
    (tmp_path / "anytime.key").write_text("a key")
    promtool("check", "config", tmp_path / name)


def test_the_configurations_differ_by_key_and_targets_alone() -> None:
    without, with_key, composed = (yaml.safe_load((PROMETHEUS / name).read_text()) for name in CONFIGURATIONS)
    assert with_key["scrape_configs"][0].pop("authorization") == {"credentials_file": "anytime.key"}
    assert with_key == without
    (found,) = composed["scrape_configs"][0].pop("dns_sd_configs")
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert set(found["names"]) == {name for name, service in services.items() if "build" in service}
    assert f"{found['port']}" == services["anytime"]["ports"][0].rpartition(":")[2]
    composed["scrape_configs"][0].pop("relabel_configs")
    without["scrape_configs"][0].pop("static_configs")
    assert composed == without


def test_compose_starts_them_with_files_that_there_are() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    config = services["prometheus"]["command"][0].partition("=")[2]
    assert Path(config).parent.as_posix() == services["prometheus"]["volumes"][0].split(":")[1]
    assert Path(config).name in CONFIGURATIONS
    mounted = dict(mount.split(":")[:2] for mount in services["grafana"]["volumes"])
    provider = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/anytime.yml").read_text())
    assert mounted["./deploy/grafana/dashboards"] == provider["providers"][0]["options"]["path"]
    assert "PROMETHEUS_URL" in services["grafana"]["environment"]


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_and_clear_in_simulated_time(path: Path) -> None:
    promtool("test", "rules", path)


def test_every_alert_is_seen_to_fire_and_not_to_fire() -> None:
    expected: dict[str, set[bool]] = {name: set() for name in ALERTS}
    for path in TESTS:
        for scene in yaml.safe_load(path.read_text())["tests"]:
            for each in scene.get("alert_rule_test", ()):
                expected[each["alertname"]].add(bool(each["exp_alerts"]))
    assert expected == {name: {True, False} for name in ALERTS}


@pytest.mark.parametrize("alert", ALERTS.values(), ids=lambda alert: alert.name)
def test_an_alert_says_what_to_do(alert: Rule) -> None:
    annotations: dict[str, Any] = alert.raw["annotations"]
    assert alert.raw["labels"] == {"severity": alert.raw["labels"]["severity"]}
    assert alert.raw["labels"]["severity"] in {"page", "ticket"}
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert annotations["summary"].endswith(".")
    assert annotations["description"].endswith(".")
    path, _, anchor = annotations["runbook_url"].removeprefix("{{ $externalLabels.docs }}").partition("#")
    assert (path, anchor) == ("docs/operations.md", alert.name.lower())
    assert anchor in anchors()


def test_the_runbook_has_no_entry_for_what_is_no_alert() -> None:
    assert set(re.findall(r"^#+ (Anytime\w+)$", RUNBOOK.read_text(), re.MULTILINE)) == ALERTS.keys()


def test_whatever_is_read_is_measured_or_recorded(measured: dict[str, set[str]]) -> None:
    recorded = {rule.name for rule in rules("record")}
    read = [(rule.name, rule.expr) for kind in ("alert", "record") for rule in rules(kind)]
    for where, expr in [*read, *queries()]:
        unknown = metric_names(expr) - measured.keys() - recorded
        assert not unknown, f"{where} reads {unknown}"
        for name, bound in re.findall(r"(\w+_bucket)\{[^}]*\ble=\"([\d.]+)\"", expr):
            assert bound in measured[name], f"{where} reads a bucket of {name} that there is not"


def test_reasons_to_refuse_are_those_that_there_are() -> None:
    named = {
        reason
        for rule in ALERTS.values()
        for reasons in re.findall(r'reason[=!]~?"([^"]+)"', rule.expr)
        for reason in reasons.split("|")
    }
    assert NotReady.slug in named
    assert named <= slugs()
