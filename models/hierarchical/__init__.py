"""Hierarchical autoregressive models with auxiliary decoders (De Fauw, Dieleman and Simonyan, 2019).

Levels of discrete autoencoders, each turning a grid of symbols (pixels, or the codes of the level below) into a smaller
grid of codes; an autoregressive decoder per level for the way back; a class-conditional prior over the topmost codes.
`docs/hierarchical.md` is the way in.
"""
