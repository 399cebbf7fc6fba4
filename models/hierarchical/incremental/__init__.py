"""A gated PixelCNN as it is sampled: one place of a slot at a time, over what earlier places left behind.

matrices    the network's weights as matrix products at one place, or one row, read them
memory      what slots remember, preallocated
rows        the vertical stack, a row at a time
places      the horizontal stack, a place at a time
attention   keys and values of the places before
stepper     all of it together
"""

from __future__ import annotations

from models.hierarchical.incremental.stepper import Choose, IncrementalPixelCNN

__all__ = ["Choose", "IncrementalPixelCNN"]
