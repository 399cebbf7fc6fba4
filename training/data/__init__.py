"""Data sets: finding them, reading them, splitting them."""
