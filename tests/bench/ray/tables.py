"""The tables of `docs/scaling.md`, made of what runs have left in `docs/performance`:

    PYTHONPATH=tests:. python -m bench.ray.tables

Each stands between `<!-- table NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[3] / "docs"
DEVICES = (10, 100, 1000)
_PLACE = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_COUNTED = ("sent", "on time", "late", "refused", "failed", "codes of 16, mean")
_KILLED = {"kill-replica": "a replica", "kill-node": "a node"}


def fill_in(docs: Path) -> None:
    """Put the tables into the document."""
    document = docs / "scaling.md"
    document.write_text(filled(document.read_text("utf-8"), tables(docs / "performance")), "utf-8")


def filled(text: str, by_name: dict[str, str]) -> str:
    """The text with these tables in their places. Raises KeyError for a place that has none."""
    return _PLACE.sub(lambda place: f"{place[1]}{by_name[place[2]]}\n{place[3]}", text)


def tables(folder: Path) -> dict[str, str]:
    """Markdown, by the name of the place."""
    ray = json.loads((folder / "ray.json").read_text("utf-8"))
    simulated = [json.loads((folder / f"simulate-{devices}.json").read_text("utf-8")) for devices in DEVICES]
    return {
        "growth": growth(ray["growth"]),
        "load": load(ray["load"]),
        "hurt": hurt(ray["hurt"]),
        "scaling": scaling(ray["scaling"]),
        "added": added(ray["added_ms"]),
        "simulated": plan(simulated),
    }


def growth(rows: Sequence[dict[str, Any]]) -> str:
    """What so many engines can do."""
    one = rows[0]["complete_per_s"]
    return _table(
        ("engines", "complete samples per second", "of one engine's"),
        ((each["engines"], each["complete_per_s"], f"{each['complete_per_s'] / one:.1f}") for each in rows),
    )


def load(rows: Sequence[dict[str, Any]]) -> str:
    """What becomes of one load."""
    return _table(
        ("engines", *_COUNTED, "after the deadline, median", "at worst", "a plain timer, at worst"),
        ((each["engines"], *_counts(each), _ms(each["after_deadline_p50"]), *_worst(each)) for each in rows),
    )


def hurt(rows: Sequence[dict[str, Any]]) -> str:
    """What becomes of it when something is killed."""
    return _table(
        ("killed", *_COUNTED, "after the deadline, at worst", "a plain timer, at worst", "refused or failed for"),
        ((_KILLED[each["what"]], *_counts(each), *_worst(each), each["reasons"] or "-") for each in rows),
    )


def added(names: dict[str, dict[str, float]]) -> str:
    """What the way through Ray adds."""
    alone, cluster = names["alone"], names["Ray Serve"]
    more = {name: cluster[name] - alone[name] for name in alone}
    return _table(
        ("", "median", "p99", "longest"),
        (
            (what, *(_ms(each[name]) for name in ("median", "p99", "worst")))
            for what, each in (("`anytime serve`", alone), ("Ray Serve", cluster), ("added", more))
        ),
    )


def scaling(rows: Sequence[dict[str, Any]]) -> str:
    """Ten seconds in each row, and the engines at their end."""
    return _table(
        ("requests per second", "engines", *_COUNTED),
        ((f"{each['rate']:g}", each["engines"], *_counts(each)) for each in rows),
    )


def plan(simulated: Sequence[dict[str, Any]]) -> str:
    """What so many devices can do, by the simulator."""
    return _table(
        (
            "devices",
            "load",
            "requests per second",
            "on time",
            "late",
            "refused",
            "codes of 16, mean",
            "quality",
            "of the bound",
        ),
        (
            (
                f"{each['workers']:,}",
                f"{cell['load']:g}",
                f"{each['capacity_per_s'] * cell['load']:,.0f}",
                f"{100 * cell['on_time'] / cell['sent']:.2f}%",
                cell["late"],
                cell["refused"],
                f"{cell['codes']['mean']:.1f}",
                f"{cell['quality_per_sent']:.3f}",
                f"{100 * cell['bound_share']:.1f}%",
            )
            for each in simulated
            for cell in each["cells"]
        ),
    )


def _counts(row: dict[str, Any]) -> tuple[object, ...]:
    return tuple(row[name] for name in ("sent", "on_time", "late", "refused", "failed", "codes"))


def _worst(row: dict[str, Any]) -> tuple[str, str]:
    return _ms(row["after_deadline_worst"]), _ms(row["timer_worst_ms"])


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---:"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, each)) + " |" for each in lines)


if __name__ == "__main__":
    fill_in(DOCS)
