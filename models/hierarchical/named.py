"""The paper's four models at their exact sizes, and small ones that train on a CPU.

Where the paper contradicts itself, or leaves something open:

- The 128 x 128 model with a feed-forward auxiliary decoder has 8 layers in it and codes of 8 bits in section 7.2, but 2
  layers and 9 bits in appendix A.1.1, whose footnote says why. Here it is the appendix.
- "A strided convolution with a stride of 2" does not make 32 x 32 codes of 128 x 128 pixels (A.1.1, A.1.2, and both
  256 x 256 models at one of their levels). Here as many of them follow each other as are needed.
- Table 4 has 15 heads for 640 hiddens, which they do not divide. Each has 640 // 15 = 42 channels here, and what the
  heads have found, 630 numbers, is projected to 640.
- The models with masked self-prediction have "128 hiddens" and no bottleneck of their own: it is the 128 of A.1.1, as
  all that is not said of them. So is the width of the local models, where none is given.
- The auxiliary decoder of the second 256 x 256 feed-forward level is as wide as that level's other networks.
- "Residual filter size" r of table 4 is taken for the units inside the residual connection (appendix D: "hidden units
  for the residual connections"), between two 1x1 convolutions.
- Filters of the convolutions, dimensions of the codebook and the width of a concatenated timing signal are not given:
  see `models.hierarchical.config`.
"""

from __future__ import annotations

from typing import Literal

from models.hierarchical.config import (
    CodesConfig,
    FeedForwardConfig,
    GatedPixelCNNConfig,
    Grid,
    HierarchyConfig,
    LevelConfig,
    MaskedConfig,
    ResidualNetConfig,
)


def _net(layers: int, hidden: int, bottleneck: int) -> ResidualNetConfig:
    return ResidualNetConfig(layers=layers, hidden=hidden, bottleneck=bottleneck)


def _feed_forward(layers: int, hidden: int, bottleneck: int) -> FeedForwardConfig:
    return FeedForwardConfig(network=_net(layers, hidden, bottleneck))


def _paper_prior(
    attention: int, heads: int, dropout: float, timing: Literal["add", "concat"] = "add"
) -> GatedPixelCNNConfig:
    """A row of table 4; layers, hiddens and residual filters are the same in all of them."""
    return GatedPixelCNNConfig(
        layers=20,
        hidden=640,
        filter=5,
        residual=2048,
        attention=attention,
        heads=heads,
        dropout=dropout,
        timing=timing,
    )


def _masked_level(reduction: int, channels: int, layers: int, size: int) -> LevelConfig:
    """Appendix A.1.2, which A.2.2 varies."""
    return LevelConfig(
        codes=CodesConfig(channels=channels, bits=8),
        reduction=reduction,
        encoder=_net(16, 128, 128),
        auxiliary=MaskedConfig(network=_net(layers, 128, 128), teacher=_net(16, 128, 128), size=size),
        modulator=_net(16, 128, 128),
        local=GatedPixelCNNConfig(layers=20, hidden=128),
    )


# Appendix A.1.1 and table 4.
_FEED_FORWARD_128 = HierarchyConfig(
    pixels=Grid(channels=3, height=128, width=128, bits=8),
    levels=(
        LevelConfig(
            codes=CodesConfig(bits=9),
            reduction=4,
            encoder=_net(16, 512, 128),
            auxiliary=_feed_forward(2, 512, 128),
            modulator=_net(16, 512, 128),
            local=GatedPixelCNNConfig(layers=16, hidden=128),
        ),
    ),
    prior=_paper_prior(attention=6, heads=10, dropout=0.2),
)

# Appendix A.1.2.
_MASKED_128 = HierarchyConfig(
    pixels=Grid(channels=3, height=128, width=128, bits=8),
    levels=(_masked_level(reduction=4, channels=1, layers=8, size=3),),
    prior=_paper_prior(attention=5, heads=10, dropout=0.1),
)

# Appendix A.2.1.
_FEED_FORWARD_256 = HierarchyConfig(
    pixels=Grid(channels=3, height=256, width=256, bits=8),
    levels=(
        LevelConfig(
            codes=CodesConfig(bits=8),
            reduction=2,
            encoder=_net(4, 512, 128),
            auxiliary=_feed_forward(1, 512, 128),
            modulator=_net(16, 512, 128),
            local=GatedPixelCNNConfig(layers=8, hidden=128),
        ),
        LevelConfig(
            codes=CodesConfig(bits=8),
            reduction=4,
            encoder=_net(16, 1024, 256),
            auxiliary=_feed_forward(12, 1024, 256),
            modulator=_net(16, 1024, 256),
            local=GatedPixelCNNConfig(layers=8, hidden=384),
        ),
    ),
    prior=_paper_prior(attention=5, heads=15, dropout=0.0, timing="concat"),
)

# Appendix A.2.2.
_MASKED_256 = HierarchyConfig(
    pixels=Grid(channels=3, height=256, width=256, bits=8),
    levels=(
        _masked_level(reduction=4, channels=3, layers=4, size=5),
        _masked_level(reduction=2, channels=1, layers=8, size=3),
    ),
    prior=_paper_prior(attention=5, heads=10, dropout=0.1),
)

PAPER = {
    "paper-128-feed-forward": _FEED_FORWARD_128,
    "paper-128-masked": _MASKED_128,
    "paper-256-feed-forward": _FEED_FORWARD_256,
    "paper-256-masked": _MASKED_256,
}


def _small_level(*, reduction: int, masked: bool = False, codes: int = 1, bits: int = 7) -> LevelConfig:
    net = _net(4, 64, 32)
    return LevelConfig(
        codes=CodesConfig(channels=codes, bits=bits, dim=32),
        reduction=reduction,
        encoder=net,
        auxiliary=MaskedConfig(network=_net(2, 64, 32), teacher=net, size=3) if masked else _feed_forward(2, 64, 32),
        modulator=net,
        local=GatedPixelCNNConfig(layers=6, hidden=48),
    )


_SMALL_PRIOR = GatedPixelCNNConfig(
    layers=8, hidden=96, residual=192, attention=2, heads=4, dropout=0.1, timing="add", filter=3
)

SMALL = {
    "small-grey": HierarchyConfig(
        pixels=Grid(channels=1, height=32, width=32, bits=8),
        levels=(_small_level(reduction=4),),
        prior=_SMALL_PRIOR,
    ),
    "small-grey-masked": HierarchyConfig(
        pixels=Grid(channels=1, height=32, width=32, bits=8),
        levels=(_small_level(reduction=4, masked=True),),
        prior=_SMALL_PRIOR,
    ),
    # Three levels as the paper counts them: pixels, codes, codes of codes.
    "small-three-levels": HierarchyConfig(
        pixels=Grid(channels=1, height=32, width=32, bits=8),
        levels=(_small_level(reduction=2), _small_level(reduction=2)),
        prior=_SMALL_PRIOR,
    ),
    "small-colour": HierarchyConfig(
        pixels=Grid(channels=3, height=32, width=32, bits=8),
        levels=(_small_level(reduction=4, bits=9),),
        prior=_SMALL_PRIOR,
    ),
}

NAMED = {**PAPER, **SMALL}
