"""Fabric's messages without any input or output: build, sign, parse and verify them."""
