"""The PromQL that panels are made of."""

from __future__ import annotations

from collections.abc import Iterable

from deploy.grafana.panels import Query

INSTANCE = 'job="anytime", instance=~"$instance"'
MODEL = f'{INSTANCE}, model=~"$model"'
RECORDED = 'job="anytime", model=~"$model"'
"""What rules.yml records by model is of all instances."""

RATE = "$__rate_interval"
SHOWN = "$__range"
POOR = 'le="0.8"'
"""The samples that rules.yml counts as poor."""


def total(metric: str, labels: str = MODEL, by: str = "") -> str:
    """The increase of a counter over all the time shown."""
    return f"{_sum(by)} (increase({metric}{{{labels}}}[{SHOWN}]))"


def rate(metric: str, labels: str = MODEL, by: str = "") -> str:
    """The increase of a counter per second."""
    return f"{_sum(by)} (rate({metric}{{{labels}}}[{RATE}]))"


def mean(histogram: str, by: str) -> str:
    """The mean of what a histogram counts."""
    return f"{rate(f'{histogram}_sum', by=by)} / {rate(f'{histogram}_count', by=by)}"


def quantile(share: float, histogram: str) -> str:
    """What this share of what a histogram counts does not exceed."""
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', by='le')})"


def quantiles(histogram: str, shares: Iterable[float], text: str) -> list[Query]:
    """Several quantiles, each called `text` after its percentage."""
    return [Query(quantile(share, histogram), f"{100 * share:g}% {text}") for share in shares]


def whole(query: str) -> str:
    """A quantile of whole numbers, which Prometheus takes to be spread evenly between two bounds."""
    return f"ceil({query})"


def buckets(histogram: str) -> list[Query]:
    """A histogram over time."""
    return [Query(f"sum by (le) (increase({histogram}_bucket{{{MODEL}}}[{RATE}]))", "{{le}}")]


def or_none(query: str, label: str) -> str:
    """What is more than nothing of a query, and a line at zero called `none`, so that there is something to be seen."""
    return f'{query} > 0 or label_replace(vector(0), "{label}", "none", "", "")'


def filled(expr: str, shown: str, rate: str) -> str:
    """A query as Grafana sends it when all models and instances are chosen.

    Args:
        shown: the length of the time shown, such as `1h`.
        rate: over how long rates are taken, which Grafana makes four times the scrape interval or more.
    """
    chosen = {"$model": ".+", "$instance": ".+", SHOWN: shown, RATE: rate}
    for variable, value in chosen.items():
        expr = expr.replace(variable, value)
    return expr


def _sum(by: str) -> str:
    return f"sum by ({by})" if by else "sum"
