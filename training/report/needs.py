"""Which figures there are, and the names of the variants that each cannot do without. Imports no torch."""

from __future__ import annotations

# By the number that the anytime paper gives it.
NEEDED: dict[str, tuple[str, ...]] = {
    "2": ("channel", "spatial"),
    "3a": ("ordered", "unordered"),
    "3b": ("ordered", "unordered"),
    "4a": ("ordered", "unordered"),
    "4b": ("ordered",),
    "5": ("ordered", "unordered"),
    "8a": ("transformer", "lstm", "pixelcnn"),
    "8bc": ("uniform",),
    "9a": ("ordered", "unordered"),
    "9b": ("ordered",),
    "10": ("ordered", "unordered"),
}
