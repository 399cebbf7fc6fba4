"""The autoregressive prior over code indices: a Transformer decoder (anytime paper, section 3.2 and appendix E.1)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from models.config import PriorConfig


class KVCache:
    """Keys and values of every slot, allocated once.

    Attributes:
        memory: (layers, slots, K, 2, heads, head dim): what one position adds lies in one piece.
    """

    def __init__(self, config: PriorConfig, codes: int, slots: int, device: torch.device) -> None:
        head_dim = config.width // config.heads
        self.memory = torch.zeros((config.layers, slots, codes, 2, config.heads, head_dim), device=device)

    def write(self, layer: int, slots: Tensor, positions: Tensor, keys_values: Tensor) -> None:
        """Store one position per row: slots (B,), positions (B,), keys_values (B, 2, heads, head dim)."""
        self.memory[layer].index_put_((slots, positions), keys_values)

    def read(self, layer: int, slots: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of each row's slot, (B, heads, K, head dim); what lies past its position is stale."""
        keys, values = self.memory[layer].index_select(0, slots).permute(2, 0, 3, 1, 4)
        return keys, values


class Block(nn.Module):
    """Pre-norm attention and feed-forward.

    ReLU rather than a smoother unit: it is the paper's, and exact, so that a row never depends on where in a vector
    register it was computed.
    """

    def __init__(self, config: PriorConfig) -> None:
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
        q, k, v = self._qkv(x).permute(2, 0, 3, 1, 4)  # each (B, heads, K, head dim)
        dropout = self.dropout.p if self.training else 0.0
        attended = scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout)
        return self._finish(x, attended.transpose(1, 2).flatten(2))

    def step(self, x: Tensor, layer: int, slots: Tensor, positions: Tensor, visible: Tensor, cache: KVCache) -> Tensor:
        """One position per row: (B, width) -> (B, width). `visible` is (B, 1, 1, K) bool."""
        qkv = self._qkv(x)  # (B, 3, heads, head dim)
        cache.write(layer, slots, positions, qkv[:, 1:])
        keys, values = cache.read(layer, slots)
        attended = scaled_dot_product_attention(qkv[:, 0, :, None], keys, values, attn_mask=visible)
        return self._finish(x, attended.flatten(1))

    def _qkv(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., 3, heads, head dim)."""
        qkv: Tensor = self.qkv(self.attention_norm(x))
        return qkv.reshape(*x.shape[:-1], 3, self.heads, -1)

    def _finish(self, x: Tensor, attended: Tensor) -> Tensor:
        x = x + self.dropout(self.project(attended))
        hidden: Tensor = self.dropout(torch.relu(self.expand(self.feed_forward_norm(x))))
        out: Tensor = x + self.dropout(self.contract(hidden))
        return out


class TransformerPrior(nn.Module):
    """p(z_i | z_<i, label), with a null label for the unconditional model.

    One embedding table holds the C codes, then one start token per label, then the null label's: the input at position
    0 is a start token, at position i > 0 the code i - 1.
    """

    def __init__(self, config: PriorConfig, codes: int, codebook: int, labels: int) -> None:
        super().__init__()
        self.config = config
        self.codes = codes
        self.codebook = codebook
        self.null_label = labels
        self.embedding = nn.Embedding(codebook + labels + 1, config.width)
        self.position = nn.Parameter(torch.zeros(codes, config.width))
        nn.init.normal_(self.embedding.weight, std=config.width**-0.5)
        nn.init.normal_(self.position, std=config.width**-0.5)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, codebook)

    def start_token(self, label: int | None) -> int:
        """Input at position 0 for a label, or for none."""
        return self.codebook + (self.null_label if label is None else label)

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Teacher-forced logits.

        Args:
            codes: (B, K) int64.
            labels: (B,) int64, `null_label` for none.

        Returns:
            (B, K, C): row i predicts code i from the codes before it.
        """
        tokens = torch.cat([self.codebook + labels[:, None], codes[:, :-1]], dim=1)
        x = self.dropout(self.embedding(tokens) + self.position)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x))
        return logits

    def step(self, tokens: Tensor, positions: Tensor, slots: Tensor, cache: KVCache) -> Tensor:
        """Logits for one more position of each row, equal to `forward`'s at that position.

        Args:
            tokens: (B,) int64, a start token where the position is 0, else the code drawn last.
            positions: (B,) int64, 0..K-1.
            slots: (B,) int64, the cache row of each; a slot named twice keeps either row's keys and values.
            cache: holds positions before this one, and receives this one.

        Returns:
            (B, C).
        """
        x = self.embedding(tokens) + self.position[positions]
        # Attention always runs over all K places: cut at the longest row, a row's rounding would depend on the others.
        visible = (torch.arange(self.codes, device=positions.device) <= positions[:, None])[:, None, None]
        for layer, block in enumerate(self.blocks):
            x = cast("Block", block).step(x, layer, slots, positions, visible, cache)
        logits: Tensor = self.head(self.norm(x))
        return logits
