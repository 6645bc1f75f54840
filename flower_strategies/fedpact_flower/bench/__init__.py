"""`fedpact bench round`: what a round's trail on the ledger costs, against the same round without one."""
