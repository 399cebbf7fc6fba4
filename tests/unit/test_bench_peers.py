"""The comparison with other servers: counting, averaging, tables, turns, and a server that does not start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench.peers.comparison import Found, Wish, in_order, turned
from bench.peers.report import markdown, report, write_json, write_markdown
from bench.peers.servers import CONTENDERS, OURS, Contender, of_length, running
from bench.peers.trials import Rehearsal, Trial, count, together
from bench.peers.tuning import Tuning, tuning

from models.errors import AnytimeError
from service.bench.cells import spread
from service.bench.schedule import Planned
from service.bench.traffic import Traffic
from service.bench.verdicts import Class, Verdict


def verdict(group: Class, *qualities: float, reason: str | None = None, client_ms: float = 40.0) -> Verdict:
    codes = tuple(3 for _ in qualities)
    stops = tuple("complete" for _ in qualities)
    return Verdict(Planned(0.0, 50.0, 1), group, 200, reason, client_ms, 0.1, codes, stops, qualities)


def trial(server: str, load: float, repeat: int, on_time: int, quality: float, sent: int = 10) -> Trial:
    return Trial(
        server=server,
        load=load,
        repeat=repeat,
        sent=sent,
        on_time=on_time,
        late=1,
        refused=1,
        failed=sent - on_time - 2,
        quality=quality,
        seconds=2.0,
        reasons={},
        overshoot_ms=spread([]),
        send_late_ms=spread([]),
        generator_busy=0.1,
    )


def test_a_trial_counts_every_request_once_and_only_quality_that_came_on_time() -> None:
    verdicts = [
        verdict(Class.ON_TIME, 0.75),
        verdict(Class.ON_TIME, 1.0),
        verdict(Class.LATE, 1.0, client_ms=53.0),
        verdict(Class.REFUSED, reason="overloaded"),
        verdict(Class.FAILED, reason="status 408"),
        verdict(Class.FAILED, reason="status 408"),
    ]
    counted = count(verdicts, Traffic([], 0.0, [], 0, 0.25), "mosec", 2.0, 1, 4.0)
    assert (counted.sent, counted.on_time, counted.late, counted.refused, counted.failed) == (6, 2, 1, 1, 2)
    assert counted.quality == 1.75
    assert counted.reasons == {"overloaded": 1, "status 408": 2}
    assert counted.overshoot_ms.max == 3.0
    assert (counted.server, counted.load, counted.repeat, counted.generator_busy) == ("mosec", 2.0, 1, 0.25)


def test_a_cell_is_the_mean_over_repeats_with_the_lowest_and_the_highest() -> None:
    cells = together([trial("a", 1, 0, 4, 4.0), trial("a", 1, 1, 8, 6.0), trial("b", 1, 0, 2, 2.0, sent=20)])
    assert [(cell.server, cell.load) for cell in cells] == [("a", 1), ("b", 1)]
    assert (cells[0].quality_per_s, cells[0].lowest, cells[0].highest) == (2.5, 2.0, 3.0)
    assert cells[0].answers_per_s == 3.0
    assert (cells[0].on_time, cells[0].late, cells[0].lost) == (0.6, 0.1, 0.3)
    assert (cells[1].on_time, cells[1].late, cells[1].lost) == (0.1, 0.05, 0.85)


def test_a_load_without_requests_has_no_shares() -> None:
    nothing = count([], Traffic([], 0.0, [], 0, 0.0), "a", 0.1, 0, 1.0)
    assert (together([nothing])[0].quality_per_s, together([nothing])[0].on_time) == (0.0, 0.0)


def test_tables_have_a_row_per_server_and_a_column_per_load(tmp_path: Path) -> None:
    trials = [trial("a", 0.6, 0, 5, 1200.5), trial("a", 2, 0, 5, 4.0), trial("b", 2, 0, 6, 6.0)]
    tuning = Tuning(max_batch=16, wait_ms=1)
    contenders = [Contender("a", ()), Contender("b", (), (tuning, Tuning()))]
    wish = Wish(contenders, [0.6, 2], [20, 50], 2.0, 1)
    found = report(wish, Found(1234.56, contenders, [Rehearsal("b", tuning, 3.5)], trials))
    lines = markdown(found).splitlines()
    assert "Load 1 is 1,234.6 requests per second. Deadlines of 20, 50 ms" in lines[1]
    assert lines[5:9] == [
        "| server | load 0.6 | load 2 |",
        "| --- | ---: | ---: |",
        "| a | 600.2 (600.2–600.2) | 2.0 (2.0–2.0) |",
        "| b | – | 3.0 (3.0–3.0) |",
    ]
    assert "| b | – | 60.0 / 10.0 / 30.0 |" in lines
    assert lines[-1] == "- b: `max_batch` 16, `wait_ms` 1, `timeout_ms` 200, `slack_ms` 0, `queue` 1024, `codes` 0"
    write_json(found, tmp_path / "peers.json")
    write_markdown(found, tmp_path / "peers.md")
    written = json.loads((tmp_path / "peers.json").read_bytes())
    assert written["tunings"]["b"]["wait_ms"] == written["rehearsals"][0]["tuning"]["wait_ms"] == 1
    assert [each["server"] for each in written["trials"]] == ["a", "a", "b"]
    assert {"anytime", "litserve", "mosec", "torch", "python"} <= written["versions"].keys()
    assert (tmp_path / "peers.md").read_text() == markdown(found)
    with pytest.raises(AnytimeError, match="cannot write"):
        write_json(found, tmp_path / "missing" / "peers.json")


def test_every_server_has_its_turn_at_being_first() -> None:
    firsts = [turned(CONTENDERS, repeat)[0] for repeat in range(len(CONTENDERS))]
    assert firsts == list(CONTENDERS)
    for repeat in range(5):
        assert sorted(each.name for each in turned(CONTENDERS, repeat)) == sorted(each.name for each in CONTENDERS)


def test_results_are_in_the_order_of_the_tables_whoever_was_first() -> None:
    mosec = CONTENDERS[-1]
    ran = [trial(OURS.name, 1, 0, 1, 1), trial(mosec.name, 1, 1, 1, 1), trial(OURS.name, 1, 1, 1, 1)]
    assert in_order(ran, CONTENDERS) == [ran[0], ran[2], ran[1]]


def test_a_server_starts_with_the_first_of_its_tunings_or_the_one_that_is_chosen() -> None:
    litserve = CONTENDERS[1]
    assert OURS.tuning is None
    assert litserve.tuning == litserve.tunings[0]
    assert litserve.tuned(litserve.tunings[2]).tuning == litserve.tunings[2]


def test_a_peer_of_another_length_is_another_row() -> None:
    shorter = of_length(CONTENDERS[1], 4)
    assert shorter.name == "LitServe, batches, 4 codes"
    assert shorter.arguments == CONTENDERS[1].arguments
    assert all(each.codes == 4 for each in shorter.tunings)
    assert [each.max_batch for each in shorter.tunings] == [each.max_batch for each in CONTENDERS[1].tunings]


def test_a_tuning_reaches_the_server_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = Tuning(max_batch=8, wait_ms=1.5, timeout_ms=50, queue=4)
    for name, value in chosen.environment().items():
        monkeypatch.setenv(name, value)
    assert tuning() == chosen


def test_a_server_that_does_not_start_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    broken = Contender("broken", ("-c", "raise SystemExit('there is no model')"))
    with (
        pytest.raises(AnytimeError, match=r"(?s)broken did not start.*there is no model"),
        running(broken, tmp_path / "log"),
    ):
        raise AssertionError("it cannot be running")
