"""Graphs as columns: structure only, primitives are names."""

from dagsolve.graph.columns import CONSTANT, INPUT, LEAVES, Columns, ColumnsBuilder, Params, Row, Scope
from dagsolve.graph.graph import Graph, Node

__all__ = [
    "CONSTANT",
    "INPUT",
    "LEAVES",
    "Columns",
    "ColumnsBuilder",
    "Graph",
    "Node",
    "Params",
    "Row",
    "Scope",
]
