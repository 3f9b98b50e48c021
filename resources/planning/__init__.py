"""What an evolution will cost before it is run: its passes over the data, their time and money, and what fits."""
