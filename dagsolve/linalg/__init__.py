"""Linear algebra in `scipy.linalg`'s names and signatures, for arrays, traced arrays and Dask arrays."""

from dagsolve.linalg.factorisations import cholesky as cholesky
from dagsolve.linalg.factorisations import eigh as eigh
from dagsolve.linalg.factorisations import eigvalsh as eigvalsh
from dagsolve.linalg.factorisations import lu as lu
from dagsolve.linalg.factorisations import lu_factor as lu_factor
from dagsolve.linalg.inverses import det as det
from dagsolve.linalg.inverses import inv as inv
from dagsolve.linalg.inverses import logdet as logdet
from dagsolve.linalg.inverses import pinv as pinv
from dagsolve.linalg.inverses import slogdet as slogdet
from dagsolve.linalg.least_squares import lstsq as lstsq
from dagsolve.linalg.orthogonal import lq as lq
from dagsolve.linalg.orthogonal import qr as qr
from dagsolve.linalg.orthogonal import svd as svd
from dagsolve.linalg.orthogonal import svdvals as svdvals
from dagsolve.linalg.refused import hessenberg as hessenberg
from dagsolve.linalg.refused import null_space as null_space
from dagsolve.linalg.refused import orth as orth
from dagsolve.linalg.refused import qz as qz
from dagsolve.linalg.refused import schur as schur
from dagsolve.linalg.systems import cho_factor as cho_factor
from dagsolve.linalg.systems import cho_solve as cho_solve
from dagsolve.linalg.systems import lu_solve as lu_solve
from dagsolve.linalg.systems import solve as solve
from dagsolve.linalg.systems import solve_triangular as solve_triangular
