"""Tiled decompositions as textbook loops over tiles."""
