"""The review queue: which pairs people should label next, on their way out and back."""
