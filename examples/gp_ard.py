"""Gaussian-process regression of diabetes with a length scale per feature: relevance learned by gradients.

log N(y; 0, K + σ²I) by Cholesky and one triangular solve; a long length scale switches its feature off.
C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine Learning (2006), 2.3 and 5.1.
"""

import numpy as np
from program import BLUE, GREY, learn, options, panels
from sklearn.datasets import load_diabetes

from dagsolve.linalg import solve_triangular

TRAINING = 300  # observations; the rest are predicted


def covariance(theta, a, b):
    """Of function values at a (m, d) and b (n, d): (m, n). theta: log amplitude², d log lengths, log σ²."""
    a, b = a / np.exp(theta[1:-1]), b / np.exp(theta[1:-1])
    squared = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T
    return np.exp(theta[0] - 0.5 * squared)


def nll(theta, x, y):
    """Negative log-likelihood of y (n,) at x (n, d)."""
    l = np.linalg.cholesky(covariance(theta, x, x) + np.exp(theta[-1]) * np.eye(len(y)))
    z = solve_triangular(l, y, lower=True)
    return 0.5 * z @ z + np.sum(np.log(np.diag(l))) + 0.5 * len(y) * np.log(2 * np.pi)


def predicted(theta, x, y, new):
    """Mean and standard deviation of observations at the inputs new (m, d), after y at x."""
    l = np.linalg.cholesky(covariance(theta, x, x) + np.exp(theta[-1]) * np.eye(len(y)))
    z, w = (solve_triangular(l, b, lower=True) for b in (y, covariance(theta, x, new)))
    return w.T @ z, np.sqrt(np.exp(theta[0]) + np.exp(theta[-1]) - np.sum(w**2, axis=0))


def diabetes():
    """(x, y, names): 442 patients, standardised features (442, 10) and progression (442,)."""
    data = load_diabetes(scaled=False)
    x, y = ((z - z.mean(axis=0)) / z.std(axis=0) for z in (data.data, data.target))
    return x, y, data.feature_names


def main(arguments=None):
    chosen, (x, y, names), n = options(__doc__, arguments, 60), diabetes(), TRAINING
    start = np.concatenate([[0.0], np.full(x.shape[1], np.log(3.0)), [0.0]])
    theta, _ = learn(nll, start, x[:n], y[:n], iterations=chosen.iterations)
    mean, deviation = predicted(theta, x[:n], y[:n], x[n:])
    error, within = np.std(y[n:] - mean), np.mean(np.abs(y[n:] - mean) < 2 * deviation)
    print(f"{len(mean)} other patients: error {error:.3f} of 1, {within:.0%} within 2 σ")
    texts = ("Relevance of features|1 / length scale|", "Other patients|predicted ± 2 σ|observed")
    with panels(chosen.output / "gp_ard.png", *texts) as (left, right):
        left.barh(names, np.exp(-theta[1:-1]), color=BLUE)
        right.errorbar(mean, y[n:], xerr=2 * deviation, fmt=".", color=BLUE, ecolor="#0072b240")
        right.plot([-2, 3], [-2, 3], color=GREY)


if __name__ == "__main__":
    main()
