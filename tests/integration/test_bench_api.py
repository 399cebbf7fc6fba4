"""`anytime bench api` as a process of its own, with the server that it starts."""

from __future__ import annotations

import json
import pstats
import subprocess
from pathlib import Path

from server_process import COMMAND, ROOT


def test_it_measures_a_server_of_its_own_and_profiles_it(tiny_bundle: Path, tmp_path: Path) -> None:
    out, profile = tmp_path / "api.json", tmp_path / "api.prof"
    quick = ("--seconds", "0.5", "--warmup", "0.2", "--rate", "100", "--concurrency", "4")
    command = [*COMMAND, "bench", "api", "--bundles", tiny_bundle, *quick, "--profile", profile, "--json", out]
    done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(out.read_text())
    assert (report["executor"], report["profiled"]) == ("null", True)
    assert report["ask"]["max_codes"] == 6
    assert [row["load"] for row in report["rows"]] == ["sequential", "open", "saturated"]
    for row in report["rows"]:
        assert row["failed"] == {}
        assert row["cpu_ms"]["api"] > 0
        assert row["cpu_ms"]["workers"] > 0
    functions = {function for _, _, function in pstats.Stats(str(profile)).stats}  # type: ignore[attr-defined]
    assert {"generate", "submit"} <= functions
    assert "started with executor null" in done.stdout
    assert "tottime" in done.stdout
