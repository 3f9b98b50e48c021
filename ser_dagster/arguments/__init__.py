"""What can be typed after `ser`. Nothing here imports what the commands need: help and completion come at once."""
