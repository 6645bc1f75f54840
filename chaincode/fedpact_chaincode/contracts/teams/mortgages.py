"""Mortgages: deposit, punishment, compensation, release (Miao et al., BP2P-FL, eq. 1-3).

A mortgage lies in an account of its own, `mortgage:<task>:<node>`. Punishment is k times what was deposited,
k = (p + q) / v and at most 1, less what has been taken already.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from fedpact_chaincode.arithmetic import share
from fedpact_chaincode.contract import Context, Event
from fedpact_chaincode.contracts.credit.book import balance, move
from fedpact_chaincode.contracts.credit.records import Reason, escrow_of, mortgage_of
from fedpact_chaincode.contracts.tasks.records import Task, Variant
from fedpact_chaincode.contracts.teams.records import CANDIDATES, SEATS, Seat, SeatStatus
from fedpact_chaincode.contracts.teams.seats import active_seats


class Slashed(Event, frozen=True, kw_only=True):
    """A part of a member's mortgage was taken; `compensations` are those of `others`, in order."""

    task_id: str
    node: str
    amount: int
    others: list[str]
    compensations: list[int]


def deposit(ctx: Context, task: Task, node: str, amount: int) -> None:
    """Lock a mortgage; refuses (INSUFFICIENT_CREDIT) what the node does not hold."""
    move(ctx, node, mortgage_of(task.id, node), amount, reason=Reason.DEPOSIT, reference=task.id)


def release(ctx: Context, task: Task, node: str) -> int:
    """Give a node what is left of its mortgage; returns the amount."""
    held = mortgage_of(task.id, node)
    amount = balance(ctx, held)
    move(ctx, held, node, amount, reason=Reason.RELEASE, reference=task.id)
    return amount


def release_all(ctx: Context, task: Task) -> None:
    """Give every member, candidate and waiting node what is left of its mortgage. O(nodes)."""
    nodes = {seat.node for seat in SEATS.scan(ctx.state, task.id)}
    nodes.update(candidate.node for candidate in CANDIDATES.scan(ctx.state, task.id))
    for node in sorted(nodes):
        release(ctx, task, node)


def due(task: Task, seat: Seat, *, faults: int | None = None) -> int:
    """Return what may be taken from a member now, micro-credits (Miao eq. 1-2), rounded down.

    Parameters
    ----------
    faults : p + q; by default what the ledger has counted.
    """
    counted = seat.missed + seat.lazy if faults is None else faults
    return seat.mortgage * min(counted, task.rounds) // task.rounds - seat.slashed_micros


@dataclass(frozen=True, slots=True)
class Compensation:
    """Who gets what of a punishment.

    Attributes
    ----------
    shares : micro-credits by node.
    rest : what stays in the task's escrow.
    """

    shares: dict[str, int]
    rest: int


def compensate(task: Task, amount: int, others: list[str]) -> Compensation:
    """Divide a punishment among the other members.

    By default the whole is divided equally (largest remainder); with `paper` each gets 1/N of it (Miao
    eq. 3; N is the team's size), and the rest stays in the task's escrow. So does all where nobody is left.
    """
    if not others:
        return Compensation({}, amount)
    if task.rules.compensation is Variant.PAPER:
        each = amount // task.team_size
        return Compensation(dict.fromkeys(others, each), amount - each * len(others))
    return Compensation(dict(zip(others, share(amount, [1] * len(others)), strict=True)), 0)


def punish(ctx: Context, task: Task, seat: Seat, amount: int) -> Seat:
    """Take a part of a member's mortgage and compensate the other active members.

    A member whose whole mortgage is gone loses its place.
    """
    others = [other.node for other in active_seats(ctx, task.id) if other.node != seat.node]
    compensation = compensate(task, amount, others)
    held = mortgage_of(task.id, seat.node)
    for node, part in compensation.shares.items():
        move(ctx, held, node, part, reason=Reason.PENALTY, reference=task.id)
    move(ctx, held, escrow_of(task.id), compensation.rest, reason=Reason.PENALTY, reference=task.id)
    taken = seat.slashed_micros + amount
    status = SeatStatus.SLASHED if taken == seat.mortgage else seat.status
    ctx.emit(
        Slashed(
            task_id=task.id,
            node=seat.node,
            amount=amount,
            others=list(compensation.shares),
            compensations=list(compensation.shares.values()),
        )
    )
    return SEATS.save(ctx.state, replace(seat, slashed_micros=taken, status=status))
