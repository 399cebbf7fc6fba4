"""The bundle format: write, load, verify, show."""
