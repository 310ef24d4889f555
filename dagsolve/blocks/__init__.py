"""Blocks: partitions of a graph, the pattern of I - L, and the programs that blocks run."""
