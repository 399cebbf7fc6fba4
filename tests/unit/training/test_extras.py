from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import anytime
from models.errors import AnytimeError
from training import extras


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    extras.require_extras()
    monkeypatch.setattr(extras, "PACKAGES", ("json", "no_such_package"))
    with pytest.raises(AnytimeError, match=r"need no_such_package: pip install 'anytime\[train\]'"):
        extras.require_extras()


@pytest.mark.parametrize(
    "command",
    [["train", "smoke", "--data", "nowhere", "--out"], ["evaluate", "nothing", "--data", "nowhere", "--report"]],
)
def test_both_commands_look_before_they_begin(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(extras, "PACKAGES", ("no_such_package",))
    result = CliRunner().invoke(anytime.app, [*command, str(tmp_path / "out")])
    assert isinstance(result.exception, AnytimeError)
    assert "no_such_package" in str(result.exception)
    assert not (tmp_path / "out").exists()
