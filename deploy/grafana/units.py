"""Values as Grafana writes them, for the units that panels use."""

from __future__ import annotations

import math

_TIMES = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BYTES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))


def shown(value: float, unit: str, decimals: int | None) -> str:
    """A value with its unit; three digits, if `decimals` does not say how many follow the point."""
    if not math.isfinite(value):
        return "no data"
    if unit == "percentunit":
        return f"{_rounded(100 * value, decimals)}%"
    if unit in {"s", "bytes"}:
        size, name = _scale(value, unit)
        return f"{_rounded(value / size, decimals)} {name}" if value else "0"
    return _rounded(value, decimals) + (" req/s" if unit == "reqps" else "")


def scale_of(value: float, unit: str) -> float:
    """How much one is of what a value is written in."""
    return _scale(value, unit)[0] if unit in {"s", "bytes"} else 1.0


def _scale(value: float, unit: str) -> tuple[float, str]:
    scales = _TIMES if unit == "s" else _BYTES
    return next((scale for scale in scales if abs(value) >= scale[0]), scales[-1])


def _rounded(value: float, decimals: int | None) -> str:
    if decimals is None:
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,.{decimals}f}"
