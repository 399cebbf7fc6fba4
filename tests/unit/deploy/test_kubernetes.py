"""deploy/kubernetes by what the service does: probes, drain, rights, settings, rules and what it grows by."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import yaml
from api_client import api_client
from fake_pool import FakePool
from keyed import KeyFile
from manifests import EVERYTHING, Objects, container_of, environment_of, pod_of, settings_of
from monitoring import PROMETHEUS, RUNBOOK, rules
from server_process import ROOT

from deploy.kubernetes.__main__ import FILE, text
from service.settings import Settings

# The Pod


async def test_probes_ask_for_what_there_is_and_without_a_key(objects: Objects, tmp_path: Path) -> None:
    keys = KeyFile(tmp_path)
    keys.add("somebody")
    container = container_of(objects)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    pool = FakePool()
    async with api_client(pool, keys=keys.path) as client:
        ready = {name: (await client.get(get["path"])).status_code for name, get in asked.items()}
        pool.ready = False
        without_workers = {name: (await client.get(get["path"])).status_code for name, get in asked.items()}
    assert ready == dict.fromkeys(asked, 200)
    assert without_workers == {"startup": 200, "liveness": 200, "readiness": 503}
    assert {get["port"] for get in asked.values()} == ports.keys()
    assert f"ANYTIME_PORT={ports['http']}" in (ROOT / "Dockerfile").read_text()
    (port,) = objects["Service"]["spec"]["ports"]
    assert port["targetPort"] in ports
    assert objects["PodMonitor"]["spec"]["podMetricsEndpoints"][0]["port"] in ports


def test_the_probe_at_the_start_waits_for_longer_than_the_server_does(objects: Objects) -> None:
    probe = container_of(objects)["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > settings_of(objects).start_timeout


def test_there_is_time_to_drain(objects: Objects) -> None:
    """To be forgotten, to answer what runs, and a second each to close connections and to send the last spans."""
    forgotten = container_of(objects)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert forgotten > 0
    needed = forgotten + settings_of(objects).shutdown_timeout + 1 + 1
    assert needed + 5 <= pod_of(objects)["terminationGracePeriodSeconds"]


def test_it_may_do_nothing_that_it_need_not(objects: Objects) -> None:
    (user,) = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    pod, container = pod_of(objects), container_of(objects)
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": int(user[0]),
        "runAsGroup": int(user[1]),
        "fsGroup": int(user[1]),
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert pod["automountServiceAccountToken"] is False
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert objects["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_service_of_the_same_name_changes_no_setting(objects: Objects) -> None:
    """Kubernetes would put ANYTIME_PORT=tcp://10.0.0.1:80 into the environment."""
    assert f"{objects['Service']['metadata']['name'].upper()}_PORT" == "ANYTIME_PORT"
    assert "port" in Settings.model_fields
    assert pod_of(objects)["enableServiceLinks"] is False


def test_the_environment_is_of_settings_and_the_server_has_keys(objects: Objects) -> None:
    container, settings = container_of(objects), settings_of(objects)
    assert container["args"] == ["serve"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod_of(objects)["volumes"]}
    assert settings.keys is not None
    assert volumes[mounts[str(settings.keys.parent)]]["secret"]["secretName"] == "anytime-keys"
    assert mounts.keys() - {"/bundles"} == {"/keys"}


def test_nobody_stops_it_for_having_computed(objects: Objects) -> None:
    resources, settings = container_of(objects)["resources"], settings_of(objects)
    assert "cpu" not in resources["limits"]
    assert int(resources["requests"]["cpu"]) >= settings.workers * settings.threads + 1


def test_their_number_is_the_autoscalers(objects: Objects) -> None:
    assert "replicas" not in objects["Deployment"]["spec"]
    scaled = objects["ScaledObject"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == objects["Deployment"]["metadata"]["name"]
    assert objects["PodDisruptionBudget"]["spec"]["maxUnavailable"] < scaled["minReplicaCount"]


def test_all_mean_the_same_pods(objects: Objects) -> None:
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["PodMonitor"]["spec"]["selector"]["matchLabels"] == labels
    (spread,) = pod_of(objects)["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == labels
    namespaces = {each["metadata"].get("namespace") for kind, each in objects.items() if kind != "Namespace"}
    assert namespaces == {objects["Namespace"]["metadata"]["name"]}


def test_an_overlay_for_each_image(build: Callable[[str], Objects]) -> None:
    stages = re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    images = {overlay: container_of(build(overlay))["image"] for overlay in ("cpu", "gpu")}
    assert images == {"cpu": "anytime:cpu", "gpu": "anytime:cuda"}
    assert {image.partition(":")[2] for image in images.values()} <= set(stages)
    gpu = container_of(build("gpu"))
    assert gpu["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert settings_of(build("gpu")).device == "cuda"
    assert "nvidia.com/gpu" not in container_of(build("cpu"))["resources"]["limits"]


def test_models_from_a_volume(build: Callable[[str], Objects]) -> None:
    objects = build(EVERYTHING)
    mounts = {mount["mountPath"]: mount["name"] for mount in container_of(objects)["volumeMounts"]}
    (volume,) = [each for each in pod_of(objects)["volumes"] if each["name"] == mounts["/bundles"]]
    claim = volume["persistentVolumeClaim"]["claimName"]
    assert claim == objects["PersistentVolumeClaim"]["metadata"]["name"]
    assert str(settings_of(objects).bundles) == "/bundles"
    assert "ANYTIME_BUNDLES" not in environment_of(build("cpu"))


# Prometheus and KEDA


def test_the_rules_are_those_of_prometheus(objects: Objects) -> None:
    assert text() == FILE.read_text(), "make kubernetes writes it again"
    groups = [yaml.safe_load((PROMETHEUS / name).read_text())["groups"] for name in ("rules.yml", "alerts.yml")]
    assert objects["PrometheusRule"]["spec"]["groups"] == [group for each in groups for group in each]


def test_pods_are_scraped_as_prometheus_does_elsewhere(objects: Objects) -> None:
    elsewhere = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    monitor = objects["PodMonitor"]["spec"]
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert endpoint["interval"] == elsewhere["global"]["scrape_interval"]
    assert endpoint["path"] == "/metrics"
    assert int(endpoint["scrapeTimeout"][:-1]) < int(endpoint["interval"][:-1])
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert labels[monitor["jobLabel"]] == elsewhere["scrape_configs"][0]["job_name"], "the job that rules look for"
    assert endpoint["authorization"]["credentials"] == {"name": "anytime-metrics-key", "key": "key"}


def test_it_grows_by_what_is_recorded(objects: Objects) -> None:
    recorded = {rule.name for rule in rules("record")}
    job = objects["Deployment"]["spec"]["template"]["metadata"]["labels"][objects["PodMonitor"]["spec"]["jobLabel"]]
    namespace = objects["Namespace"]["metadata"]["name"]
    triggers = objects["ScaledObject"]["spec"]["triggers"]
    queries = [trigger["metadata"]["query"] for trigger in triggers]
    assert len(set(queries)) == len(queries) == 2
    for trigger, query in zip(triggers, queries, strict=True):
        name, _, labels = query.partition("{")
        assert name in recorded
        assert labels == f'job="{job}", namespace="{namespace}"}}'
        # A ratio and no sum over Pods; and a Prometheus that knows nothing must not be taken for one without requests.
        assert trigger["metricType"] == "Value"
        assert trigger["metadata"]["ignoreNullValues"] == "false"
        assert float(trigger["metadata"]["threshold"]) > 0


def test_the_documents_name_what_is_to_be_made(build: Callable[[str], Objects]) -> None:
    objects, documents = build("cpu"), RUNBOOK.read_text()
    (keys,) = [each["secret"]["secretName"] for each in pod_of(objects)["volumes"]]
    credentials = objects["PodMonitor"]["spec"]["podMetricsEndpoints"][0]["authorization"]["credentials"]
    create = f"kubectl -n {objects['Namespace']['metadata']['name']} create secret generic"
    assert f"{create} {keys} --from-file=keys.toml\n" in documents
    assert f"{create} {credentials['name']} --from-file={credentials['key']}=prometheus.key\n" in documents
