"""An autoregressive model of PCA coefficients against one of pixels: appendix D of the anytime paper."""
