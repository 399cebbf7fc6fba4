"""`anytime bench deadline` as a process of its own, against a real server: both count the same."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from server_process import COMMAND, ROOT, running_server

QUICK = ("--warmup", "0.1", "--capacity-seconds", "0.4", "--concurrency", "8")


def bench(url: str, *options: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "bench", "deadline", "--url", url, *map(str, options)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


def outcomes(url: str) -> Counter[str]:
    """The server's requests so far, by how they ended."""
    families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
    return Counter(
        {
            sample.labels["outcome"]: int(sample.value)
            for family in families
            for sample in family.samples
            if sample.name == "anytime_requests_total" and sample.labels["model"] == "tiny"
        }
    )


def test_it_counts_what_the_server_counts(tiny_bundle: Path, tmp_path: Path) -> None:
    out, trace = tmp_path / "deadline.json", tmp_path / "trace.jsonl"
    with running_server(tiny_bundle, tmp_path, "--record-costs", str(tmp_path / "costs")) as server:
        # Nothing can be answered in a microsecond: some refusals are certain.
        asked = ("--deadlines", "0.001,20,100", "--load", "0.2,2", "--seconds", "0.6", "--seed", "7")
        done = bench(server.url, *asked, *QUICK, "--json", out, "--trace", trace)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        counted = outcomes(server.url)
        assert server.terminate() == 0

    report = json.loads(out.read_text())
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [cell["load"] for cell in report["cells"]] == [0.2, 2.0]
    assert report["ask"]["max_codes"] == report["codes_total"] == 6
    assert counted.total() == report["capacity"]["requests"] + sum(cell["sent"] for cell in report["cells"])
    assert len(lines) == sum(cell["sent"] for cell in report["cells"])
    # The saturation's requests are all completed; how all others ended is in the trace.
    said = Counter(each["stop_reason"] or each["reason"] for each in lines)
    said["complete"] += report["capacity"]["requests"]
    said["infeasible"] = said.pop("deadline-infeasible")
    assert +counted == +said
    assert said["infeasible"] > 0
    check_cells(report, lines)
    assert done.stdout.startswith("Capacity: ")
    replay(tiny_bundle, trace, tmp_path / "costs" / "tiny@1-0.json", tmp_path / "simulated.json", len(lines))


def replay(bundle: Path, trace: Path, costs: Path, out: Path, sent: int) -> None:
    """What a run has recorded is what the simulator plays."""
    options = ("--trace", trace, "--costs", costs, "--bundle", bundle, "--json", out)
    command = [*COMMAND, "simulate", *map(str, options)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    (cell,) = json.loads(out.read_text())["cells"]
    assert cell["sent"] == sent
    assert cell["infeasible"] > 0
    assert cell["on_time"] > 0


def check_cells(report: dict[str, list[dict[str, float]]], lines: list[dict[str, float | str]]) -> None:
    for cell in report["cells"]:
        assert set(cell) == {
            *("load", "sent", "ok", "on_time", "late", "refused", "failed"),
            *("overshoot_ms", "codes", "quality_mean", "bound_share"),
        }
        classes = Counter(each["outcome"] for each in lines if each["load"] == cell["load"])
        assert {name: cell[name] for name in ("on_time", "late", "refused", "failed")} == {
            name: classes[name] for name in ("on_time", "late", "refused", "failed")
        }
        assert cell["failed"] == 0
        assert cell["on_time"] > 0
        assert cell["bound_share"] > 0
