"""What an evaluation asks of a model whose pixels are drawn one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from training.data.dataset import Split
from training.hierarchical.report import CodebookFacts, LikelihoodFacts


class Drawn(Protocol):
    """Conditional samples.

    Attributes:
        drawn: (N, C, H, W) uint8, complete.
        auxiliary: the same before any pixel was drawn, as a decoder makes them of the codes above.
    """

    @property
    def drawn(self) -> Tensor:
        """See the class."""

    @property
    def auxiliary(self) -> Tensor:
        """See the class."""

    def pictures_after(self, codes: int) -> Tensor:
        """The same after so many codes, (N, C, H, W) uint8."""


class Subject(Protocol):
    """A trained model that is evaluated.

    Attributes:
        rungs: after how many codes samples are judged, from none to all.
        filling: what stands in for what is not drawn: among the topmost codes, and below.
        drawing_helps: the claim that pixels are worth drawing, as a sentence.
    """

    @property
    def rungs(self) -> Sequence[int]:
        """See the class."""

    @property
    def filling(self) -> tuple[str, str]:
        """See the class."""

    @property
    def drawing_helps(self) -> str:
        """See the class."""

    def likelihood(self, images: Split) -> LikelihoodFacts:
        """Bits per dimension."""

    def codebooks(self, images: Split) -> tuple[CodebookFacts, ...]:
        """How their codes are spread."""

    def draw(self, labels: Tensor) -> Drawn:
        """A sample of each label (N,) int64."""

    def rebuild(self, images: Split) -> Tensor:
        """Images as decoders make them of their topmost codes, (N, C, H, W) uint8."""

    def redraw(self, images: Split, temperature: float, first_sample: int) -> Tensor:
        """The same with all below those codes drawn; row i is sample `first_sample + i`."""
