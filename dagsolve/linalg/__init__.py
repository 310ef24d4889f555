"""Linear algebra in `scipy.linalg`'s names and signatures, for arrays, traced arrays and Dask arrays."""

from dagsolve.linalg.factorisations import cholesky as cholesky
from dagsolve.linalg.factorisations import eigh as eigh
from dagsolve.linalg.factorisations import eigvalsh as eigvalsh
from dagsolve.linalg.factorisations import qr as qr
from dagsolve.linalg.systems import cho_factor as cho_factor
from dagsolve.linalg.systems import cho_solve as cho_solve
from dagsolve.linalg.systems import solve_triangular as solve_triangular
