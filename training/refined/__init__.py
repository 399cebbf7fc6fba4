"""Training of refined models: a gated PixelCNN that draws over what an ordered model has decoded."""
