"""Linear operators as values, and matrices of them.

    Identity, Zero, Scalar                    X → X, nothing, c X
    Hadamard, LeftMultiplication,             X → m ∘ X, b X,
    RightMultiplication, Kronecker                X a, b X aᵀ
    InnerProduct, Outer                       X → ⟨g, X⟩, t → t g
    Dense                                     vec X → M vec X
    Reshape, Permute, Broadcast, Reduce       entries moved, repeated, summed
    Select, Scatter                           entries read, put back
    Conjugation, RealPart, FromReal           where complex values meet real ones
    LocalJacobian                             one operand of a primitive at saved values
    Composition, Sum, Negation, Inverse       made by @, +, -, solve

`OperatorMatrix` is a sparse matrix of them (or of numbers, or arrays), `Bundle` a vector of several values,
`to_dense` the matrix of numbers that an operator stands for.
"""

from dagsolve.operators.bundle import Bundle as Bundle
from dagsolve.operators.dense import Dense as Dense
from dagsolve.operators.dense import to_dense as to_dense
from dagsolve.operators.inner_product import InnerProduct as InnerProduct
from dagsolve.operators.inner_product import Outer as Outer
from dagsolve.operators.local_jacobian import LocalJacobian as LocalJacobian
from dagsolve.operators.matrix import OperatorMatrix as OperatorMatrix
from dagsolve.operators.multiplication import Hadamard as Hadamard
from dagsolve.operators.multiplication import Kronecker as Kronecker
from dagsolve.operators.multiplication import LeftMultiplication as LeftMultiplication
from dagsolve.operators.multiplication import RightMultiplication as RightMultiplication
from dagsolve.operators.operator import Composition as Composition
from dagsolve.operators.operator import Identity as Identity
from dagsolve.operators.operator import Inverse as Inverse
from dagsolve.operators.operator import Negation as Negation
from dagsolve.operators.operator import Operator as Operator
from dagsolve.operators.operator import Scalar as Scalar
from dagsolve.operators.operator import Sum as Sum
from dagsolve.operators.operator import Zero as Zero
from dagsolve.operators.real import Conjugation as Conjugation
from dagsolve.operators.real import FromReal as FromReal
from dagsolve.operators.real import RealPart as RealPart
from dagsolve.operators.selection import Scatter as Scatter
from dagsolve.operators.selection import Select as Select
from dagsolve.operators.shaping import Broadcast as Broadcast
from dagsolve.operators.shaping import Permute as Permute
from dagsolve.operators.shaping import Reduce as Reduce
from dagsolve.operators.shaping import Reshape as Reshape
