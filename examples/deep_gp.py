"""A deep Gaussian process of the Nile: one sparse process bends time, the next is smooth in what comes out.

Each layer has inducing inputs z and a Gaussian N(m, S Sᵀ) of whitened values there, the first also the mean
x → x. The bound is the expected log-likelihood of samples, drawn with fixed noise, less the divergences.
H. Salimbeni, M. Deisenroth, arXiv:1705.08933; A. Damianou, N. Lawrence, AISTATS 2013.
"""

import numpy as np
from program import BLUE, INK, ORANGE, learn, options, panels
from statsmodels.datasets import nile

from dagsolve.linalg import solve_triangular

INDUCING, SAMPLES, JITTER = 12, 6, 1e-6


def covariance(theta, a, b):
    """Of function values at a (..., m) and b (n,): (..., m, n). theta: log amplitude², log length."""
    return np.exp(theta[0] - 0.5 * ((a[..., None] - b) / np.exp(theta[1])) ** 2)


def layer(q, x):
    """Mean and variance (s, n) of a layer's function at samples x (s, n) of its inputs, less x → x."""
    l = np.linalg.cholesky(covariance(q["theta"], q["z"], q["z"]) + JITTER * np.eye(len(q["z"])))
    w = solve_triangular(l, covariance(q["theta"], x.reshape(-1), q["z"]).T, lower=True)
    variance = np.exp(q["theta"][0]) - np.sum(w**2, axis=0) + np.sum((np.tril(q["s"]).T @ w) ** 2, axis=0)
    return (w.T @ q["m"]).reshape(x.shape), variance.reshape(x.shape)


def divergence(q):
    """Of q(v) from the standard normal of whitened values."""
    s = np.tril(q["s"])
    return 0.5 * (np.sum(s**2) + q["m"] @ q["m"] - len(q["m"])) - np.sum(np.log(np.abs(np.diag(s))))


def loss(params, x, y, noise):
    """Upper bound of the negative log-likelihood of y (n,) at x (n,), by the normal numbers (s, n)."""
    mean, variance = layer(params["first"], x + 0 * noise)
    mean, variance = layer(params["second"], x + mean + np.sqrt(variance) * noise)
    spread = np.exp(params["log_noise"])
    expected = 0.5 * ((y - mean) ** 2 + variance) / spread + 0.5 * np.log(2 * np.pi * spread)
    return np.mean(np.sum(expected, axis=1)) + divergence(params["first"]) + divergence(params["second"])


def start(low, high, amplitude):
    """A layer before learning: nearly the prior's mean."""
    z = np.linspace(low, high, INDUCING)
    return {"z": z, "m": np.zeros(len(z)), "s": 0.1 * np.eye(len(z)), "theta": np.log(amplitude)}


def main(arguments=None):
    chosen, record = options(__doc__, arguments, 200), nile.load_pandas().data
    years, flow = record["year"].to_numpy(), record["volume"].to_numpy()
    x, y = (years - years.mean()) / years.std(), (flow - flow.mean()) / flow.std()
    layers = {"first": start(-1.7, 1.7, [0.1, 0.5]), "second": start(-2, 2, [1.0, 1.0])}
    noise = np.random.default_rng(0).standard_normal((SAMPLES, len(x)))
    params, _ = learn(loss, layers | {"log_noise": np.array(-1.0)}, x, y, noise, iterations=chosen.iterations)
    bent, loose = layer(params["first"], x[None])
    inner = x + bent + np.sqrt(loose) * np.linspace(-2, 2, 9)[:, None]
    mean, variance = layer(params["second"], inner)
    texts = ("First layer bends time|Year|out", "Second layer of it|Year|Nile (10⁸ m³)")
    with panels(chosen.output / "deep_gp.png", *texts) as (left, right):
        left.plot(years, inner[[0, 4, 8]].T, color=ORANGE)
        right.plot(years, flow, ".", color=INK, label="annual flow")
        right.plot(years, flow.mean() + flow.std() * mean[[0, 8]].T, color=BLUE, linewidth=0.8)
        right.plot(
            years, flow.mean() + flow.std() * mean[4], color=BLUE, label="mean; thin: ± 2 σ of the first"
        )


if __name__ == "__main__":
    main()
