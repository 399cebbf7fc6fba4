"""Both papers in one model: the codes of an ordered VQ-VAE, and below them a gated PixelCNN that draws the pixels.

A coarse picture is there from the first code, as with every ordered model; texture comes with what time is left.
"""
