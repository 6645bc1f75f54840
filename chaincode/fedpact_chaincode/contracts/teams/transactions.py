"""The teams contract: everything a node can do in a team, in the order of a team's life."""

from __future__ import annotations

from fedpact_chaincode.contract import Contract
from fedpact_chaincode.contracts.teams import discipline, forming, recruiting

contract = Contract("teams", "Who works on a task, and what members answer with")

for function in (
    recruiting.open_team,
    recruiting.apply,
    recruiting.withdraw,
    recruiting.dissolve,
    forming.assess,
    forming.form,
    forming.start,
    forming.promote,
    discipline.slash,
    discipline.accuse_leader,
    discipline.leave,
):
    contract.transaction(function)
contract.query(forming.team)
