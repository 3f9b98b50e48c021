"""Heavy units of work. Each module has `run(spec, inputs, out, progress)`, a pure function of its arguments."""
