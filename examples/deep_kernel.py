"""A Gaussian process on what a small network sees, both learned by the likelihood, on breast cancer data.

Thirty features pass a layer of tanh into a plane, where an RBF covariance compares them: labels ±1 are
observed with noise. The gradient goes through the Cholesky factor into the network's weights.
A. G. Wilson, Z. Hu, R. Salakhutdinov, E. P. Xing, Deep Kernel Learning, AISTATS 2016.
"""

import numpy as np
from program import BLUE, INK, ORANGE, learn, options, panels
from sklearn.datasets import load_breast_cancer

from dagsolve.linalg import solve_triangular

TRAINING, HIDDEN, FLOOR = 200, 8, 0.02  # FLOOR: least variance of the noise


def network(params, x):
    """Places in a plane (n, 2) of the features x (n, d)."""
    return np.tanh(x @ params["w"] + params["b"]) @ params["v"]


def covariance(a, b):
    """Of function values at the places a (m, 2) and b (n, 2)."""
    squared = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1) - 2 * a @ b.T
    return np.exp(-0.5 * squared)


def nll(params, x, y):
    """Negative log-likelihood of y (n,) at the features x (n, d)."""
    z = network(params, x)
    l = np.linalg.cholesky(covariance(z, z) + (FLOOR + np.exp(params["noise"])) * np.eye(len(y)))
    c = solve_triangular(l, y, lower=True)
    return 0.5 * c @ c + np.sum(np.log(np.diag(l))) + 0.5 * len(y) * np.log(2 * np.pi)


def predicted(places, params, x, y):
    """Mean of the function at these places (m, 2) of the plane."""
    z = network(params, x)
    l = np.linalg.cholesky(covariance(z, z) + (FLOOR + np.exp(params["noise"])) * np.eye(len(y)))
    return solve_triangular(l, covariance(z, places), lower=True).T @ solve_triangular(l, y, lower=True)


def start(features, seed=0):
    """Weights before learning."""
    rng = np.random.default_rng(seed)
    w, v = rng.standard_normal((features, HIDDEN)) / np.sqrt(features), rng.standard_normal((HIDDEN, 2)) / 2
    return {"w": w, "b": np.zeros(HIDDEN), "v": v, "noise": np.array(-1.0)}


def main(arguments=None):
    chosen, data = options(__doc__, arguments, 40), load_breast_cancer()
    x, y, n = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0), 2.0 * data.target - 1, TRAINING
    params, _ = learn(nll, start(x.shape[1]), x[:n], y[:n], iterations=chosen.iterations)
    z = network(params, x[n:])
    right = np.mean(predicted(z, params, x[:n], y[:n]) * y[n:] > 0)
    print(f"{right:.1%} of {len(z)} others are classified rightly")
    a, b = (np.linspace(c.min() - 0.5, c.max() + 0.5, 60) for c in z.T)
    places = np.stack(np.meshgrid(a, b), axis=-1).reshape(-1, 2)
    mean = predicted(places, params, x[:n], y[:n]).reshape(60, 60)
    with panels(chosen.output / "deep_kernel.png", "What the network sees of others|first|second") as (axes,):
        axes.contour(a, b, mean, levels=[-0.9, 0, 0.9], colors=INK, linewidths=0.8)
        for label, name, color in ((1, "benign", BLUE), (-1, "malignant", ORANGE)):
            axes.plot(*z[y[n:] == label].T, ".", color=color, alpha=0.5, label=name)


if __name__ == "__main__":
    main()
