"""Which class of a model a prompt means."""

from __future__ import annotations

import re
from functools import lru_cache

from service.api.problems import invalid_field
from service.api.resolve import listed


def label_of(prompt: str, labels: tuple[str, ...]) -> str | None:
    """The class that a prompt names: by exactly its name, in any case, or by its name somewhere among the words.

    Of several named in one prompt the longest counts ("ankle boot" before "boot"), and of equally long ones the first.
    A model without classes takes any prompt, and None is returned: it draws what it always draws.

    Raises:
        InvalidField: the prompt names none.
    """
    if not labels:
        return None
    if prompt in labels:
        return prompt
    folded = prompt.strip().casefold()
    for label in labels:
        if label.casefold() == folded:
            return label
    found = [(len(label), -match.start(), label) for label in labels if (match := _pattern(label).search(folded))]
    if not found:
        raise invalid_field("prompt", f"must name a class of this model, which are {listed(labels)}")
    return max(found)[2]


@lru_cache(maxsize=4096)
def _pattern(label: str) -> re.Pattern[str]:
    """Finds a name as words of its own: "shirt" is in "a shirt, red", but neither in "shirts" nor in "t-shirt"."""
    words = r"\s+".join(re.escape(word) for word in label.casefold().split())
    return re.compile(rf"(?<![\w-]){words}(?![\w-])")
