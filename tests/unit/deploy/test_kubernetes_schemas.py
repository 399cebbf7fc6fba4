"""deploy/kubernetes by Kubernetes' schemas, and by those of the operators that it has objects for."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import kubernetes_validate
import pytest
from manifests import Object, Objects
from server_process import ROOT

SCHEMAS = ROOT / "tests" / "kubernetes"
VERSIONS = ("1.30", "1.37")
"""The oldest that has all that is used, and the newest whose schemas are there."""
OPERATORS = {"PodMonitor", "PrometheusRule", "ScaledObject"}
OPERATORS = {"PodMonitor", "PrometheusRule", "ScaledObject"}


def complaints(each: Object, version: str) -> list[str]:
    """What the schema of an object's kind says is wrong."""
    if each["kind"] in OPERATORS:
        schema = json.loads((SCHEMAS / f"{each['kind']}.schema.json").read_text())
        return [error.message for error in jsonschema_rs.validator_for(schema).iter_errors(each)]
    try:
        kubernetes_validate.validate(each, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [error.message]
    return []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_have_no_complaint(objects: Objects, version: str) -> None:
    expected = {"Namespace", "Deployment", "Service", "PodDisruptionBudget", *OPERATORS}
    assert objects.keys() - {"PersistentVolumeClaim"} == expected
    assert {kind: complaints(each, version) for kind, each in objects.items()} == {kind: [] for kind in objects}


CONTAINER = ("spec", "template", "spec", "containers", 0)
ENDPOINT = ("spec", "podMetricsEndpoints", 0)
BEHAVIOUR = ("spec", "advanced", "horizontalPodAutoscalerConfig", "behavior")


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", (*CONTAINER, "readinesProbe"), {}),
        ("Deployment", (*CONTAINER, "readinessProbe", "httpGet", "port"), []),
        ("Deployment", (*CONTAINER, "lifecycle", "preStop", "sleep", "seconds"), "5s"),
        ("Deployment", ("spec", "template", "spec", "terminationGracePeriodSeconds"), "25"),
        ("Service", ("spec", "ports", 0, "port"), "http"),
        ("PodDisruptionBudget", ("spec", "maxUnavailible"), 1),
        ("PodMonitor", (*ENDPOINT, "interval"), "10 s"),
        ("PodMonitor", (*ENDPOINT, "scrapeTimeOut"), "5s"),
        ("PodMonitor", (*ENDPOINT, "relabelings", 0, "sourceLabels"), "__meta_kubernetes_pod_name"),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0, "alerts"), "x"),
        ("PrometheusRule", ("spec", "groups", 0, "name"), 1),
        ("ScaledObject", ("spec", "triggers", 0, "metadata", "threshold"), 0.7),
        ("ScaledObject", (*BEHAVIOUR, "scaleDown", "stabilizationWindowSeconds"), 6000),
        ("ScaledObject", ("spec", "maxReplicas"), 3),
    ],
)
def test_the_schemas_would_notice(
    build: Callable[[str], Objects], kind: str, path: tuple[str | int, ...], value: object
) -> None:
    each = copy.deepcopy(build("cpu")[kind])
    place: Any = each
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert len(complaints(each, VERSIONS[-1])) == 1
