"""What a round's verdict is computed from: the same for the contract that closes it and for the audit."""

from __future__ import annotations

from collections.abc import Mapping, Set

from fedpact_chaincode.contracts.tasks.records import Task
from fedpact_chaincode.contracts.training.records import Round, Scores, Update
from fedpact_chaincode.rules.judging import Evidence, Participant
from fedpact_chaincode.rules.lottery import lot


def evidence_of(
    task: Task,
    round_: Round,
    updates: Mapping[str, Update],
    rows: Mapping[str, Scores],
    earlier: Set[str],
) -> Evidence:
    """Put together what the ledger holds of a round.

    Parameters
    ----------
    updates, rows : what was recorded, by node.
    earlier : models of the round before; handing one in again is no work.
    """
    lazy = copies(round_, updates, earlier)
    return Evidence(
        number=round_.number,
        seed=round_.seed,
        kind=task.kind,
        rules=task.rules,
        reward=task.reward_per_round,
        team_size=task.team_size,
        team_leader=round_.leader,
        participants=tuple(
            Participant(
                node=participant.node,
                organisation=participant.mspid,
                rows=participant.rows,
                delivered=participant.node in updates,
                lazy=participant.node in lazy,
                asked=bool(round_.asked_of(position)),
            )
            for position, participant in enumerate(round_.participants)
        ),
        scores=tuple(
            rows[participant.node].scores if participant.node in rows else None
            for participant in round_.participants
        ),
    )


def copies(round_: Round, updates: Mapping[str, Update], earlier: Set[str]) -> frozenset[str]:
    """Return who recorded a copy: of an earlier model, or of an update that another recorded before.

    Of equal updates the earliest is the original, ties by lot.
    """
    first: dict[str, str] = {}
    copied = set()
    for update in sorted(updates.values(), key=lambda u: (u.time_ms, lot(round_.seed, u.node))):
        original = first.setdefault(update.model, update.node)
        if update.model in earlier or original != update.node:
            copied.add(update.node)
    return frozenset(copied)
