"""What a round's verdict is computed from: the same for the contract that closes it and for the audit."""

from __future__ import annotations

from collections.abc import Mapping

from fedpact_chaincode.contracts.tasks.records import Task
from fedpact_chaincode.contracts.training.records import Round, Scores, Update
from fedpact_chaincode.rules.judging import Evidence, Participant


def evidence_of(
    task: Task,
    round_: Round,
    updates: Mapping[str, Update],
    rows: Mapping[str, Scores],
) -> Evidence:
    """Put together what the ledger holds of a round.

    Parameters
    ----------
    updates, rows : what was recorded, by node.
    """
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
                delivered=participant.node in updates and participant.node not in round_.absent,
                lazy=participant.node in updates and updates[participant.node].copied,
                asked=bool(round_.asked_of(position)),
            )
            for position, participant in enumerate(round_.participants)
        ),
        scores=tuple(
            rows[participant.node].scores if participant.node in rows else None
            for participant in round_.participants
        ),
    )
