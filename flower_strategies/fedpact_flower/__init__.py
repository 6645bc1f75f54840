"""Flower strategies, mods and runtime of fedpact."""
