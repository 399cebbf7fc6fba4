"""A real Prometheus as a process of its own, with the configuration and rules of deploy/, in quick time."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from monitoring import PROMETHEUS

PATIENCE_S = 60.0
_SECONDS = {"m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Series:
    """One series of an answer: pairs of seconds and value."""

    labels: dict[str, str]
    values: list[tuple[float, float]]


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    started: float

    def api(self, path: str, **parameters: object) -> Any:
        """What the API answers, which must be a success."""
        response = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=PATIENCE_S)  # type: ignore[arg-type]
        answer = response.json()
        assert answer["status"] == "success", f"{parameters}: {answer}"
        return answer["data"]

    def now(self, expr: str) -> list[Series]:
        """The values of an expression now."""
        found = self.api("query", query=expr)
        if found["resultType"] == "scalar":
            return [Series({}, [_pair(found["result"])])]
        return [Series(each["metric"], [_pair(each["value"])]) for each in found["result"]]

    def ever(self, expr: str, step: float = 0.5, start: float | None = None) -> list[Series]:
        """The values of an expression since the beginning, or since `start`, every `step` seconds."""
        begin = self.started if start is None else start
        found = self.api("query_range", query=expr, start=begin, end=time.time(), step=step)
        return [Series(each["metric"], [_pair(pair) for pair in each["values"]]) for each in found["result"]]

    def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        return {alert["labels"]["alertname"] for alert in self.api("alerts")["alerts"] if alert["state"] == "firing"}


def _pair(pair: list[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])


def quicker(text: str, times: float) -> str:
    """Rules with every duration shortened, such as those in `[5m]`, or after `for:`."""

    def shorten(found: re.Match[str]) -> str:
        return f"{found[1]}{1000 * int(found[2]) * _SECONDS[found[3]] / times:.0f}ms"

    return re.sub(r"(\[|for: )(\d+)([mhd])\b", shorten, text)


@contextmanager
def running_prometheus(
    folder: Path, target: str, *, scrape_s: float, times: float = 1.0, config: str = "prometheus.yml"
) -> Iterator[Prometheus]:
    """Start Prometheus over a copy of deploy/prometheus in `folder`, scraping one target, and wait until it is ready.

    Args:
        target: host and port.
        scrape_s: seconds between scrapes, and between two looks at the rules.
        times: by how much the durations of the rules are shortened.
        config: the file of the configuration.
    """
    for path in PROMETHEUS.glob("*.yml"):
        shutil.copy(path, folder)
    for name in ("rules.yml", "alerts.yml"):
        (folder / name).write_text(quicker((folder / name).read_text(), times))
    values = yaml.safe_load((folder / config).read_text())
    interval = f"{1000 * scrape_s:.0f}ms"
    values["global"] |= {"scrape_interval": interval, "evaluation_interval": interval, "scrape_timeout": interval}
    values["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    (folder / config).write_text(yaml.safe_dump(values))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["prometheus", f"--config.file={folder / config}", f"--storage.tsdb.path={folder / 'data'}"]
    command += [f"--web.listen-address={address}", "--log.level=warn", "--query.lookback-delta=5s"]
    log = folder / "prometheus.log"
    with log.open("w") as file:
        process = subprocess.Popen(command, stderr=file, stdout=file)
    try:
        _wait_until_ready(f"http://{address}/-/ready", process, log)
        yield Prometheus(f"http://{address}", time.time())
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"Prometheus is not ready: {log.read_text()}")
