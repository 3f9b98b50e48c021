"""What leaves the data root: models, policies and labels for people who do not have this project."""
