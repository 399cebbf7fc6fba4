"""The processes that all this is made of."""

from __future__ import annotations

from deploy.grafana.panels import BAD, GOOD, Level, Panel, Query, Row
from deploy.grafana.queries import INSTANCE, RATE, rate

_WORKER = "{{instance}} worker {{worker}}"
_API = "{{instance}} API process"

ROW = Row(
    "Processes",
    (
        Panel(
            "Workers",
            "Whether each is ready. A gap of all of them means that the service takes no requests.",
            "none",
            [Query(f"anytime_worker_up{{{INSTANCE}}}", _WORKER)],
            kind="state-timeline",
            levels=(Level(0, BAD), Level(1, GOOD)),
            runbook="anytimeworkerdown",
        ),
        Panel(
            "Restarts of workers",
            "How often each was started again since the service began, and how often a process of it died, hung or "
            "could not start. The log says what of.",
            "none",
            [
                Query(f"anytime_worker_restarts_total{{{INSTANCE}}}", _WORKER),
                Query(f"anytime_worker_failures_total{{{INSTANCE}}}", f"{_WORKER}, {{{{reason}}}}"),
            ],
            decimals=0,
            runbook="anytimeworkerrestarting",
        ),
        Panel(
            "Processor time",
            "Cores in use. The API process can use one at most: near 1 it is what is short. A worker that computes on "
            "the CPU and stays below its threads while requests wait is not given the processor, or is frozen.",
            "none",
            [
                Query(f"rate(process_cpu_seconds_total{{{INSTANCE}}}[{RATE}])", _API),
                Query(f"rate(anytime_worker_cpu_seconds_total{{{INSTANCE}}}[{RATE}])", _WORKER),
            ],
            decimals=2,
            runbook="api-process-short-of-processor-time",
        ),
        Panel(
            "Memory",
            "API process: resident now. Workers: the most since their start.",
            "bytes",
            [
                Query(f"process_resident_memory_bytes{{{INSTANCE}}}", _API),
                Query(f"anytime_worker_memory_peak_bytes{{{INSTANCE}}}", f"{_WORKER}, peak"),
            ],
        ),
        Panel(
            "HTTP responses",
            "By status, health checks and scrapes included.",
            "reqps",
            [Query(rate("anytime_http_responses_total", INSTANCE, "status"), "{{status}}")],
            stacked=True,
        ),
        Panel(
            "Scrapes",
            "How long the service takes to answer Prometheus, which waits its turn as requests do; 0 if it does not.",
            "s",
            [Query(f"scrape_duration_seconds{{{INSTANCE}}} * up{{{INSTANCE}}}", "{{instance}}")],
            runbook="anytimescrapefailing",
        ),
        Panel(
            "Open files",
            "Connections, most of them, as a share of what the process may have.",
            "percentunit",
            [Query(f"process_open_fds{{{INSTANCE}}} / process_max_fds{{{INSTANCE}}}", "{{instance}}")],
        ),
        Panel(
            "Age of the API process",
            "A drop is a restart.",
            "s",
            [Query(f"time() - process_start_time_seconds{{{INSTANCE}}}", "{{instance}}")],
        ),
        Panel(
            "Version",
            "What each instance runs. Two versions at once: a roll-out is under way.",
            "none",
            [Query(f"anytime_build_info{{{INSTANCE}}}", "{{version}} on {{instance}}")],
            kind="state-timeline",
        ),
    ),
)
