"""Text that is already in a chat template: back into messages where it begins with one, refused where it holds one."""

import re

from resources.landing.comparison import quoted
from resources.landing.shapes.messages import Message

END_TOKENS = (
    *("<|im_end|>", "<|eot_id|>", "<|endoftext|>", "<|end_of_text|>", "<|end|>", "<|eom_id|>"),
    *("</s>", "<end_of_turn>", "<eos>", "<|end_of_turn|>", "<|END_OF_TURN_TOKEN|>", "<｜end▁of▁sentence｜>"),
)
"""What ends a turn in some template; at the end of a response it is never the text's own."""

_STARTS = re.compile(
    r"\s*(?:<s>|<bos>|<\|begin_of_text\|>|<｜begin▁of▁sentence｜>)?\s*(?=<\||<start_of_turn>|\[INST\])"
)
_FIRST = ("<", "[")
_ROLES = "system|user|assistant|model|developer|tool|ipython"
_TURNS = {
    "ChatML": re.compile(rf"<\|im_start\|>({_ROLES})\n"),
    "Llama 3's template": re.compile(rf"<\|start_header_id\|>({_ROLES})<\|end_header_id\|>"),
    "Gemma's template": re.compile(rf"<start_of_turn>({_ROLES})\n"),
    "Zephyr's template": re.compile(r"<\|(system|user|assistant)\|>(?=\s|$)"),
}
_INST = re.compile(r"(\[INST\]|\[/INST\])")
_SYS = re.compile(r"\s*<<SYS>>(.*?)<</SYS>>", re.DOTALL)
_INSIDE = re.compile(
    r"<\|im_start\|>(?:system|user|assistant)"
    r"|<\|start_header_id\|>(?:system|user|assistant)<\|end_header_id\|>"
    r"|<start_of_turn>(?:user|model)(?:\\n|\s)"
    r"|(?:^|\\n|[\n\"])<\|(?:system|user|assistant)\|>(?:\\n|\s)"
    r"|\[INST\][^\[]*\[/INST\]"
    r"|<extra_id_\d|<\|prompter\|>|<\|START_OF_TURN_TOKEN\|>|<\|header_start\|>"
    r"|<｜(?:User|Assistant)｜>|<reserved_10[67]>"
)
_MAY_HOLD = ("<|", "[INST]", "<start_of_turn>", "<extra_id_", "<｜", "<reserved_10")
_MARKED = re.compile(r"(?<!\s)\s*<extra_id_1>(User|Assistant)\n")  # long white space is looked through once
MARK = "<extra_id_1>"
"""What begins a turn inside the prompts of HelpSteer2."""
FIRST_OF_NAMES = "#BU \n\t"
"""What a text begins with that may begin with names."""
_NAMES = ("### Instruction:", "### Human:", "Below is an instruction that describes a task")


def without_end(text: str) -> str:
    """A response without the tokens that end a turn."""
    html = "<s>" in text[1:]
    end = len(text.rstrip())
    while text.endswith(END_TOKENS, 0, end) and not (html and text.endswith("</s>", 0, end)):
        end -= next(len(token) for token in END_TOKENS if text.endswith(token, 0, end))
        while end and text[end - 1].isspace():
            end -= 1
    return text[:end]


def templated_messages(text: str) -> list[Message] | None:
    """The messages of a text that begins with a chat template; None: it does not. An open turn at the end is left out.

    Raises:
        ValueError: it begins with one, but is not built like it.
    """
    start = _STARTS.match(text) if text[:32].lstrip()[:1] in _FIRST else None
    if start is None:
        return None
    body = text[start.end() :]
    if body.startswith("[INST]"):
        return _inst_messages(body)
    for turn in _TURNS.values():
        if turn.match(body):
            return _messages(turn, body)
    return None


def marked_messages(text: str) -> list[Message]:
    """The messages of a prompt with several turns that has a MARK, as HelpSteer2 publishes it.

    Raises:
        ValueError: its turns do not follow each other.
    """
    first, *others = _MARKED.split(text)
    turns = [("User", first)] if first.strip() else []
    turns += zip(others[::2], others[1::2], strict=True)
    return _plain([(name.lower(), content) for name, content in turns])


def begins_with_names(text: str) -> bool:
    """Whether a text begins with names of turns that are plain words, which it may have of its own."""
    text = text.lstrip()
    return text.startswith(_NAMES) or (text.startswith("USER:") and "ASSISTANT:" in text)


def refuse_template(texts: tuple[str, ...]) -> None:
    """Refuse texts that hold turns of a chat template: a model would read a conversation inside the conversation.

    Raises:
        ValueError: one does.
    """
    for text in texts:
        may_hold = ("<" in text or "[INST]" in text) and any(start in text for start in _MAY_HOLD)
        if may_hold and (mark := _INSIDE.search(text)):
            shown = mark.group().strip('\\n" ').removesuffix("\\n")
            raise ValueError(f"turns of a chat template inside a text ({quoted(shown)}): take the template off")


def _messages(turn: re.Pattern[str], body: str) -> list[Message]:
    parts = turn.split(body)
    return _plain(list(zip(parts[1::2], parts[2::2], strict=True)))


def _inst_messages(body: str) -> list[Message]:
    """The turns of `[INST] user [/INST] assistant </s>`, with the system message inside the first of the user."""
    parts = _INST.split(body)
    turns: list[tuple[str, str]] = []
    for mark, content in zip(parts[1::2], parts[2::2], strict=True):
        if mark == "[INST]":
            if not turns and (system := _SYS.match(content)):
                turns.append(("system", system.group(1)))
                content = content[system.end() :]
            turns.append(("user", content))
        else:
            turns.append(("assistant", without_end(content).removesuffix("<s>")))
    return _plain(turns)


def _plain(turns: list[tuple[str, str]]) -> list[Message]:
    names: dict[str, str] = {"model": "assistant", "developer": "system"}
    messages = []
    for place, (name, content) in enumerate(turns):
        if name in ("tool", "ipython"):
            raise ValueError("tool calls are not supported")
        content = without_end(content).strip()
        if content or place < len(turns) - 1:
            messages.append({"role": names.get(name, name), "content": content})
        elif names.get(name, name) != "assistant":
            raise ValueError("a chat template ends with an empty turn of the user")
    return messages
