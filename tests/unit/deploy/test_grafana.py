"""The dashboard in deploy/grafana: up to date, as Grafana's own types want it, and nothing in it left unsaid."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from monitoring import DASHBOARD, RUNBOOK, anchors, dashboard, panels, queries
from server_process import ROOT

from deploy.grafana.__main__ import FILE, text
from deploy.grafana.queries import filled
from deploy.grafana.units import shown

GRAFANA = ROOT / "deploy" / "grafana"
SCHEMA = json.loads((ROOT / "tests" / "grafana" / "board.schema.json").read_text())
PANELS = panels()


def complaints(board: dict[str, Any]) -> list[str]:
    """What Grafana's types say is wrong. Panels are judged by the type that they name, for messages that help."""
    kinds = {kind["properties"]["type"]["const"]: kind for kind in SCHEMA["properties"]["panels"]["items"]["anyOf"]}
    frame = {**SCHEMA, "properties": {**SCHEMA["properties"], "panels": {}}}
    found = [(board, frame), *((panel, kinds.get(panel.get("type"), False)) for panel in board["panels"])]
    return [
        f"{'.'.join(map(str, error.instance_path))}: {error.message}"
        for part, schema in found
        for error in jsonschema_rs.validator_for(schema).iter_errors(part)
    ]


def test_the_file_is_what_the_module_says() -> None:
    assert FILE == DASHBOARD
    assert text() == DASHBOARD.read_text(), "python -m deploy.grafana writes it again"


def test_it_is_built_without_anything_installed(tmp_path: Path) -> None:
    """By whoever runs Grafana, with the place where their documents are."""
    for path in GRAFANA.rglob("*.py"):
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    (tmp_path / "deploy" / "grafana" / "dashboards").mkdir()
    command = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        "import runpy, sys; sys.path.insert(0, '.'); sys.argv[1:] = ['--docs', ",
    ]
    command[-1] += "'https://git.example/']; runpy.run_module('deploy.grafana', run_name='__main__')"
    subprocess.run(command, cwd=tmp_path, check=True)
    board = json.loads((tmp_path / DASHBOARD.relative_to(ROOT)).read_text())
    urls = {link["url"] for panel in board["panels"] for link in panel.get("links", ())}
    assert urls
    assert all(url.startswith("https://git.example/docs/operations.md#") for url in urls)


def test_grafanas_types_have_no_complaint() -> None:
    assert complaints(dashboard()) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("panels", 1, "type"), "stats"),
        (("panels", 1, "titel"), "x"),
        (("panels", 1, "gridPos", "w"), "4"),
        (("panels", 1, "options", "textMode"), "huge"),
        (("panels", 1, "targets", 0, "format"), "series"),
        (("panels", 7, "fieldConfig", "defaults", "custom", "drawStyle"), "lines"),
        (("panels", 7, "options", "legend", "placement"), "left"),
        (("templating", "list", 1, "refresh"), 7),
        (("graphTooltip",), 3),
    ],
)
def test_the_schema_would_notice(path: tuple[str | int, ...], value: object) -> None:
    board = copy.deepcopy(dashboard())
    place: Any = board
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert len(complaints(board)) == 1


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    assert all(target["legendFormat"] for target in panel["targets"])
    match panel["type"]:
        case "stat":
            assert panel["options"]["textMode"] == "value_and_name"
        case "heatmap":
            assert panel["options"]["legend"] == {"show": True}
        case _:
            assert panel["options"]["legend"]["showLegend"]
    (link,) = panel["links"]
    path, _, anchor = link["url"].partition("#")
    assert path == "docs/operations.md"
    assert anchor in anchors()


def test_titles_and_numbers_are_unique() -> None:
    board = dashboard()
    for key in ("title", "id"):
        values = [panel[key] for panel in board["panels"]]
        assert len(set(values)) == len(values)


def test_panels_do_not_overlap_and_fit_into_the_grid() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above


def test_variables_are_there_and_heeded() -> None:
    assert [each["name"] for each in dashboard()["templating"]["list"]] == ["datasource", "model", "instance"]
    for title, expr in queries():
        for selector in re.findall(r"\{(.*?)\}", expr):
            of_alerts = "alertname" in selector
            assert of_alerts or "$instance" in selector or "$model" in selector, f"{title}: {selector}"


def test_promtool_can_read_every_query(tmp_path: Path) -> None:
    group = [
        {"record": f"x:x:{index}", "expr": filled(expr, shown="1h", rate="1m")}
        for index, (_, expr) in enumerate(queries())
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": group}]}))
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(group)} rules found" in done.stdout


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (0.0125, "s", None, "12.5 ms"),
        (-0.0125, "s", None, "-12.5 ms"),
        (0, "s", None, "0"),
        (5400, "s", None, "1.5 h"),
        (3 * 2**20, "bytes", None, "3 MiB"),
        (0.9883, "percentunit", 2, "98.83%"),
        (45.04, "reqps", 1, "45.0 req/s"),
        (1234.5, "none", None, "1,234"),
        (float("nan"), "none", 2, "no data"),
    ],
)
def test_values_are_written_as_in_grafana(value: float, unit: str, decimals: int | None, text: str) -> None:
    assert shown(value, unit, decimals) == text


def test_pictures_of_the_runbook_are_there() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", RUNBOOK.read_text())
    assert len(pictures) == 6
    assert [path for path in pictures if not (RUNBOOK.parent / path).is_file()] == []


def test_provisioning_finds_what_it_names() -> None:
    def read(name: str) -> Any:
        return yaml.safe_load((GRAFANA / "provisioning" / name).read_text())

    (source,) = read("datasources/prometheus.yml")["datasources"]
    (provider,) = read("dashboards/anytime.yml")["providers"]
    scrapes = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["global"]
    assert source["type"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == scrapes["scrape_interval"]
    assert provider["type"] == "file"
    assert Path(provider["options"]["path"]).name == DASHBOARD.parent.name
