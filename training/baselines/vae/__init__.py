"""Ordered against standard VAE: Eq. (13) and Fig. 7 of the anytime paper."""
