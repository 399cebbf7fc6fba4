"""Trains ordered models from data and exports bundles."""
