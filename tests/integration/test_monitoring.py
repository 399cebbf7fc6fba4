"""A real Prometheus over a real service to which things happen: every query has an answer, and alerts come and go."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest
from monitoring import Rule, panels, queries, rules, unconditional
from PIL import Image
from prometheus_process import PATIENCE_S, Prometheus, Series, running_prometheus
from real_pool import write_bundles
from server_process import ServerProcess, running_server
from websockets.asyncio.client import connect

from deploy.grafana.queries import filled
from deploy.grafana.render import Mark, Span, render
from service.metrics import CONTENT_TYPE, Metrics

TIMES = 200.0  # five minutes of the rules are a second and a half
SCRAPE_S = 0.25
SLOTS = 2
CROWD = 16

LATE, POOR = "AnytimeLateBudgetBurningFast", "AnytimeQualityBudgetBurningFast"


class Stage:
    """The service, who asks it, and who watches."""

    def __init__(self, server: ServerProcess, prometheus: Prometheus, client: httpx.AsyncClient) -> None:
        self.server = server
        self.prometheus = prometheus
        self.client = client

    async def ask(self, deadline_ms: float = 30_000, **body: object) -> httpx.Response:
        return await self.client.post("/v1/generate", json={"deadline_ms": deadline_ms, **body})

    async def until(self, condition: Callable[[], bool]) -> None:
        """Ask for a good answer now and then until something is so; what must be good is of the model that is hurt."""
        async with asyncio.timeout(2 * PATIENCE_S):
            while not await asyncio.to_thread(condition):
                await self.ask(model="long", max_codes=20)

    async def firing(self, alert: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while alert not in await asyncio.to_thread(self.prometheus.firing):
                await asyncio.sleep(SCRAPE_S)

    async def value(self, expr: str) -> float:
        found = await asyncio.to_thread(self.prometheus.now, expr)
        return sum(series.values[-1][1] for series in found)

    async def scraped(self) -> None:
        """Wait until what happens from now on is seen as an increase."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self.value("anytime_ready"):
                await asyncio.sleep(SCRAPE_S)

    async def refused(self) -> None:
        """Requests for what there is not, and for what no time is enough."""
        for _ in range(10):
            assert (await self.ask(model="tiny", deadline_ms=0.001)).status_code == 504
            assert (await self.ask(model="missing")).status_code == 404
            assert (await self.ask(model="tiny", n=-1)).status_code == 422

    async def previewed(self) -> None:
        url = self.server.url.replace("http", "ws") + "/v1/stream"
        async with connect(url, proxy=None) as socket:
            body = {"type": "generate", "id": "a", "model": "long", "max_codes": 400, "deadline_ms": 30_000}
            await socket.send(json.dumps({**body, "preview_ms": 1}))
            seen = []
            async for message in socket:
                seen.append(json.loads(message)["type"])
                if seen[-1] in {"completed", "error"}:
                    break
        assert (seen[0], seen[1], seen[-1]) == ("accepted", "preview", "completed")

    async def shed(self) -> None:
        """Somebody in a hurry comes while everybody who holds a slot has time."""
        while await self.value('anytime_requests_total{model="long", outcome="shed"}') == 0:
            slow = [asyncio.create_task(self.ask(model="long")) for _ in range(SLOTS)]
            while await self.value("anytime_requests_running") < SLOTS and not all(task.done() for task in slow):
                await asyncio.sleep(SCRAPE_S)
            await self.ask(model="long", deadline_ms=500)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            await asyncio.sleep(2 * SCRAPE_S)

    async def poor(self) -> None:
        """All that is asked for is one code."""
        task = asyncio.create_task(self.firing(POOR))
        while not task.done():
            await self.ask(model="long", max_codes=1)
        await task

    async def frozen(self) -> None:
        """The worker is stopped with requests in it, so that they are lost, until it is killed for its silence."""
        (worker,) = [
            child.pid
            for child in psutil.Process(self.server.process.pid).children()
            if "service.worker" in child.cmdline()
        ]
        crowd = [asyncio.create_task(self.ask(3000, model="long", min_codes=1)) for _ in range(CROWD)]
        while await self.value("anytime_requests_running") < SLOTS and not all(task.done() for task in crowd):
            await asyncio.sleep(SCRAPE_S / 5)
        os.kill(worker, signal.SIGSTOP)
        lost = [answer.status_code for answer in await asyncio.gather(*crowd)].count(503)
        assert lost >= 10
        await self.firing(LATE)
        async with asyncio.timeout(PATIENCE_S):
            while (await self.client.get("/readyz")).status_code != 200 or psutil.pid_exists(worker):
                await asyncio.sleep(SCRAPE_S)

    @asynccontextmanager
    async def traffic(self) -> AsyncIterator[None]:
        """Two who ask for something small again and again."""

        async def again() -> None:
            while True:
                await self.ask(model="tiny")

        tasks = [asyncio.create_task(again()) for _ in range(2)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in outcomes), outcomes


async def play(server: ServerProcess, prometheus: Prometheus) -> None:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=server.url, timeout=2 * PATIENCE_S, limits=limits) as client:
        stage = Stage(server, prometheus, client)
        async with stage.traffic():
            await stage.scraped()
            await stage.refused()
            await stage.previewed()
            await stage.shed()
            await stage.poor()
            await stage.frozen()
            await stage.until(lambda: not {LATE, POOR} & prometheus.firing())


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """What Prometheus knows after all that."""
    folder = tmp_path_factory.mktemp("watched")
    bundles = write_bundles(folder / "bundles")
    options = ("--executor", "reference", "--slots", str(SLOTS), "--queue-limit", str(CROWD))
    with running_server(bundles, folder, *options) as server:
        target = server.url.removeprefix("http://")
        with running_prometheus(folder, target, scrape_s=SCRAPE_S, times=TIMES) as prometheus:
            asyncio.run(play(server, prometheus))
            yield prometheus


def seen(expr: str) -> str:
    """A query of the dashboard, as Grafana would send it."""
    return filled(expr, shown="60s", rate="3s")


def has_values(found: list[Series]) -> bool:
    return any(math.isfinite(value) for series in found for _, value in series.values)


@pytest.mark.parametrize(("title", "expr"), queries(), ids=lambda text: text[:40])
def test_every_query_of_the_dashboard_has_an_answer(watched: Prometheus, title: str, expr: str) -> None:
    assert has_values(watched.ever(seen(expr))), title


def test_every_legend_names_what_its_series_have(watched: Prometheus) -> None:
    """Unless its labels are those of only some alerts."""
    for panel in panels():
        for target in panel["targets"]:
            labels = {label.strip("{}") for label in target["legendFormat"].split() if label.startswith("{{")}
            for series in watched.ever(seen(target["expr"])):
                missing = {label.rstrip(",}") for label in labels} - series.labels.keys()
                assert not missing or "alertname" in series.labels, (panel["title"], missing)


@pytest.mark.parametrize("rule", rules("record"), ids=lambda rule: rule.name)
def test_every_recording_rule_has_recorded(watched: Prometheus, rule: Rule) -> None:
    assert has_values(watched.ever(rule.name))


@pytest.mark.parametrize("rule", rules("alert"), ids=lambda rule: rule.name)
def test_every_alert_has_something_to_judge(watched: Prometheus, rule: Rule) -> None:
    """`absent` has no value while there is something; nothing of another name is."""
    expr = unconditional(rule.expr).replace('absent(up{job="anytime"})', 'absent(up{job="nobody"})')
    assert has_values(watched.ever(seen(expr)))


def test_prometheus_has_no_trouble_with_the_rules(watched: Prometheus) -> None:
    found = [rule for group in watched.api("rules")["groups"] for rule in group["rules"]]
    assert len(found) == len(rules("alert")) + len(rules("record"))
    assert {(rule["health"], rule.get("lastError", "")) for rule in found} == {("ok", "")}


@pytest.mark.parametrize(
    "expr",
    [
        'anytime_rejections_total{reason="deadline-infeasible"}',
        'anytime_rejections_total{reason="model-not-found"}',
        'anytime_rejections_total{reason="invalid-field"}',
        'anytime_requests_total{model="long", outcome="shed"}',
        'anytime_requests_total{model="unknown", outcome="invalid"}',
        'anytime_requests_lost_total{model="long"}',
        'anytime_first_preview_seconds_count{model="long"}',
        "anytime_worker_restarts_total",
        'anytime_worker_failures_total{reason="hung"}',
        "anytime_worker_cpu_seconds_total",
    ],
)
def test_what_happened_was_counted(watched: Prometheus, expr: str) -> None:
    assert max(value for series in watched.ever(expr) for _, value in series.values) > 0


@pytest.mark.parametrize("alert", [LATE, POOR])
def test_burn_rate_alerts_fire_and_clear(watched: Prometheus, alert: str) -> None:
    selector = f'ALERTS{{alertname="{alert}", alertstate="firing", model="long", severity="page"}}'
    assert has_values(watched.ever(selector))
    assert not watched.now(selector)


def test_the_dashboard_can_be_drawn(watched: Prometheus, tmp_path: Path) -> None:
    now = time.time()
    span = Span(watched.started, now, rate_s=3)
    render(watched.url, span, tmp_path / "whole.png", [Mark("A", now - 10, now - 5)])
    render(watched.url, span, tmp_path / "three.png", titles=("Codes", "Endings", "Workers"))
    whole, three = (Image.open(tmp_path / name).convert("RGB") for name in ("whole.png", "three.png"))
    assert whole.width == three.width
    assert whole.height > 8 * three.height
    assert len(whole.getcolors(1 << 24) or ()) > 100  # heat maps, lines and areas, and not only text


def test_metrics_are_scraped_with_a_key(tmp_path: Path) -> None:
    (tmp_path / "anytime.key").write_text("a-key")
    sent: list[str | None] = []

    class Guarded(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append(self.headers["Authorization"])
            self.send_response(200 if sent[-1] == "Bearer a-key" else 401)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.end_headers()
            self.wfile.write(Metrics().exposition())

        def log_message(self, *_arguments: object) -> None:
            """Nothing: the test looks itself."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Guarded) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        target = f"127.0.0.1:{server.server_address[1]}"
        with running_prometheus(tmp_path, target, scrape_s=SCRAPE_S, config="prometheus-with-key.yml") as prometheus:
            end = time.monotonic() + PATIENCE_S
            while not has_values(prometheus.now('up{job="anytime"} == 1')) and time.monotonic() < end:
                time.sleep(SCRAPE_S)
            assert has_values(prometheus.now('up{job="anytime"} == 1'))
        server.shutdown()
    assert set(sent) == {"Bearer a-key"}
