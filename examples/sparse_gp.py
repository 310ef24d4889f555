"""Sparse Gaussian process of the slow part of the CO₂ record; its inducing inputs are learned as well.

Titsias' bound of the likelihood: n observations through m inducing inputs, two Cholesky factors of m × m and
one triangular solve of m × n. All that the bound depends on has a gradient, the places of the inputs too.
M. Titsias, AISTATS 2009; M. Seeger et al., arXiv:1710.08717, section 2.
"""

import numpy as np
from least_squares import basis, by_qr, record
from program import BLUE, GREY, INK, ORANGE, learn, options, panels

from dagsolve.linalg import solve_triangular

INDUCING, JITTER = 25, 1e-8


def covariance(theta, a, b):
    """Of the function at the times a (m,) and b (n,): (m, n). theta: log amplitude², log length, log σ²."""
    return np.exp(theta[0] - 0.5 * ((a[:, None] - b) / np.exp(theta[1])) ** 2)


def factors(params, x):
    """L_u of the inducing inputs' covariance, B = L_u⁻¹ K_uf (m, n), and L_a of I + B Bᵀ / σ²."""
    theta, u = params["theta"], params["inducing"]
    l = np.linalg.cholesky(covariance(theta, u, u) + JITTER * np.exp(theta[0]) * np.eye(len(u)))
    b = solve_triangular(l, covariance(theta, u, x), lower=True)
    return l, b, np.linalg.cholesky(np.eye(len(u)) + b @ b.T / np.exp(theta[2]))


def bound(params, x, y):
    """Upper bound of the negative log-likelihood of y (n,) at x (n,)."""
    (_, b, la), noise, n = factors(params, x), np.exp(params["theta"][2]), len(y)
    c = solve_triangular(la, b @ y, lower=True)
    left = y @ y - c @ c / noise + n * np.exp(params["theta"][0]) - np.sum(b**2)
    return 0.5 * n * np.log(2 * np.pi * noise) + np.sum(np.log(np.diag(la))) + 0.5 * left / noise


def predicted(params, x, y, new):
    """Mean and standard deviation of the function at the times new (k,)."""
    l, b, la = factors(params, x)
    w = solve_triangular(l, covariance(params["theta"], params["inducing"], new), lower=True)
    v, c = (solve_triangular(la, z, lower=True) for z in (w, b @ y))
    variance = np.exp(params["theta"][0]) - np.sum(w**2, axis=0) + np.sum(v**2, axis=0)
    return v.T @ c / np.exp(params["theta"][2]), np.sqrt(variance)


def slow_part(every=1):
    """Years since 1980, and CO₂ in ppm without growth and seasons."""
    x, ppm = record(every)
    shape = basis(np.log(np.array([60.0, 1.0])), x)
    return x, ppm - shape @ by_qr(shape, ppm)


def main(arguments=None):
    chosen, (x, y) = options(__doc__, arguments, 60), slow_part()
    early = np.linspace(0, 1, INDUCING) ** 2  # most in the first years
    start = {"theta": np.zeros(3), "inducing": x[0] + (x[-1] - x[0]) * early}
    params, _ = learn(bound, start, x, y, iterations=chosen.iterations)
    years, inputs = np.linspace(x[0], x[-1], 600), (start["inducing"], params["inducing"])
    mean, deviation = predicted(params, x, y, years)
    with panels(chosen.output / "sparse_gp.png", "CO₂ without growth and seasons|Year|ppm") as (axes,):
        axes.set_ylim(-3, 5)
        axes.plot(x + 1980, y, ".", color=GREY, markersize=1.5, label=f"{len(x):,} observations")
        axes.fill_between(years + 1980, mean - 2 * deviation, mean + 2 * deviation, color=BLUE, alpha=0.3)
        axes.plot(years + 1980, mean, color=BLUE, label="sparse Gaussian process ± 2 σ")
        for at, low, color, label in zip(inputs, (2.3, 2.6), (INK, ORANGE), ("start", "end"), strict=True):
            axes.plot(at + 1980, np.full(INDUCING, -low), "|", color=color, label=f"inputs at the {label}")


if __name__ == "__main__":
    main()
