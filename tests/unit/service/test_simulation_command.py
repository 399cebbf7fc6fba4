"""`anytime simulate`: what it prints and writes, and how it says no."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import anytime
from models.errors import AnytimeError
from service.simulation import plot

PNG_MAGIC = b"\x89PNG"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(anytime.app, ["simulate", *map(str, arguments)])


def test_all_policies_at_several_loads(tmp_path: Path) -> None:
    out, picture = tmp_path / "out.json", tmp_path / "out.png"
    wanted = ("--load", "0.5,2", "--policy", "all", "--requests", 200, "--json", out, "--plot", picture)
    result = invoke(*wanted)
    assert result.exit_code == 0, result.output
    assert "processor-sharing" in result.stdout
    assert "of bound" in result.stdout
    written = json.loads(out.read_text())
    assert [(each["load"], each["policy"]) for each in written["cells"][:2]] == [(0.5, "ours"), (0.5, "fifo-full")]
    assert len(written["cells"]) == 10
    assert set(written["cells"][0]) >= {
        "load", "sent", "ok", "on_time", "late", "refused", "failed", "overshoot_ms", "codes", "quality_per_sent",
        "bound_share",
    }  # fmt: skip
    assert set(written["cells"][0]["overshoot_ms"]) == {"p50", "p99", "p999", "max"}
    assert set(written["cells"][0]["codes"]) == {"mean", "p10"}
    assert picture.read_bytes().startswith(PNG_MAGIC)
    before = out.read_bytes()
    invoke(*wanted)
    assert out.read_bytes() == before


def test_a_recorded_trace_on_a_recorded_device(tmp_path: Path) -> None:
    trace, costs, out = tmp_path / "trace.jsonl", tmp_path / "costs.json", tmp_path / "out.json"
    trace.write_text("\n".join(f'{{"at_s": {second}, "deadline_ms": 100, "n": 2}}' for second in range(5)))
    times = {"1": [1.0], "4": [2.0]}
    costs.write_text(json.dumps({"steps_ms": times, "decodes_ms": times, "encodes_ms": {"png:1": [0.5]}}))
    result = invoke("--trace", trace, "--costs", costs, "--slots", 4, "--json", out, "--plot", tmp_path / "x.png")
    assert result.exit_code == 0, result.output
    (cell,) = json.loads(out.read_text())["cells"]
    assert (cell["load"], cell["sent"], cell["on_time"], cell["codes"]["mean"]) == (None, 5, 5, 16)
    invoke("--trace", trace, "--costs", costs, "--slots", 4, "--json", out, "--load", "2")
    assert json.loads(out.read_text())["cells"][0]["load"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--load", "much"), "loads are multiples"),
        (("--load", "1,0"), "loads are multiples"),
        (("--policy", "ours,theirs"), "no policy 'theirs'"),
        (("--deadlines", "soon"), "deadlines are milliseconds"),
        (("--trace", "no/such.jsonl"), "cannot read the trace"),
        (("--costs", "no/such.json"), "cannot read the costs"),
        (("--bundle", "no/such"), "not a bundle"),
        (("--json", "no/such/out.json"), "its folder is not there"),
        (("--requests", "1", "--json", "."), "cannot write"),
    ],
)
def test_what_makes_no_sense(arguments: tuple[str, ...], said: str) -> None:
    result = invoke(*arguments)
    assert isinstance(result.exception, AnytimeError)
    assert said in str(result.exception)


def test_a_plot_without_matplotlib_is_refused_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "find_spec", lambda _name: None)
    result = invoke("--plot", tmp_path / "x.png")
    assert isinstance(result.exception, AnytimeError)
    assert "pip install 'anytime[train]'" in str(result.exception)
    assert result.stdout == ""
