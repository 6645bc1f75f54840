"""What the round benchmark reports."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from fedpact_flower.bench.settings import RoundRules


class RoundReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured.

    Attributes
    ----------
    plain_s, recorded_s : a round without and with its trail, median.
    ratio : recorded_s / plain_s.
    rounds : timed, of either kind.
    plain_min_s, plain_max_s, recorded_min_s, recorded_max_s : of the rounds.
    ratio_min, ratio_max : of the pairs that ran one after the other.
    plain_cpu_s, recorded_cpu_s, cpu_ratio : the same in processor time of all processes together, which
        does not depend on who else uses the machine, but leaves waiting out.
    transactions : committed by each recorded round.
    parameters, model_bytes : of the network; what each client sends and the ledger keeps a hash of.
    clients, organisations, images, epochs, batch_size, stores_models, workers : the rules.
    """

    plain_s: float
    recorded_s: float
    ratio: float
    rounds: int
    plain_min_s: float
    plain_max_s: float
    recorded_min_s: float
    recorded_max_s: float
    ratio_min: float
    ratio_max: float
    plain_cpu_s: float
    recorded_cpu_s: float
    cpu_ratio: float
    transactions: int
    parameters: int
    model_bytes: int
    clients: int
    organisations: int
    images: int
    epochs: int
    batch_size: int
    stores_models: bool
    workers: int


class Timing(NamedTuple):
    """What a round took: of the clock, and of all processors."""

    seconds: float
    cpu_s: float


class Scale(NamedTuple):
    """How much a recorded round was about."""

    transactions: int
    parameters: int
    model_bytes: int
    workers: int


def report_of(
    rules: RoundRules, plain: Sequence[Timing], recorded: Sequence[Timing], scale: Scale
) -> RoundReport:
    """Put the report together from the timed rounds of either kind, pairs at the same place."""
    without, with_trail = [one.seconds for one in plain], [one.seconds for one in recorded]
    plain_s, recorded_s = statistics.median(without), statistics.median(with_trail)
    plain_cpu_s = statistics.median(one.cpu_s for one in plain)
    recorded_cpu_s = statistics.median(one.cpu_s for one in recorded)
    ratios = [second / first for first, second in zip(without, with_trail, strict=True)]
    return RoundReport(
        plain_s=round(plain_s, 4),
        recorded_s=round(recorded_s, 4),
        ratio=round(recorded_s / plain_s, 4),
        rounds=rules.rounds,
        plain_min_s=round(min(without), 4),
        plain_max_s=round(max(without), 4),
        recorded_min_s=round(min(with_trail), 4),
        recorded_max_s=round(max(with_trail), 4),
        ratio_min=round(min(ratios), 4),
        ratio_max=round(max(ratios), 4),
        plain_cpu_s=round(plain_cpu_s, 4),
        recorded_cpu_s=round(recorded_cpu_s, 4),
        cpu_ratio=round(recorded_cpu_s / plain_cpu_s, 4),
        transactions=scale.transactions,
        parameters=scale.parameters,
        model_bytes=scale.model_bytes,
        clients=rules.clients,
        organisations=rules.organisations,
        images=rules.images,
        epochs=rules.epochs,
        batch_size=rules.batch_size,
        stores_models=rules.stores_models,
        workers=scale.workers,
    )
