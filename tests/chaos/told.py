"""The ledger outside the ledger: what clients sent and what they were told, a line of JSON each.

sent      the client is about to submit a transaction (its id, function, key)
valid     it was told that the transaction is committed and valid (block): this must never be untrue
invalid   it was told that the transaction is committed and invalid
refused   it was told that nothing was changed
doubt     it was told that the outcome is unknown; a verdict follows
again     an acknowledged envelope was submitted again, and the first verdict stood
wrong     the node said something that contradicts what it had said before
"""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Told:
    """Writes the lines of one client process; a line is written at once or not at all."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = os.open(folder / f"told.{name}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._lock = threading.Lock()

    def write(self, what: str, tx_id: str, **more: object) -> None:
        with self._lock:
            os.write(self._file, (json.dumps({"what": what, "id": tx_id, **more}) + "\n").encode())


@dataclass
class Account:
    """Everything that clients of one run were told so far; `read` takes in what has come since."""

    folder: Path
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    valid: dict[str, int] = field(default_factory=dict)
    invalid: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: dict[str, dict[str, Any]] = field(default_factory=dict)
    doubted: set[str] = field(default_factory=set)
    again: int = 0
    wrong: list[dict[str, Any]] = field(default_factory=list)
    _read: dict[Path, int] = field(default_factory=dict)

    def read(self) -> None:
        """Take in what has been written since the last call."""
        for path in sorted(self.folder.glob("told.*.jsonl")):
            with path.open("rb") as stream:
                stream.seek(self._read.get(path, 0))
                data = stream.read()
            whole = data.rfind(b"\n") + 1
            self._read[path] = self._read.get(path, 0) + whole
            for line in data[:whole].splitlines():
                self._take(json.loads(line))

    @property
    def open(self) -> set[str]:
        """Transactions that were sent and whose outcome no client knows."""
        return self.sent.keys() - self.valid.keys() - self.invalid.keys() - self.refused.keys()

    def _take(self, line: dict[str, Any]) -> None:
        what, tx_id = line["what"], line["id"]
        if what == "valid":
            self.valid[tx_id] = line["block"]
        elif what == "again":
            self.again += 1
        elif what == "doubt":
            self.doubted.add(tx_id)
        elif what == "wrong":
            self.wrong.append(line)
        else:
            {"sent": self.sent, "invalid": self.invalid, "refused": self.refused}[what][tx_id] = line
