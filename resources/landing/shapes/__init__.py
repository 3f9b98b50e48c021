"""From the columns of a raw row, as people publish them, to checked rows of the landing contract."""
