"""Reports: finished runs as one page with plots, samples, tables and verdicts."""
