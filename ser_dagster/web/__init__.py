"""Dagster's web server behind a layer that answers the page itself and whoever has its token, and nobody else."""
