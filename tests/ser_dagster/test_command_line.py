"""What can be typed after `ser`: what is wrong is said in two lines, with what was meant; help comes at once."""

import json
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from resources.settings import Settings
from ser_dagster.cli import CONTENTS, command_parser, main

SER = Path(sys.executable).with_name("ser")
COMMANDS = [name for chapter in CONTENTS.values() for name in chapter]
COMPLETE = [
    ["land", "a.jsonl", "--dataset", "d"],
    ["quarantine"],
    ["review", "export"],
    ["review", "import", "a.csv", "--annotator", "ann"],
    ["forget", "d"],
    ["plan", "--gpus", "L4-24GB"],
    ["run"],
    ["demo"],
    ["ui"],
    ["status"],
    ["report"],
    ["compare", "a", "b"],
    ["promote", "1"],
    ["audit"],
    ["advise"],
    ["export", "rm", "--to", "x"],
    ["export", "policy", "--to", "x"],
    ["export", "labels", "--to", "x"],
    ["prune", "--keep", "1"],
]
"""The least that each command takes."""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root without anything, and settings without any."""
    (tmp_path / "ser.toml").touch()
    monkeypatch.setenv("SER_CONFIG", str(tmp_path / "ser.toml"))
    monkeypatch.setenv("SER_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("line", "said", "usage"),
    [
        (
            "run --recepie x",
            "ser run: error: there is no option --recepie. Did you mean --recipe?",
            "ser run [options]",
        ),
        (
            "run --recepie=x",
            "ser run: error: there is no option --recepie. Did you mean --recipe?",
            "ser run [options]",
        ),
        ("run -x", "ser run: error: there is no option -x.", "ser run [options]"),
        ("run --loops many", "ser run: error: argument --loops: invalid int value: 'many'", "ser run [options]"),
        ("run --loops", "ser run: error: argument --loops: expected one argument", "ser run [options]"),
        ("rnu --json", "ser: error: there is no command 'rnu'. Did you mean run?", "ser COMMAND [options]"),
        ("--debg run", "ser: error: there is no option --debg. Did you mean --debug?", "ser COMMAND [options]"),
        ("status all", "ser status: error: unexpected argument 'all'.", "ser status [options]"),
        (
            "export rm --too x",
            "ser export rm: error: there is no option --too. Did you mean --to?",
            "ser export rm --to PLACE [options]",
        ),
        (
            "review exprt --json",
            "ser review: error: there is no step 'exprt'. Did you mean export?",
            "ser review STEP [options]",
        ),
        (
            "audit --formt json",
            "ser audit: error: there is no option --formt. Did you mean --format?",
            "ser audit [QUERY | --sql SQL] [options]",
        ),
        (
            "audit loops --format xml",
            "ser audit: error: there is no --format 'xml'. Choose from table, csv, json.",
            "ser audit [QUERY | --sql SQL] [options]",
        ),
        (
            "land a.jsonl",
            "ser land: error: the following arguments are required: --dataset",
            "ser land FILE… --dataset NAME [options]",
        ),
    ],
)
def test_wrong_use_is_said_by_the_command_that_was_called(
    capsys: pytest.CaptureFixture[str], line: str, said: str, usage: str
) -> None:
    with pytest.raises(SystemExit) as end:
        main(line.split())
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    assert err.splitlines() == [said, f"usage: {usage}   (more: {said.partition(': error')[0]} --help)"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--data", "nope", "--loops", "-1"], "--loops -1 is impossible"),
        (
            ["run", "--set", "max_loops=2", "--set", "loops=2", "--loops", "3"],
            "--loops 3 is impossible: it may be 1 to 2",
        ),
        (["promote", "-1", "--why", "-5 points", "--by=--me"], "no dataset has landed yet"),
        (["audit", "--sql", "--5\nSELECT 1 --x"], "There is no audit database at"),
    ],
)
def test_values_that_look_like_options_and_shortened_options(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(arguments) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [(["--debug", "promote", "1"], True), (["promote", "1", "--debug"], True), (["promote", "1"], False)],
)
def test_debug_stands_before_or_after_the_command(arguments: list[str], shown: bool) -> None:
    assert command_parser().parse_args(arguments).debug is shown


def test_without_a_dataset_every_command_says_how_one_lands(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in ("run", "report", "quarantine", "promote 1 --why x", "export rm --to x", "review export"):
        assert main(line.split()) == 1
        assert capsys.readouterr().err.splitlines() == [
            "ser: no dataset has landed yet.",
            "Land one: ser land FILE --dataset NAME. Or try the sample: ser demo",
        ]


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    with pytest.raises(SystemExit) as end:
        main([*arguments])
    out, err = capsys.readouterr()
    assert (end.value.code, err) == (0, "")
    return out.splitlines()


def test_help_groups_the_commands_and_ser_alone_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    lines = help_of(capsys, "--help")
    assert help_of(capsys) == lines
    titles = [line[:-1] for line in lines if line.endswith(":")]
    assert titles == ["Data", "Evolutions", "Evidence", "What leaves and what goes", "options"]
    listed = [line.split()[0] for line in lines[: lines.index("options:")] if line.startswith("  ")]
    assert listed == COMMANDS


def test_help_fits_80_columns_without_colours(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    steps = [arguments[:2] for arguments in COMPLETE if arguments[0] in ("review", "export")]
    for arguments in ([], *([name] for name in COMMANDS), *steps):
        lines = help_of(capsys, *arguments, "--help")
        assert lines[0].startswith(" ".join(["usage: ser", *arguments]))
        assert max(map(len, lines)) <= 80 and "\x1b" not in "".join(lines)


@pytest.mark.parametrize("arguments", COMPLETE, ids=" ".join)
def test_every_command_is_carried_out_by_a_function(arguments: list[str]) -> None:
    function = pkgutil.resolve_name(command_parser().parse_args(arguments).command)
    assert isinstance(function, Callable) and function.__module__.startswith("ser_dagster.commands.")  # type: ignore[arg-type]


LIGHT = """
import sys
from ser_dagster.cli import main
try:
    main(["audit", "--help"])
finally:
    print(sorted({"torch", "dagster", "duckdb", "pydantic", "numpy", "rich", "argcomplete"} & sys.modules.keys()))
"""


def test_help_imports_nothing_that_takes_long() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "[]")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = help_of(capsys, "--version")
    assert line.startswith("ser-dagster ") and line.split()[1][0].isdigit()


def test_whoever_reads_help_may_leave_before_its_end() -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen([SER, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 1


def test_the_page_is_opened_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr("ser_dagster.commands.ui.ui", lambda *asks: asked.append(asks))
    opened = "ui --host 0.0.0.0 --port 3002 --address http://a:3002 --address https://b --read-only"
    for line in ("ui", "ui --port 3001", opened):
        assert main(line.split()) == 0
    assert asked == [
        (3000, "127.0.0.1", [], False),
        (3001, "127.0.0.1", [], False),
        (3002, "0.0.0.0", ["http://a:3002", "https://b"], True),
    ]


BASH = r"""
source <("$0" --show-completion bash)
completion=$(complete -p ser | sed 's/.*-F \(\S*\) .*/\1/')
while IFS= read -r COMP_LINE; do
    COMP_POINT=${#COMP_LINE} COMPREPLY=()
    $completion ser
    echo "${COMPREPLY[@]}"
done
"""


def offered(*lines: str) -> list[set[str]]:
    """What bash offers after each of the lines."""
    done = subprocess.run(["bash", "-c", BASH, SER], input="\n".join([*lines, ""]), capture_output=True, text=True)
    return [set(answer.split()) for answer in done.stdout.splitlines()]


def test_bash_completes_commands_options_and_names(root: Path) -> None:
    for name in ("mine", "my-other", "sample"):
        (root / "landing" / name).mkdir(parents=True)
    about = root / "heads" / "mine-0123456789ab" / "abc" / ".evolution.json"
    about.parent.mkdir(parents=True)
    about.write_text(
        json.dumps({"settings": Settings().recorded(), "name": "bold", "executed_at": "2026-11-27T00:00Z"})
    )
    assert offered(
        "ser re", "ser run --n", "ser run --dataset m", "ser audit fl", "ser compare b", "ser run --name "
    ) == [
        {"review", "report"},
        {"--name", "--no-policy"},
        {"mine", "my-other"},
        {"flips"},
        {"bold"},
        set(),
    ]


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete --command ser")]
)
def test_each_shell_is_told_to_ask_this_very_ser(capsys: pytest.CaptureFixture[str], shell: str, word: str) -> None:
    shown = "\n".join(help_of(capsys, "--show-completion", shell))
    assert word in shown and str(SER) in shown
