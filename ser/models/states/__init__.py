"""States of pairs after the frozen layers: made, kept on disk or in memory, and read again."""
