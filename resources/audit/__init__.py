"""The audit database: every label, model and decision as rows of one DuckDB file."""
