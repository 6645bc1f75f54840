"""The contracts' records and messages that callers of the SDK name: one place to import them from."""

from fedpact_chaincode.contracts.catalog import Dataset, Field, Form
from fedpact_chaincode.contracts.elections.records import Approval, Election
from fedpact_chaincode.contracts.privacy.records import Gaussian, Laplace
from fedpact_chaincode.contracts.registry import Device, MotionStatus, Node, NodeKind
from fedpact_chaincode.contracts.sharing.records import CachedModel, Delivery, Grant, Outcome, Request
from fedpact_chaincode.contracts.tasks.records import (
    Committee,
    Elimination,
    FinalModel,
    LearningKind,
    Rules,
    Task,
    TaskStatus,
    Variant,
)
from fedpact_chaincode.contracts.tasks.transactions import CreateTask
from fedpact_chaincode.contracts.teams.records import Candidate, Seat, SeatStatus, Team
from fedpact_chaincode.contracts.training.queries import RoundState
from fedpact_chaincode.contracts.training.records import GlobalModel, Round, RoundStatus, Scores, Update

__all__ = [
    "Approval",
    "CachedModel",
    "Candidate",
    "Committee",
    "CreateTask",
    "Dataset",
    "Delivery",
    "Device",
    "Election",
    "Elimination",
    "Field",
    "FinalModel",
    "Form",
    "Gaussian",
    "GlobalModel",
    "Grant",
    "Laplace",
    "LearningKind",
    "MotionStatus",
    "Node",
    "NodeKind",
    "Outcome",
    "Request",
    "Round",
    "RoundState",
    "RoundStatus",
    "Rules",
    "Scores",
    "Seat",
    "SeatStatus",
    "Task",
    "TaskStatus",
    "Team",
    "Update",
    "Variant",
]
