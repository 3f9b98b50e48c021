"""Studies: evolutions that differ in what is studied, read as one paired table."""
