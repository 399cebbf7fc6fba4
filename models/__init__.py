"""Ordered generative models: networks, quantisers, the bundle format and the sampling runtime.

Knows nothing of HTTP, deadlines or datasets; `service` and `training` build on it and meet only in the bundle.
"""
