"""Linear algebra in `scipy.linalg`'s names and signatures, for arrays and traced arrays."""

from dagsolve.linalg.dense import cho_factor as cho_factor
from dagsolve.linalg.dense import cho_solve as cho_solve
from dagsolve.linalg.dense import cholesky as cholesky
from dagsolve.linalg.dense import eigh as eigh
from dagsolve.linalg.dense import eigvalsh as eigvalsh
from dagsolve.linalg.dense import qr as qr
from dagsolve.linalg.dense import solve_triangular as solve_triangular
