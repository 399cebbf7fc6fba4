"""What is handed to a cluster: the manifest for KubeRay, the config for `serve deploy`, and the image's file."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from bench.ray import assumed
from bench.ray.tables import DOCS, filled, tables
from ray.serve.schema import ServeDeploySchema

from deploy.ray.application import Options
from service.settings import Settings

ROOT = Path(__file__).parents[3]
RAY = ROOT / "deploy" / "ray"
SERVICE: dict[str, Any] = yaml.safe_load((RAY / "rayservice.yaml").read_text())
CONFIGS = {
    "serve.yaml": (RAY / "serve.yaml").read_text(),
    "rayservice.yaml": SERVICE["spec"]["serveConfigV2"],
}


def pods() -> list[dict[str, Any]]:
    cluster = SERVICE["spec"]["rayClusterConfig"]
    return [each["template"]["spec"] for each in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def test_the_manifest_is_what_kuberay_reads() -> None:
    schema = json.loads((ROOT / "tests" / "kubernetes" / "RayService.schema.json").read_text())
    jsonschema_rs.validator_for(schema).validate(SERVICE)
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validator_for(schema).validate({**SERVICE, "spec": {**SERVICE["spec"], "replicas": 1}})


@pytest.mark.parametrize("name", CONFIGS)
def test_configs_are_what_serve_and_the_application_read(name: str) -> None:
    config = ServeDeploySchema.model_validate(yaml.safe_load(CONFIGS[name]))
    (application,) = config.applications
    module, _, builder = application.import_path.partition(":")
    assert callable(getattr(importlib.import_module(module), builder))
    options = Options.model_validate(application.args)
    settings = Settings(**options.settings)
    assert config.http_options.request_timeout_s is not None
    assert config.http_options.request_timeout_s * 1000 > settings.max_deadline_ms
    assert options.most_engines is not None


def test_the_versions_are_those_that_are_pinned() -> None:
    pinned = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned
    assert SERVICE["spec"]["rayClusterConfig"]["rayVersion"] == pinned[1]


def test_every_node_stamps_what_comes_and_has_time_to_end() -> None:
    for pod in pods():
        (container,) = pod["containers"]
        environment = {each["name"]: each["value"] for each in container["env"]}
        module, _, function = environment["RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"].partition(":")
        assert callable(getattr(importlib.import_module(module), function))
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["terminationGracePeriodSeconds"] * 1000 > Settings().max_deadline_ms


def test_there_are_as_many_pods_as_there_may_be_engines() -> None:
    options = Options.model_validate(yaml.safe_load(CONFIGS["rayservice.yaml"])["applications"][0]["args"])
    (group,) = SERVICE["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    assert (group["minReplicas"], group["maxReplicas"]) == (options.engines, options.most_engines)
    room = json.loads(json.loads(group["rayStartParams"]["resources"]))
    assert room == options.engine_resources
    (container,) = group["template"]["spec"]["containers"]
    assert int(container["resources"]["limits"]["nvidia.com/gpu"]) == options.gpus_per_engine
    assert int(container["resources"]["limits"]["cpu"]) >= options.cpus_per_engine


def test_the_tables_of_the_documentation_are_those_of_the_runs() -> None:
    text = (DOCS / "scaling.md").read_text("utf-8")
    made = tables(DOCS / "performance")
    assert filled(text, made) == text
    assert re.findall("<!-- table (.*) -->", text) == list(made)
    assert json.loads(assumed.FILE.read_text()) == assumed.costs()


def test_the_image_has_what_the_configs_name() -> None:
    dockerfile = (RAY / "Dockerfile").read_text()
    copied = re.search(r"COPY deploy/ray/\*\.py (\S+)/deploy/ray/", dockerfile)
    assert copied
    assert f"PYTHONPATH={copied[1]}" in dockerfile
