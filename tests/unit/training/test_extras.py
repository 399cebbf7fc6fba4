from __future__ import annotations

import pytest

from models.errors import AnytimeError
from training import extras


def test_a_missing_package_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    extras.require_extras()
    monkeypatch.setattr(extras, "PACKAGES", ("json", "no_such_package"))
    with pytest.raises(AnytimeError, match=r"training needs no_such_package: pip install 'anytime\[train\]'"):
        extras.require_extras()
