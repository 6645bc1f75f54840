"""Processor time of a whole federation: server, node and workers, whoever else uses the machine."""

from __future__ import annotations

import time

from flwr.app import Context, Message, MetricRecord, RecordDict

from fedpact_flower.runtime import SimulatedGrid

KIND = "query.processor_time"
_RECORD, _SECONDS = "processor_time", "seconds"


def answer(message: Message, context: Context) -> Message:
    """Tell the processor time of the process that hosts the client."""
    return Message(RecordDict({_RECORD: MetricRecord({_SECONDS: time.process_time()})}), reply_to=message)


def total_s(grid: SimulatedGrid, workers: int) -> float:
    """Return the seconds that this process and the workers have computed so far.

    Parameters
    ----------
    grid : with forked workers; node i lives in worker i modulo their number.
    workers : how many there are.
    """
    questions = [Message(RecordDict(), node, KIND) for node in grid.get_node_ids()[:workers]]
    records = [reply.content.metric_records[_RECORD] for reply in grid.send_and_receive(questions)]
    return time.process_time() + sum(float(str(record[_SECONDS])) for record in records)
