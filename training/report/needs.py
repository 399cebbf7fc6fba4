"""Which figures there are, and what each is drawn from. Imports no torch."""

from __future__ import annotations

# The variants of a study that a figure cannot do without, by the number that the anytime paper gives it, if it has one.
NEEDED: dict[str, tuple[str, ...]] = {
    "2": ("channel", "spatial"),
    "3a": ("ordered", "unordered"),
    "3b": ("ordered", "unordered"),
    "4a": ("ordered", "unordered"),
    "4b": ("ordered",),
    "5": ("ordered", "unordered"),
    "6": ("ordered", "unordered"),
    "8a": ("transformer", "lstm", "pixelcnn"),
    "8bc": ("uniform",),
    "9a": ("ordered", "unordered"),
    "9b": ("ordered",),
    "10": ("ordered", "unordered"),
    "modern": ("ordered", "modern", "unordered"),
}

# Those that are drawn of whatever other variants a study has, too.
OPEN = ("8bc", "9a", "9b")

# The figure of each kind of baseline, and what the paper says that it shows. It is drawn of one variant: its kind.
BASELINE_FIGURES: dict[str, tuple[str, str]] = {
    "vae": (
        "7",
        "An ordered VAE beside a standard one and PCA gives the same picture as ordered codes: what a latent adds "
        "falls with its index, and cut short it reconstructs best.",
    ),
    "pca-prior": (
        "D",
        "A Transformer takes fewer bits per dim for pixels (0.80) than for their principal components (1.22, both "
        "MNIST), so PCA coefficients will not do as codes.",
    ),
}

OWN_FIGURES = ("modern",)  # which the paper has not
# All of them, in the paper's order.
ALL_FIGURES = ("2", "3a", "3b", "4a", "4b", "5", "6", "7", "8a", "8bc", "9a", "9b", "10", "D", *OWN_FIGURES)
LABELS = {"8bc": "Fig. 8b, 8c", "D": "Appendix D", "modern": "Modern mode"}


def label(figure: str) -> str:
    """What a figure is called."""
    return LABELS.get(figure, f"Fig. {figure}")
