"""A small Hugging Face hub: repositories with the published layout in a folder, and a server for them."""

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from resources.landing.hub.catalogue import HUB_DATASETS, HubDataset

SUMMARIZE_COMMIT = "5" * 40
"""What `main` stands at, in the repository that is not pinned."""


def write_files(hub: Path, dataset: HubDataset, files: dict[str, list[dict[str, Any]]], commit: str = "") -> None:
    """Write the files of a repository at a commit (the pinned one), in the format that their names say."""
    revision = commit or (SUMMARIZE_COMMIT if dataset.revision == "main" else dataset.revision)
    for name, rows in files.items():
        path = hub / f"{dataset.repository}@{revision}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0))


def hh_row(first_turn: str, chosen: str = "a good answer", rejected: str = "a bad answer") -> dict[str, str]:
    """A row of Anthropic/hh-rlhf."""
    prompt = f"\n\nHuman: {first_turn}\n\nAssistant: go on\n\nHuman: and then?\n\nAssistant:"
    return {"chosen": f"{prompt} {chosen}", "rejected": f"{prompt} {rejected}"}


def write_hh(hub: Path, rows: int = 3) -> HubDataset:
    """hh-rlhf with `rows` good rows in each subset and split."""
    dataset = HUB_DATASETS["hh-rlhf"]
    write_files(
        hub,
        dataset,
        {
            f"{subset}/{split}.jsonl.gz": [hh_row(f"{subset} {split} {number}") for number in range(rows)]
            for subset in dataset.subsets
            for split in dataset.splits
        },
    )
    return dataset


def ultrafeedback_row(number: int, chosen: float = 8.5, rejected: float = 6.0) -> dict[str, Any]:
    """A row of HuggingFaceH4/ultrafeedback_binarized."""
    prompt = {"content": f"question {number}", "role": "user"}
    good = [prompt, {"content": f"good {number}", "role": "assistant"}]
    bad = [prompt, {"content": f"bad {number}", "role": "assistant"}]
    return {
        "prompt": prompt["content"], "prompt_id": f"id{number}", "chosen": good, "rejected": bad, "messages": good,
        "score_chosen": chosen, "score_rejected": rejected,
    }  # fmt: skip


def summarize_row(number: int, label: int | None, worker: str = "w1", **meta: str | None) -> dict[str, Any]:
    """A row of HuggingFaceH4/summarize-from-feedback."""
    post = {"post": f"post {number}", "title": f"title {number}", "subreddit": "tifu", "site": None, "article": None}
    texts = (f" summary {number} zero", f" summary {number} one")
    return {
        "meta": {"id": f"t3_{number}", **post, **meta},
        "responses": [{"text": text, "policy": "sup1", "note": None} for text in texts],
        "label": label, "worker": worker, "batch": "batch3", "split": "train", "extra": {"confidence": None},
    }  # fmt: skip


def question_row(qid: int, scores: list[int], question: str = "<p>How?</p>") -> dict[str, Any]:
    """A row of HuggingFaceH4/stack-exchange-preferences, with an answer for each score."""
    site = "https://pets.stackexchange.com"
    answers = [
        {
            "answer_id": qid * 100 + place, "author": f"author {place}", "author_id": place,
            "author_profile": f"{site}/users/{place}", "pm_score": score, "selected": place == 0,
            "text": f"<p>Answer <b>{place}</b> to {qid}</p>",
        }
        for place, score in enumerate(scores)
    ]  # fmt: skip
    links = [f"{site}/questions/{qid}", site, f"{site}/users/7/"]
    return {"qid": qid, "question": question, "answers": answers, "date": "2016/03/15", "metadata": links}


@contextmanager
def serving(hub: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve the repositories under `hub`: the endpoint, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(_Handler):
        folder = hub
        log = asked

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """As much of the hub's interface as reading a data set needs."""

    folder: Path
    log: list[str]

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        self.log.append("/".join(parts))
        api = parts[0] == "api"
        owner, name, *rest = parts[2:] if api else parts[1:]
        verb, revision, *inside = [*rest, "main"] if len(rest) == 1 else rest or ["revision", "main"]
        commits = [
            path for path in sorted((self.folder / owner).glob(f"{name}@*")) if revision in ("main", path.name[-40:])
        ]
        if not commits:
            self._send(404, b"", {"X-Error-Code": "RevisionNotFound"})
            return
        root = commits[-1]
        if verb == "revision":
            self._json({"id": f"{owner}/{name}", "sha": root.name[-40:], "siblings": []})
        elif verb == "tree":
            below = (
                sorted(root.joinpath(*inside).rglob("*"))
                if "recursive=true" in self.path.lower()
                else sorted(root.joinpath(*inside).glob("*"))
            )
            self._json([_entry(path, root) for path in below])
        elif verb == "paths-info":
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            found = [root / path for path in form["paths"]]
            self._json([_entry(path, root) for path in found if path.exists()])
        else:
            self._file(root.joinpath(*inside))

    def _file(self, path: Path) -> None:
        if not path.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        data = path.read_bytes()
        if asked := self.headers.get("Range"):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            part = data[int(first) : int(last) + 1 if last else None]
            self._send(206, part, {"Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"})
        else:
            self._send(200, data, {"ETag": '"etag"'})

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for header, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _entry(path: Path, root: Path) -> dict[str, Any]:
    about: dict[str, Any] = {"path": path.relative_to(root).as_posix(), "oid": "0" * 40}
    return about | ({"type": "directory"} if path.is_dir() else {"type": "file", "size": path.stat().st_size})
