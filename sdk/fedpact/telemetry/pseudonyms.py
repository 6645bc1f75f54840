"""Pseudonyms of subjects: keyed hashes whose key never leaves the organisation."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from fedpact.telemetry.readings import Reading, to_milli

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a device measured on a patient, before it leaves the organisation.

    Attributes
    ----------
    device, sequence, time_ms, field, unit : as in `Reading`.
    subject : the organisation's own name of the patient; never leaves it.
    value : in the unit; kept to thousandths.
    """

    device: str
    sequence: int
    time_ms: int
    subject: str
    field: str
    unit: str
    value: float | Decimal


class SubjectKey:
    """An organisation's key for pseudonyms and salts.

    Parameters
    ----------
    key : at least 32 secret bytes.

    Raises
    ------
    ValueError
        If the key is shorter.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES:
            raise ValueError(f"a subject key has at least {KEY_BYTES} bytes")
        self._key = bytes(key)

    def pseudonym(self, subject: str) -> str:
        """Return the subject's pseudonym: HMAC-SHA256, 64 hexadecimal digits."""
        return self._hash("subject", subject)

    def reading(self, measurement: Measurement) -> Reading:
        """Turn a measurement into a reading that may leave the organisation.

        Raises
        ------
        TelemetryError
            MALFORMED if the value is not a finite number.
        """
        return Reading(
            device=measurement.device,
            sequence=measurement.sequence,
            time_ms=measurement.time_ms,
            subject=self.pseudonym(measurement.subject),
            field=measurement.field,
            unit=measurement.unit,
            value_milli=to_milli(measurement.value),
            salt=self._hash("salt", f"{measurement.device}#{measurement.sequence}")[:32],
        )

    def resolve(self, pseudonym: str, subjects: Iterable[str]) -> str | None:
        """Return the one of the organisation's subjects that has this pseudonym, or None. O(subjects)."""
        return next((subject for subject in subjects if self.pseudonym(subject) == pseudonym), None)

    def rekey(self, new: SubjectKey, subjects: Iterable[str]) -> dict[str, str]:
        """Return, for a change of key, each old pseudonym with its new one."""
        return {self.pseudonym(subject): new.pseudonym(subject) for subject in subjects}

    def _hash(self, purpose: str, text: str) -> str:
        message = f"fedpact/{purpose}/1\0{text}".encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "SubjectKey(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a subject key is never pickled")
