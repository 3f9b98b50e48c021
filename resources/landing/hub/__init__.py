"""The paper's data sets, by name, from the Hugging Face hub into a file of the landing folder."""
