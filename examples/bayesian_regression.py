"""Evidence of Bayesian linear regression, by LQ and by Cholesky; its precisions learned on diabetes data.

y ~ N(X w, 1/α), w ~ N(0, 1/λ). With ρ = α/λ both ways give the triangle of I + ρ XᵀX: Cholesky from the
matrix, LQ of [I, √ρ Xᵀ] without forming it, which loses half as many digits.
M. Seeger et al., arXiv:1710.08717, section 2; D. J. C. MacKay, Bayesian Interpolation (1992).
"""

import numpy as np
from program import BLUE, GREY, ORANGE, learn, options, panels
from sklearn.datasets import load_diabetes

from dagsolve.linalg import lq, solve_triangular

START = np.zeros(2)  # log α and log λ


def triangle_by_cholesky(x, ratio):
    """L with L Lᵀ = I + ρ XᵀX: (d, d) of x (n, d)."""
    return np.linalg.cholesky(np.eye(x.shape[1]) + ratio * x.T @ x)


def triangle_by_lq(x, ratio):
    """The same but for the signs of its columns, from an orthogonal factorisation."""
    return lq(np.concatenate([np.eye(x.shape[1]), np.sqrt(ratio) * x.T], axis=1))[0]


def nll(theta, x, y, triangle=triangle_by_lq):
    """Negative log of the evidence of y (n,) at the inputs x (n, d)."""
    alpha, ratio = np.exp(theta[0]), np.exp(theta[0] - theta[1])
    l = triangle(x, ratio)
    c = solve_triangular(l, x.T @ y, lower=True)
    fit = 0.5 * alpha * (y @ y - ratio * c @ c)
    return fit + np.sum(np.log(np.abs(np.diag(l)))) + 0.5 * len(y) * (np.log(2 * np.pi) - theta[0])


def posterior(theta, x, y):
    """Mean (d,) and covariance (d, d) of the weights."""
    root = solve_triangular(triangle_by_lq(x, np.exp(theta[0] - theta[1])), np.eye(x.shape[1]), lower=True)
    cov = np.exp(-theta[1]) * root.T @ root
    return np.exp(theta[0]) * cov @ (x.T @ y), cov


def main(arguments=None):
    chosen, data = options(__doc__, arguments), load_diabetes(scaled=False)
    x, y = ((z - z.mean(axis=0)) / z.std(axis=0) for z in (data.data, data.target))
    theta, values = learn(nll, START, x, y, iterations=chosen.iterations)
    print(f"By Cholesky {nll(theta, x, y, triangle_by_cholesky):.9f}, by LQ {nll(theta, x, y):.9f}")
    (mean, cov), a, b = posterior(theta, x, y), np.linspace(-1, 1.5, 23), np.linspace(0, 6, 25)
    grid = [[nll(np.array([s, t]), x, y) for s in a] for t in b]
    texts = ("Negative log evidence|log α (noise)|log λ (weights)", "Posterior|weight ± 2 σ|")
    with panels(chosen.output / "bayesian_regression.png", *texts) as (left, right):
        left.contour(a, b, grid, levels=values[-1] + 2.0 ** np.arange(-1, 9), colors=GREY, linewidths=0.8)
        left.plot(*theta, "o", color=ORANGE, label="learned")
        right.errorbar(mean, data.feature_names, xerr=2 * np.sqrt(np.diag(cov)), fmt="o", color=BLUE)


if __name__ == "__main__":
    main()
