"""Heavy units of work, one a file: its spec, its inputs, its summary, and `run`, a pure function of its arguments.

Specs and inputs load without torch: what is heavy is imported inside `run`.
"""
