"""Nodes among each other, over Fabric's own protocols: following, endorsing, private data."""
