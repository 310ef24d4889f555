"""D-optimal experiments: which patients to measure for a quadratic response, where to sample a polynomial.

Weights w of the candidates maximise log det XᵀWX, from the triangle of a QR of √W X, which never forms XᵀX.
At the optimum no candidate's variance exceeds the number of parameters (the equivalence theorem), and the
places that the weights choose for a polynomial are known. J. Kiefer, J. Wolfowitz, Canad. J. Math. 12 (1960).
"""

import numpy as np
from program import BLUE, GREY, ORANGE, learn, options, panels
from sklearn.datasets import load_diabetes

from dagsolve.linalg import qr

DEGREE = 5


def quadratic(z):
    """Features 1, z₁, z₂, z₁², z₁z₂, z₂² of the points z (n, 2)."""
    a, b = z.T
    return np.stack([np.ones(len(z)), a, b, a * a, a * b, b * b], axis=1)


def loss(roots, x):
    """−log det XᵀWX of candidates x (n, d); weights are the squares of `roots` (n,) over their sum."""
    (r,) = qr((roots / np.sqrt(roots @ roots))[:, None] * x, mode="r")
    return -2 * np.sum(np.log(np.abs(np.diag(r[: x.shape[1]]))))


def variances(weights, x):
    """Of the prediction at each candidate, per measurement; at most d where the design is best."""
    return np.sum((x @ np.linalg.inv(x.T @ (weights[:, None] * x))) * x, axis=1)


def main(arguments=None):
    chosen, data = options(__doc__, arguments, 300), load_diabetes()
    z, line = data.data[:, [2, 3]] / data.data[:, [2, 3]].std(axis=0), np.linspace(-1, 1, 201)
    x, powers = quadratic(z), np.polynomial.legendre.legvander(line, DEGREE)
    designs = []
    for a in (x, powers):
        roots, _ = learn(loss, np.ones(len(a)), a, iterations=chosen.iterations)
        designs.append(roots**2 / (roots @ roots))
        chosen_ones, largest = np.sum(designs[-1] > 1e-3), variances(designs[-1], a).max()
        print(f"{chosen_ones} of {len(a)} candidates; largest variance {largest:.4f} of {a.shape[1]}")
    texts = ("Patients to measure|body mass index|blood pressure", "Polynomial of degree 5|x|variance")
    with panels(chosen.output / "design.png", *texts) as (left, right):
        left.plot(*z.T, ".", color=GREY, markersize=3, label="candidates")
        left.scatter(*z.T, 600 * designs[0], color=BLUE, alpha=0.7, label="weights")
        right.plot(line, variances(designs[1], powers), color=BLUE, label="of the prediction")
        right.bar(line, 20 * designs[1], 0.02, color=ORANGE, label="weights × 20")


if __name__ == "__main__":
    main()
