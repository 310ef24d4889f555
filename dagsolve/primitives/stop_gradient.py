"""The identity whose derivative is taken to be zero."""

from dagsolve.namespace import Array, Namespace
from dagsolve.primitive import Primitive


def forward(xp: Namespace, a: Array) -> Array:
    return a


stop_gradient = Primitive("stop_gradient", "a -> y", forward, view=True)

PRIMITIVES = (stop_gradient,)
