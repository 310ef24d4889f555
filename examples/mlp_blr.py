"""A network whose last layer is integrated out: the season of CO₂ with the uncertainty of its curve.

Features of a small network enter a Bayesian linear regression; its evidence is the loss, so the hidden layer,
the prior and the noise are learned together and the last weights have a distribution instead of values.
M. Seeger et al., arXiv:1710.08717, section 2; J. Snoek et al., Scalable Bayesian Optimization, ICML 2015.
"""

import numpy as np
from bayesian_regression import nll, posterior
from least_squares import basis, by_qr, record
from program import BLUE, GREY, ORANGE, learn, options, panels

HIDDEN = 12


def features(params, t):
    """What the hidden layer says at the times t (n,) of the year, in [0, 1): (n, 13), periodic."""
    circle = np.stack([np.cos(2 * np.pi * t), np.sin(2 * np.pi * t)], axis=1)
    return np.concatenate([np.tanh(circle @ params["w"] + params["b"]), np.ones((len(t), 1))], axis=1)


def loss(params, t, y):
    """Negative log evidence of y (n,) at the times t (n,)."""
    return nll(params["theta"], features(params, t), y)


def predicted(params, t, y, new):
    """Mean and standard deviation of the curve at the times new (m,)."""
    mean, cov = posterior(params["theta"], features(params, t), y)
    seen = features(params, new)
    return seen @ mean, np.sqrt(np.sum((seen @ cov) * seen, axis=1))


def start(seed=0):
    """Weights before learning."""
    rng = np.random.default_rng(seed)
    return {"w": rng.standard_normal((2, HIDDEN)), "b": rng.standard_normal(HIDDEN), "theta": np.zeros(2)}


def season(every=1):
    """Times of the year in [0, 1), and CO₂ in ppm beside a cubic of its growth."""
    x, ppm = record(every)
    growth = (x / 20)[:, None] ** np.arange(8)
    seasons = basis(np.log(np.array([60.0, 1.0])), x)[:, 2:]
    both = np.concatenate([growth, seasons], axis=1)
    return x % 1, ppm - growth @ by_qr(both, ppm)[: growth.shape[1]]


def main(arguments=None):
    chosen, (t, y) = options(__doc__, arguments, 60), season(every=12)
    params, _ = learn(loss, start(), t, y, iterations=chosen.iterations)
    new = np.linspace(0, 1, 200)
    mean, deviation = predicted(params, t, y, new)
    print(
        f"Noise of {np.exp(-0.5 * params['theta'][0]):.3f} ppm; the curve is known to {deviation.mean():.3f}"
    )
    with panels(chosen.output / "mlp_blr.png", "Season of CO₂|Part of the year|ppm") as (axes,):
        axes.plot(t, y, ".", color=GREY, markersize=3, label=f"{len(t)} observations")
        axes.fill_between(new, mean - 3 * deviation, mean + 3 * deviation, color=BLUE, alpha=0.4)
        axes.plot(new, mean, color=ORANGE, linewidth=0.8, label="mean ± 3 σ of the curve")


if __name__ == "__main__":
    main()
