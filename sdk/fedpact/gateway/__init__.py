"""The client of a ledger: Fabric's Gateway protocol over interchangeable transports."""
