"""Clients that never give up: `python -m tests.chaos.client_process FOLDER NAME SEED THREADS`.

Each thread takes transactions through their stages and writes down what it is told. An outcome that is
unknown is resolved with the same envelope, however often the node dies meanwhile.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from pathlib import Path

from fabric_protos.gateway import gateway_pb2
from tests.chaos.founding import CHANNEL, CurrentNode, Place
from tests.chaos.told import Told

from fedpact.gateway.client import Gateway
from fedpact.gateway.connection import Deadlines, Retries
from fedpact.gateway.errors import (
    CommitError,
    CommitStatusError,
    EndorseError,
    GatewayError,
    OutcomeUnknown,
    SubmitError,
)
from fedpact.testing import probe
from fedpact_chaincode.errors import Rejected

GIVE_UP_S = 600.0
TALLIES = 5


class Client:
    """One thread's work."""

    def __init__(self, place: Place, name: str, told: Told, seed: int) -> None:
        self._place = place
        self._name = name
        self._told = told
        self._rng = random.Random(seed)
        self._number = 0
        self._done: list[tuple[bytes, str, int]] = []
        self._pause = threading.Event()
        self.ended = False
        self._gateway = Gateway(
            CurrentNode(place),
            place.alice,
            channel_id=CHANNEL,
            chaincode=probe.NAME,
            deadlines=Deadlines(endorse_s=5, submit_s=5, commit_s=5, lookup_s=0.1),
            retries=Retries(resends=2, cap_s=0.1),
        )

    def run(self) -> None:
        while not self._place.stopping:
            try:
                if self._done and self._rng.random() < 0.15:
                    self._again()
                else:
                    self._new()
            except (EndorseError, Rejected):  # nothing was submitted
                self._pause.wait(0.01)
        self.ended = True

    def _new(self) -> None:
        """Make a cell or add one to a number; what was done must be found exactly once."""
        self._number += 1
        if self._rng.random() < 0.3:
            key = f"tally{self._rng.randrange(TALLIES)}"
            function, message = "tallies:add", f'{{"name":"{key}","amount":1}}'
        else:
            key = f"{self._name}.{self._number}"
            function, message = "cells:create", f'{{"shelf":"s","place":"{key}","text":"{"x" * 200}"}}'
        transaction = self._gateway.new_proposal(function, message.encode()).endorse()
        tx_id = transaction.transaction_id
        self._told.write("sent", tx_id, function=function, key=key)
        try:
            try:
                result = transaction.submit().result()
            except (SubmitError, CommitStatusError) as error:
                if not error.undecided:
                    raise
                self._told.write("doubt", tx_id, why=str(error.status))
                result = self._resolve(transaction.to_bytes())
        except CommitError as error:
            self._told.write("invalid", tx_id, code=error.code.name, block=error.block_number)
        except SubmitError as error:
            self._told.write("refused", tx_id, why=str(error))
        else:
            self._told.write("valid", tx_id, block=result.block_number)
            self._done = [*self._done[-30:], (transaction.to_bytes(), tx_id, result.block_number)]

    def _resolve(self, transaction: bytes):  # type: ignore[no-untyped-def]
        deadline = time.monotonic() + GIVE_UP_S
        while True:
            try:
                return self._gateway.resume(transaction)
            except OutcomeUnknown:
                if time.monotonic() > deadline:
                    raise
                self._pause.wait(0.02)

    def _again(self) -> None:
        """Submit an acknowledged envelope once more; its first verdict must stand."""
        data, tx_id, block = self._rng.choice(self._done)
        signature = gateway_pb2.PreparedTransaction.FromString(data).envelope.signature
        transaction = self._gateway.signed_transaction(data, signature)
        try:
            commit = transaction.submit()
            code, found = commit.status(timeout_s=5)
        except GatewayError as error:
            if error.status in ("UNAVAILABLE", "CANCELLED"):
                return  # the node died; nothing was said
            self._told.write("wrong", tx_id, why=f"submitted again: {error}")
            return
        if (code.name, found) == ("VALID", block):
            self._told.write("again", tx_id)
        else:
            self._told.write("wrong", tx_id, why=f"was VALID in {block}, now {code.name} in {found}")


def main() -> int:
    folder, name, seed, threads = sys.argv[1:]
    place = Place(Path(folder))
    told = Told(place.folder, name)
    clients = [Client(place, f"{name}.{n}", told, int(seed) + n) for n in range(int(threads))]
    running = [threading.Thread(target=client.run) for client in clients]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return 0 if all(client.ended for client in clients) else 1


if __name__ == "__main__":
    sys.exit(main())
