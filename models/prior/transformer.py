"""The prior that ships: a Transformer decoder (anytime paper, section 3.2 and appendix E.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from models.config import TransformerConfig
from models.prior.base import Prior


class Block(nn.Module):
    """Pre-norm attention and feed-forward.

    ReLU rather than a smoother unit: it is the paper's, and exact, so that a row never depends on where in a vector
    register it was computed.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.attention_norm = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.project = nn.Linear(config.width, config.width)
        self.feed_forward_norm = nn.LayerNorm(config.width)
        self.expand = nn.Linear(config.width, config.feed_forward)
        self.contract = nn.Linear(config.feed_forward, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Teacher-forced: (B, K, width) -> (B, K, width), each position seeing itself and what is before it."""
        qkv: Tensor = self.qkv(self.attention_norm(x))
        q, k, v = qkv.reshape(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # each (B, heads, K, head dim)
        dropout = self.dropout.p if self.training else 0.0
        attended = scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout)
        x = x + self.dropout(self.project(attended.transpose(1, 2).flatten(2)))
        hidden: Tensor = self.dropout(torch.relu(self.expand(self.feed_forward_norm(x))))
        out: Tensor = x + self.dropout(self.contract(hidden))
        return out


class TransformerPrior(Prior):
    """Attention over everything before; one embedding table holds all tokens, and each position has a vector too."""

    config: TransformerConfig

    def __init__(self, config: TransformerConfig, codes: int, codebook: int, labels: int) -> None:
        super().__init__(codes, codebook, labels)
        self.config = config
        self.embedding = nn.Embedding(codebook + labels + 1, config.width)
        self.position = nn.Parameter(torch.zeros(codes, config.width))
        nn.init.normal_(self.embedding.weight, std=config.width**-0.5)
        nn.init.normal_(self.position, std=config.width**-0.5)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, codebook)

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        """See `Prior.forward`."""
        x = self.dropout(self.embedding(self.tokens(codes, labels)) + self.position)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x))
        return logits
