"""The landing zone: the only door for pairs and labels."""
