"""A tokenizer or chat template that does not end, eats memory or loses texts is refused, by a process with limits."""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resources import known_models
from resources.known_models import try_once, was_tried
from ser.errors import SerError
from ser.models import probe as probing
from ser.models import probe_process
from ser.models.probe import probe
from tests.models import backbone_of

ENDLESS = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
TEXTS = "{% for m in messages %}{{ m['content'] }}{% endfor %}"


@pytest.fixture
def folder(tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(probing, "SECONDS", 3)
    monkeypatch.setattr(probing, "MEMORY", 2**30)
    copy: Path = shutil.copytree(tiny_backbone, tmp_path / "model")
    return copy


def template(text: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / "chat_template.jinja").write_text(text)


def tokenizer(**values: Any) -> Callable[[Path], Any]:
    def change(folder: Path) -> None:
        path = folder / "tokenizer.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def replace(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": pattern}, "content": content}


def split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


TOO_LONG = "filling its chat template did not end within 3 seconds"
BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "endless": (template(TEXTS + ENDLESS), TOO_LONG),
    "endless for a system message": (
        template("{% for m in messages %}{% if m['role'] == 'system' %}" + ENDLESS + "{% endif %}{% endfor %}" + TEXTS),
        TOO_LONG,
    ),
    "endless after four turns": (
        template("{% if messages | length > 4 %}" + ENDLESS + "{% endif %}" + TEXTS),
        TOO_LONG,
    ),
    "endless after twenty turns": (
        template("{% if messages | length > 20 %}" + ENDLESS + "{% endif %}" + TEXTS),
        TOO_LONG,
    ),
    "endless for two questions": (
        template("{% if messages[0].content != messages[-1].content %}" + ENDLESS + "{% endif %}" + TEXTS),
        TOO_LONG,
    ),
    "a terabyte": (template(TEXTS + "{{ 'x' * 10**12 }}"), r"refuses a conversation \(MemoryError\)"),
    "a terabyte for a long prompt": (
        template("{% if messages[0]['content'] | length > 9000 %}{{ 'x' * 10**12 }}{% endif %}" + TEXTS),
        r"refuses a conversation \(MemoryError\)",
    ),
    "doubling": (
        template("{% set n = namespace(a='x') %}{% for i in range(60) %}{% set n.a = n.a + n.a %}{% endfor %}" + TEXTS),
        r"refuses a conversation \(MemoryError\)|did not end",
    ),
    "a macro of itself": (template("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), "recursion"),
    "nothing of the user": (template("You are kind."), "its chat template leaves out what the user says"),
    "much besides": (template(TEXTS + "{{ 'x' * 9999999 }}"), "makes 9,999,999 characters|makes 10,000,034 characters"),
    "a pattern without an end": (tokenizer(pre_tokenizer=split("(a+)+$")), "tokenizer fails .*|did not end"),
    "one letter to a million": (
        tokenizer(normalizer={"type": "Sequence", "normalizers": [replace("a", "a" * 1000), replace("a", "a" * 1000)]}),
        "turning texts into tokens with its tokenizer (did not end|crashed, or took more)",
    ),
    "a crash": (
        tokenizer(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA////"}),
        "reading its tokenizer crashed, or took more than 1024 MB of memory|cannot be loaded",
    ),
    "texts alike": (
        tokenizer(normalizer={"type": "Replace", "pattern": {"Regex": "."}, "content": ""}),
        "its tokenizer cannot tell texts apart",
    ),
    "tokens beyond": (
        tokenizer(added_tokens=[{
            "id": 9000, "content": "Rhine", "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": False,
        }]),
        r"its tokenizer makes token \d+, and its embedding has 494 rows|cannot be loaded|no end-of-sequence",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_what_no_run_could_use_is_refused(folder: Path, name: str) -> None:
    spoil, words = BAD[name]
    spoil(folder)
    with pytest.raises(SerError, match=words) as error:
        probe(folder)
    assert str(folder) in str(error.value) and len(str(error.value).splitlines()) <= 2


class Ended:
    """A process that ended in some way."""

    def __init__(self, code: int, waits: bool = False):
        self.returncode, self._waits = code, waits

    def __enter__(self) -> "Ended":
        return self

    def __exit__(self, *_: object) -> None: ...

    def kill(self) -> None: ...

    def communicate(self, timeout: float | None = None) -> tuple[bytes, None]:
        if self._waits and timeout:
            raise subprocess.TimeoutExpired("probe", timeout)
        return b'{"step": "reading its tokenizer"}', None


@pytest.mark.parametrize(
    ("process", "words"),
    [
        (Ended(-signal.SIGXCPU), "did not end within 3 seconds"),
        (Ended(-signal.SIGKILL), "was killed: the machine has too little memory"),
        (Ended(-signal.SIGKILL, waits=True), "did not end within 600 seconds, on a machine"),
        (Ended(-signal.SIGSEGV), "crashed, or took more than 1024 MB of memory"),
        (Ended(7), "ended with 7"),
    ],
)
def test_how_the_process_ended_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, process: Ended, words: str
) -> None:
    monkeypatch.setattr(probing.subprocess, "Popen", lambda *_, **__: process)
    with pytest.raises(SerError, match=f"reading its tokenizer {words}"):
        probe(folder)


def test_what_a_library_raises_in_the_process_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> Any:
        yield "reading its tokenizer"
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(probe_process, "_steps", fail)
    monkeypatch.setattr(probe_process.os, "dup2", lambda *_: None)
    assert probe_process.main(folder, 1, 1) == 1
    said = json.loads(capfd.readouterr().out.splitlines()[-1])["error"]
    assert said.startswith("reading its tokenizer failed (ZeroDivisionError: by nothing).")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["qwen2", "mistral", "gpt_neox"])
def test_a_model_of_any_type_is_tried(tiny_backbone: Path, tmp_path: Path, kind: str) -> None:
    folder = backbone_of(kind, tiny_backbone, tmp_path)
    probe(folder)
    if kind == "gpt_neox":
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 900}))
        with pytest.raises(SerError, match=r"config\.json says 900 layers"):
            probe(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system message') }}{% endif %}" + TEXTS,
        "{% if messages | length > 1 %}{{ raise_exception('one turn only') }}{% endif %}" + TEXTS,
        "{{ strftime_now('%d %b %Y') }}{% for m in messages %}{{ m['content'] | trim }}{{ eos_token }}{% endfor %}",
    ],
)
def test_a_template_may_refuse_some_conversations(folder: Path, text: str) -> None:
    template(text)(folder)
    probe(folder)


def test_a_model_is_tried_once_for_each_content(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Path] = []
    monkeypatch.setattr(known_models, "probe", tried.append)
    assert not was_tried(tmp_path, "one") and not was_tried(tmp_path, None)
    for digest in ("one", "one", "other", "one"):
        try_once(tmp_path, tiny_backbone, digest)
    assert len(tried) == 2 and was_tried(tmp_path, "one") and not was_tried(tmp_path, "third")
    monkeypatch.setattr(known_models.metadata, "version", lambda name: "0")
    try_once(tmp_path, tiny_backbone, "one")  # other libraries may take another time
    assert len(tried) == 3
    (tmp_path / "tried_models.json").write_text("[")
    try_once(tmp_path, tiny_backbone, "one")
    assert len(tried) == 4


def test_a_bad_model_stays_untried(tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise SerError("no")

    monkeypatch.setattr(known_models, "probe", refuse)
    with pytest.raises(SerError, match="no"):
        try_once(tmp_path, tiny_backbone, "one")
    assert not was_tried(tmp_path, "one")


def test_a_model_that_is_fine_is_read_by_a_process_once(tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe(tiny_backbone)
    monkeypatch.setattr(probing, "subprocess", None)
    probe(tiny_backbone)
