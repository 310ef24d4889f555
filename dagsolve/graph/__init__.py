"""Graphs as columns: structure only, primitives are names."""

from dagsolve.graph.columns import CONSTANT, INPUT, LEAVES, Columns, ColumnsBuilder, Params, Row, Scope
from dagsolve.graph.graph import Graph, Node, open_graph
from dagsolve.graph.query import CriticalPath

__all__ = [
    "CONSTANT",
    "INPUT",
    "LEAVES",
    "Columns",
    "ColumnsBuilder",
    "CriticalPath",
    "Graph",
    "Node",
    "Params",
    "Row",
    "Scope",
    "open_graph",
]
