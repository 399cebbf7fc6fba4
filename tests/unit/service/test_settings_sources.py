"""Where settings come from: command line over environment over file over default."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from models.errors import SettingsError
from service.cli import register
from service.settings import Settings, read_settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "anytime.toml"
    path.write_text('port = 1001\nslots = 11\nworkers = 3\nlog_level = "error"\n')
    return path


def test_the_nearer_source_wins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYTIME_SLOTS", "12")
    monkeypatch.setenv("ANYTIME_WORKERS", "4")
    settings, origins = read_settings({"workers": 5}, file)
    assert (settings.port, settings.slots, settings.workers, settings.log_level) == (1001, 12, 5, "error")
    assert origins["port"] == str(file)
    assert origins["slots"] == "ANYTIME_SLOTS"
    assert origins["workers"] == "command line"
    assert origins["host"] == "default"
    assert set(origins) == set(Settings.model_fields)


def test_defaults_alone() -> None:
    settings, origins = read_settings({})
    assert settings == Settings()
    assert set(origins.values()) == {"default"}


def test_bad_values_say_where_they_came_from(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"^workers \(from command line\): .*, got 0$"):
        read_settings({"workers": 0})
    monkeypatch.setenv("ANYTIME_PORT", "many")
    with pytest.raises(SettingsError, match=r"^port \(from ANYTIME_PORT\): .*, got 'many'$"):
        read_settings({}, file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("ports = 1", "unknown setting 'ports'"),
        ("port = ", "cannot read the settings"),
        ("port = 70000", "less than or equal"),
    ],
)
def test_bad_files(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=f"{path}.*{says}|{says}.*{path}"):
        read_settings({}, path)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_settings({}, tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot read the settings"):
        read_settings({}, tmp_path / "binary.toml")


def test_the_command_line_shows_every_setting(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()
    register(app)
    monkeypatch.setenv("ANYTIME_SLOTS", "12")
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(app, ["serve", "--print-settings", "--workers", "5", "--config", str(file)])
    assert shown.exit_code == 0
    rows = {line.split()[0]: line.split()[1:] for line in shown.output.splitlines()}
    assert set(Settings.model_fields) <= set(rows)
    assert rows["workers"] == ["5", "command", "line"]
    assert rows["slots"] == ["12", "ANYTIME_SLOTS"]
    assert rows["host"] == ["127.0.0.1", "default"]
    assert rows["port"][0] == "1001"


def test_every_setting_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()
    register(app)
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(app, ["serve", "--help"])
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in shown.output
