"""Load tests and benchmarks of consortium ledgers."""
