"""Least squares inside a model: the CO₂ record as a sum of curves whose shapes are learned as well.

y ≈ Φ(θ) c. The coefficients c solve a least-squares problem at every θ (growth time and period), by QR, and
the residual is differentiated through its solution: variable projection, without its formulas.
G. Golub, V. Pereyra, SIAM J. Numer. Anal. 10 (1973); S. Roberts, L. Roberts, arXiv:2009.10071.
"""

import numpy as np
from program import BLUE, INK, ORANGE, learn, options, panels
from statsmodels.datasets import co2

from dagsolve.linalg import lstsq, qr, solve_triangular

START = np.log(np.array([30.0, 0.995]))  # years, as logarithms: of e-fold growth, and of the seasons' period
HARMONICS = 3


def record(every=1):
    """Years since 1980 and CO₂ in ppm, of every so manieth observation that is not missing."""
    observed = co2.load_pandas().data["co2"].dropna().iloc[::every]
    years = observed.index.year + observed.index.day_of_year / 365.25 - 1980
    return np.asarray(years, dtype=float), observed.to_numpy(dtype=float)


def basis(theta, t):
    """Constant, exponential growth and harmonics of the seasons at the times t (n,): (n, 8)."""
    growth, period = np.exp(theta[0]), np.exp(theta[1])
    angles = 2 * np.pi * t[:, None] / period * np.arange(1, HARMONICS + 1)
    straight = [np.ones((len(t), 1)), np.exp(t / growth)[:, None]]
    return np.concatenate([*straight, np.cos(angles), np.sin(angles)], axis=1)


def by_lstsq(a, y):
    return lstsq(a, y)[0]


def by_qr(a, y):
    q, r = qr(a, mode="economic")
    return solve_triangular(r, q.T @ y)


def misfit(theta, t, y, solve=by_lstsq):
    """Half the mean square of what the best coefficients leave of y (n,), in ppm²."""
    a = basis(theta, t)
    return 0.5 * np.mean((y - a @ solve(a, y)) ** 2)


def main(arguments=None):
    chosen, (t, ppm) = options(__doc__, arguments), record()
    theta, values = learn(misfit, START, t, ppm, iterations=chosen.iterations)
    print(f"Growth by e in {np.exp(theta[0]):.2f} years, period {np.exp(theta[1]):.5f} years")
    print(f"By lstsq {misfit(theta, t, ppm):.12f}, by QR {misfit(theta, t, ppm, by_qr):.12f}")
    fits = [basis(s, t) @ by_qr(basis(s, t), ppm) for s in (START, theta)]
    texts = ("CO₂ at Mauna Loa|Year|ppm", "What is left|Year|ppm")
    with panels(chosen.output / "least_squares.png", *texts) as (left, right):
        left.plot(t + 1980, ppm, ".", color=INK, markersize=1.5, label="weekly observations")
        left.plot(t + 1980, fits[1], color=BLUE, linewidth=0.7, label="growth and seasons")
        for fit, color, label in zip(fits, (ORANGE, BLUE), ("at the start", "learned"), strict=True):
            right.plot(t + 1980, ppm - fit, ".", color=color, markersize=1.5, label=label)


if __name__ == "__main__":
    main()
