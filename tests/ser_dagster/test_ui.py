"""What keeps the page from starting is said in two lines, before anything starts."""

import socket
from pathlib import Path

import pytest

from resources.locks import only_writer
from ser.errors import SerError
from ser_dagster.ui import ui


@pytest.mark.parametrize(
    ("file", "text", "words"),
    [
        ("ser.toml", "lops = 2\n", "Did you mean 'loops'?"),
        ("data/dagster/dagster.yaml", "telemetri: 1\n", "dagster.yaml is not what Dagster expects"),
    ],
)
def test_wrong_settings(data_root: Path, tmp_path: Path, file: str, text: str, words: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    assert words in refusal()


def test_a_taken_port(data_root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refusal(port)
    assert f"port {port} of 127.0.0.1 is taken" in said
    assert said.endswith("ser ui --port 0")


@pytest.mark.parametrize(
    ("port", "host", "words"),
    [
        (65536, "127.0.0.1", "there is no port 65536"),
        (0, "203.0.113.1", "the page cannot be at port 0 of 203.0.113.1"),
        (0, f"{'x' * 64}.example", "is no name of a host"),
    ],
)
def test_an_impossible_place(data_root: Path, port: int, host: str, words: str) -> None:
    assert words in refusal(port, host)


def test_a_second_page_of_an_instance(data_root: Path) -> None:
    folder = data_root / "dagster" / "ui"
    with only_writer(folder):
        (folder / "address").write_text("process 7 has it at http://127.0.0.1:3000/?token=t")
        assert refusal() == (
            "the page is open already: process 7 has it at http://127.0.0.1:3000/?token=t\nUse it, or end it first."
        )


@pytest.mark.parametrize(
    "address",
    ["box:3000", "http://", "ftp://box", "http://box/path", "http://a@box", "http://box:x", "http://bö.example",
     "http://box?x", "http://[::g]", "http://box:0", "http://box:99999", "//box", "http://box\n"],
)  # fmt: skip
def test_what_is_no_address(data_root: Path, address: str) -> None:
    with pytest.raises(SerError, match="is not an address of a page") as refused:
        ui(0, addresses=[address])
    assert len(str(refused.value).splitlines()) == 2


def refusal(port: int = 0, host: str = "127.0.0.1") -> str:
    """Why the page does not start."""
    with pytest.raises(SerError) as refused:
        ui(port, host)
    assert len(str(refused.value).splitlines()) <= 2
    return str(refused.value)
