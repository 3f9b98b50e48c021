"""Pairs, tables and tokens: what the method is given."""
