"""fedpact: consortium data sharing and federated learning on permissioned ledgers."""
