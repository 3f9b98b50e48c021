"""Texts that the layouts of published rows are filled with."""

from tests.resources.shapes.reading import Pair

USER = {"role": "user", "content": "Best soup?"}
GOOD = {"role": "assistant", "content": "Lentil."}
BAD = {"role": "assistant", "content": "No idea."}
SOUP = Pair("Best soup?", "Lentil.", "No idea.")
TIE = Pair("Best soup?", "Lentil.", "No idea.", labelled=False)
TURNS = [("user", "Hi"), ("assistant", "Hello"), ("user", "Best soup?")]
EARLIER = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
TEXTS = {"chosen": "Lentil.", "rejected": "No idea."}
AB = {"prompt": "Best soup?", "response_a": "Lentil.", "response_b": "No idea."}
