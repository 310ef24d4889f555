"""Reverse-mode differentiation as a sparse block-triangular solve whose elements are operators."""

from dagsolve import errors as errors
from dagsolve import linalg as linalg
from dagsolve import special as special
from dagsolve import testing as testing
from dagsolve.api import grad as grad
from dagsolve.api import jvp as jvp
from dagsolve.api import operator_matrix as operator_matrix
from dagsolve.api import trace as trace
from dagsolve.api import value_and_grad as value_and_grad
from dagsolve.api import vjp as vjp
from dagsolve.derivatives import freeze as freeze
from dagsolve.derivatives import hessian as hessian
from dagsolve.derivatives import hvp as hvp
from dagsolve.derivatives import jacobian as jacobian
from dagsolve.derivatives import stop_gradient as stop_gradient
from dagsolve.graph import open_graph as open_graph
from dagsolve.kernels.choices import degenerate as degenerate
from dagsolve.lazy import compute as compute
from dagsolve.operators import OperatorMatrix as OperatorMatrix
from dagsolve.programs import gradients as gradients
from dagsolve.programs import value_and_gradients as value_and_gradients
from dagsolve.reporting import plot as plot
from dagsolve.reporting import report as report
from dagsolve.scheduler.calibration import measure_cluster as measure_cluster
from dagsolve.scheduler.cluster import Cluster as Cluster
from dagsolve.scheduler.simulate import simulate as simulate
from dagsolve.specs import spec as spec
from dagsolve.substitution import backslash as backslash

__version__ = "0.1.0"
