"""Every exception that dagsolve raises.

A message says who found the fault, which argument it concerns, what it must be, what came, and what to
do about it. Messages are the only argument, so the exceptions cross process boundaries unchanged.
"""


class DagsolveError(Exception):
    """Base of every error that dagsolve raises on purpose."""


class ShapeError(DagsolveError, ValueError):
    """An array has a shape that a primitive or function cannot take."""


class DtypeError(DagsolveError, TypeError):
    """An array has a dtype that cannot carry a derivative, or that a primitive cannot take."""


class ArgumentError(DagsolveError, ValueError):
    """An argument or option is not one of the values that are understood."""


class TraceError(DagsolveError, TypeError):
    """User code asked a tracer for its value: `if x > 0`, `float(x)`, `x[i] = y` and the like."""


class UnsupportedError(TraceError):
    """User code called a function that has no rule here."""


class MissingAttributeError(UnsupportedError, AttributeError):
    """A traced array was asked for a method or attribute that it lacks; `hasattr` finds it absent."""


class UnknownSpecError(DagsolveError):
    """The shape or dtype of a Dask task's result cannot be known without running it."""


class GraphError(DagsolveError):
    """A graph, a partition or a plan breaks one of its own laws."""


class PlanError(GraphError):
    """A replayed plan used an absent value, broke its budget or left outputs unmade."""


class BudgetError(DagsolveError, MemoryError):
    """The projected peak is above the memory budget, found before any work was done."""


class FactorisationError(DagsolveError, ArithmeticError):
    """A matrix cannot be factored: indefinite, singular, or holding NaN."""


class GaugeError(FactorisationError):
    """A derivative depends on a choice that the factorisation leaves open, under `degenerate("raise")`."""


class BlockError(DagsolveError, RuntimeError):
    """A block failed while it ran: names the primitive, the shapes and the user's source line."""


class SchedulerError(DagsolveError, RuntimeError):
    """The Dask scheduler or its workers are gone, or did not answer."""


class StorageError(DagsolveError, OSError):
    """A tile could not be written, or its file is damaged."""


class MissingPackageError(DagsolveError, ImportError):
    """A package of one of dagsolve's extras is needed and not installed."""


class GradientMismatch(DagsolveError, AssertionError):
    """Two ways to compute a derivative disagree: names the mode, the order, the argument and both numbers."""


class GaugeWarning(UserWarning):
    """A derivative depends on a choice that the factorisation leaves open; that part was taken as zero."""
