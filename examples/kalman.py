"""Kalman filter and smoother of the Nile's flow, and its two variances learned by gradients.

A linear Gaussian state: x' = A x + w, y = C x + v. The filter takes Cholesky factors of the innovations'
covariances, triangular solves for the gain, and Joseph's form; Rauch, Tung and Striebel's smoother goes back.
M. Seeger et al., arXiv:1710.08717; J. Durbin, S. J. Koopman, Time Series Analysis by State Space Methods, 2.
"""

import numpy as np
from program import BLUE, INK, ORANGE, learn, options, panels
from statsmodels.datasets import nile

from dagsolve import jvp
from dagsolve.linalg import solve, solve_triangular

START = np.log(np.array([1e4, 1e4]))  # logarithms of the variances of observation and walk, 10¹⁶ m⁶


def local_level(theta):
    """(A, C, Q, R, m, P): a level that walks at random, and where it starts (unknown: P is wide)."""
    one = np.eye(1)
    return one, one, np.exp(theta[1]) * one, np.exp(theta[0]) * one, np.zeros(1), 1e7 * one


def kalman_filter(theta, y, model=local_level):
    """Negative log-likelihood of y (n, k), and (m, P, m⁻, P⁻) of each step: filtered and predicted."""
    (a, c, q, r, mean, cov), nll, steps = model(theta), 0.0, []
    for now in y:
        l = np.linalg.cholesky(c @ cov @ c.T + r)
        z, w = (solve_triangular(l, b, lower=True) for b in (now - c @ mean, c @ cov))
        gain = solve_triangular(l, w, lower=True, trans=1).T
        keep = np.eye(len(a)) - gain @ c
        steps.append((mean + w.T @ z, keep @ cov @ keep.T + gain @ r @ gain.T, mean, cov))
        nll = nll + 0.5 * z @ z + np.sum(np.log(np.diag(l))) + 0.5 * len(z) * np.log(2 * np.pi)
        mean, cov = a @ steps[-1][0], a @ steps[-1][1] @ a.T + q
    return nll, steps


def nll(theta, y, model=local_level):
    return kalman_filter(theta, y, model)[0]


def smoothed(theta, y, model=local_level):
    """Means (n, d) and covariances (n, d, d) of the states, given all observations y (n, k)."""
    a, steps = model(theta)[0], kalman_filter(theta, y, model)[1]
    made = [steps[-1][:2]]
    for (m, p, *_), (*_, m_next, p_next) in zip(steps[-2::-1], steps[:0:-1], strict=True):
        gain, (mean, cov) = solve(p_next, a @ p, assume_a="pos").T, made[-1]
        made.append((m + gain @ (mean - m_next), p + gain @ (cov - p_next) @ gain.T))
    return tuple(np.stack(parts) for parts in zip(*made[::-1], strict=True))


def main(arguments=None):
    chosen, record = options(__doc__, arguments), nile.load_pandas().data
    y, years = record["volume"].to_numpy()[:, None], record["year"].to_numpy()
    theta, _ = learn(nll, START, y, iterations=chosen.iterations)
    print("Variances of the observation and of the level's walk: {:,.0f} and {:,.0f}".format(*np.exp(theta)))
    (means, covs), (moved, _) = jvp(lambda t: smoothed(t, y), (theta,), (np.array([0.0, 1.0]),))
    level, deviation = means[:, 0], np.sqrt(covs[:, 0, 0])
    texts = ("Nile, variances learned|Year|10⁸ m³", "∂ level / ∂ log variance of its walk|Year|10⁸ m³")
    with panels(chosen.output / "kalman.png", *texts) as (left, right):
        left.plot(years, y, ".", color=INK, label="annual flow")
        left.fill_between(years, level - 2 * deviation, level + 2 * deviation, color=BLUE, alpha=0.25)
        left.plot(years, level, color=BLUE, label="smoothed level ± 2 standard deviations")
        right.plot(years, moved[:, 0], color=ORANGE)


if __name__ == "__main__":
    main()
