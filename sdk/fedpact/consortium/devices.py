"""Devices of an organisation, and the readings that its managers anchor (Korenev, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from fedpact_chaincode.contracts.registry import Device, DevicePage, DevicesOf, OneDevice, RegisterDevice
from fedpact_chaincode.contracts.telemetry import Anchor, AnchorBatch, AnchorPage, AnchorsOf

if TYPE_CHECKING:
    from cryptography import x509

    from fedpact.consortium.session import Session
    from fedpact.telemetry import Batch, BatchSummary, Reading, ReadingSchema


class Devices:
    """What an organisation's administrators and managers do for its devices."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def register(self, certificate: x509.Certificate, *, description: str = "") -> Device:
        """Register a device of the caller's organisation; it is pending until the council activates it.

        Parameters
        ----------
        certificate : the device's; its common name and public key are registered.
        description : what it measures and where.
        """
        from fedpact.identity.certificates import common_name, public_key_hex

        message = RegisterDevice(
            name=common_name(certificate), public_key=public_key_hex(certificate), description=description
        )
        return self._session.submit("registry:register_device", message, Device)

    def suspend(self, device: str) -> Device:
        """Stop accepting a device's readings; the council can activate it again."""
        return self._session.submit("registry:suspend_device", OneDevice(id=device), Device)

    def get(self, device: str) -> Device:
        """Return a device, `mspid/name`."""
        return self._session.evaluate("registry:device", OneDevice(id=device), Device)

    def list(self, mspid: str | None = None, *, after: str | None = None) -> list[Device]:
        """Return up to a hundred devices of an organisation, by name; default the caller's."""
        message = DevicesOf(mspid=mspid or self._session.identity.mspid, after=after)
        return self._session.evaluate("registry:devices", message, DevicePage).devices

    def anchor(
        self, dataset_id: str, readings: Sequence[Reading], schema: ReadingSchema
    ) -> tuple[Anchor, Batch]:
        """Check a device's readings against a schema, seal them and anchor the batch, as a manager.

        Parameters
        ----------
        dataset_id : what the readings belong to.
        readings : of one device, in growing sequence.
        schema : what every reading must fit.

        Returns
        -------
        The anchor on the ledger, and the batch; its payload is to be stored under its content hash.

        Raises
        ------
        TelemetryError
            A reading does not fit.
        Rejected
            ALREADY_ANCHORED, READINGS_OVERLAP, DEVICE_NOT_ACTIVE, ...
        """
        from fedpact.telemetry import seal_batch

        batch = seal_batch(readings, schema)
        return self.anchor_batch(dataset_id, batch.summary), batch

    def anchor_batch(self, dataset_id: str, summary: BatchSummary) -> Anchor:
        """Anchor a batch that is sealed and stored already, as a manager.

        Raises
        ------
        Rejected
            As `anchor`.
        """
        fields = msgspec.structs.asdict(summary)
        return self._session.submit("telemetry:anchor", AnchorBatch(dataset_id=dataset_id, **fields), Anchor)

    def anchors(self, dataset_id: str, device: str, *, after: int | None = None) -> Sequence[Anchor]:
        """Return up to a hundred anchors of a device's readings, in order."""
        message = AnchorsOf(dataset_id=dataset_id, device=device, after=after)
        return self._session.evaluate("telemetry:anchors", message, AnchorPage).anchors
