"""Checkpoints: how far events were processed, so that a later request goes on there.

Checkpointer             what a request for events reads: block_number, transaction_id
  InMemoryCheckpointer   for one process
  FileCheckpointer       a JSON file, as the official clients write it
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Protocol

from fedpact.gateway.event_kinds import ChaincodeEvent

_MAX_BYTES = 4096


class CheckpointError(Exception):
    """A checkpoint cannot be read; its file stays as it is.

    Attributes
    ----------
    code : `CHECKPOINT_DAMAGED`.
    """

    def __init__(self, path: Path) -> None:
        self.code = "CHECKPOINT_DAMAGED"
        super().__init__(f"{self.code}: {path} holds no checkpoint")


class Checkpointer(Protocol):
    """Where to go on: at a block, after a transaction of it if one is named."""

    @property
    def block_number(self) -> int | None:
        """The block to begin with; None where nothing was processed."""

    @property
    def transaction_id(self) -> str:
        """The last transaction of that block that was processed; empty for none."""


class InMemoryCheckpointer:
    """A checkpoint in memory."""

    def __init__(self) -> None:
        self._block: int | None = None
        self._transaction = ""

    @property
    def block_number(self) -> int | None:
        """The block to begin with; None where nothing was processed."""
        return self._block

    @property
    def transaction_id(self) -> str:
        """The last transaction of that block that was processed; empty for none."""
        return self._transaction

    def checkpoint_block(self, block_number: int) -> None:
        """Note that a whole block was processed: go on with the next one."""
        self._note(block_number + 1, "")

    def checkpoint_transaction(self, block_number: int, transaction_id: str) -> None:
        """Note that a block was processed up to and with a transaction: go on after it."""
        self._note(block_number, transaction_id)

    def checkpoint_chaincode_event(self, event: ChaincodeEvent) -> None:
        """Note that an event was processed: go on after its transaction."""
        self._note(event.block_number, event.transaction_id)

    def _note(self, block: int | None, transaction: str) -> None:
        if block is not None and block < 0:
            raise ValueError("a block's number is not negative")
        self._block, self._transaction = block, transaction


class FileCheckpointer(InMemoryCheckpointer):
    """A checkpoint in a file: `{"blockNumber": "7", "transactionId": "..."}`, as the Node client writes it.

    Each checkpoint replaces the file at once and is on the disk when the call returns. One process writes it.

    Parameters
    ----------
    path : of the file; made if it is missing.

    Raises
    ------
    CheckpointError
        CHECKPOINT_DAMAGED.
    OSError
        It cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path = Path(path)
        self._note(*_read(self.path))

    def _note(self, block: int | None, transaction: str) -> None:
        before = self._block, self._transaction
        super()._note(block, transaction)
        try:
            self._write()
        except BaseException:
            self._block, self._transaction = before
            raise

    def _write(self) -> None:
        state = {}
        if self._block is not None:
            state["blockNumber"] = str(self._block)
        if self._transaction:
            state["transactionId"] = self._transaction
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        try:
            with fresh.open("w") as file:
                json.dump(state, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        finally:
            fresh.unlink(missing_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _read(path: Path) -> tuple[int | None, str]:
    """Read a checkpoint; a number in place of its text is what the Go and Java clients write."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return None, ""
    if not data:
        return None, ""
    try:
        state = json.loads(data) if len(data) <= _MAX_BYTES else None
    except ValueError as error:
        raise CheckpointError(path) from error
    if not isinstance(state, dict):
        raise CheckpointError(path)
    block, transaction = state.get("blockNumber"), state.get("transactionId") or ""
    if isinstance(block, str) and block.isascii() and block.isdecimal():
        block = int(block)
    well_formed = block is None or (isinstance(block, int) and not isinstance(block, bool) and block >= 0)
    if not well_formed or not isinstance(transaction, str):
        raise CheckpointError(path)
    return block, transaction
