"""Judging a trained model: reconstruction by code count, samples by fraction, plots and `report.json`."""
