"""What work costs before it is done: parameters, memory, arithmetic, and the cards that there are."""
