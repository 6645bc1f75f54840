"""The contracts' records and messages that callers of the SDK name: one place to import them from."""

from fedpact_chaincode.contracts.catalog import Dataset, Field, Form
from fedpact_chaincode.contracts.privacy.records import Gaussian, Laplace
from fedpact_chaincode.contracts.registry import Device, MotionStatus, NodeKind
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

__all__ = [
    "CachedModel",
    "Candidate",
    "Committee",
    "CreateTask",
    "Dataset",
    "Delivery",
    "Device",
    "Elimination",
    "Field",
    "FinalModel",
    "Form",
    "Gaussian",
    "Grant",
    "Laplace",
    "LearningKind",
    "MotionStatus",
    "NodeKind",
    "Outcome",
    "Request",
    "Rules",
    "Seat",
    "SeatStatus",
    "Task",
    "TaskStatus",
    "Team",
    "Variant",
]
