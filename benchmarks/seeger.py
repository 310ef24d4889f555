"""Figures 1 and 2 of Seeger et al. as tables, ours beside what the authors measured on other hardware.

    python -m benchmarks.seeger --sizes 500 1000 2000 4000 --inducing 50 100 200 400 800 1600 3200

Figure 1: Cholesky, LQ and symmetric eigenproblem in double precision, forward and backward; the authors' bars
are milliseconds on a c4.8xlarge (MXNet with MKL, 36 virtual cores; TensorFlow of January 2018), read from the
figure, whose backward bars probably hold the forward pass. Seconds of different machines do not compare: read
backward over forward, and the growth from one size to the next. Ours is a block with all cores in its BLAS;
backward is a value and gradient of a random linear function of the factors.

Figure 2: criterion and gradient of a sparse Gaussian process (Titsias' bound) with U inducing inputs on 9,568
observations of 4 inputs, the shape of their `power` data; ours are drawn, as values do not count for time.
Reference: M. Seeger, A. Hetzel, Z. Dai, E. Meissner, N. D. Lawrence, arXiv:1710.08717 (2017).
"""

import argparse
from collections.abc import Sequence

import numpy as np

import dagsolve as ds
from benchmarks.decomposition_cases import of_factors
from benchmarks.measure import alternated, table, write

PAPER_SIZES = (500, 1000, 2000, 4000)
FIGURE_1 = {  # milliseconds on the CPU: (MXNet forward, backward), (TensorFlow forward, backward)
    "Cholesky": (
        ((1.93, 6.2, 21.4, 113), (7.1, 55, 130, 618)),
        ((9.9, 78, 327, 2040), (36, 217, 1182, 7948)),
    ),
    "LQ": (
        ((22, 84, 242, 1049), (37, 109, 444, 1935)),
        ((78, 364, 2579, 19745), (162, 691, 3696, 26370)),
    ),
    "SymEig": (
        ((23, 61, 278, 1915), (41, 104, 455, 2773)),
        ((187, 1369, 11559, 111139), (274, 1499, 11900, 113267)),
    ),
}
FIGURE_2 = {  # seconds: MXNet and GPy on the CPU
    50: (0.035, 1.070), 100: (0.046, 1.09), 200: (None, 1.21), 400: (0.192, 1.68), 800: (0.491, 2.83),
    1600: (1.32, 5.50), 3200: (4.63, 13.67),
}  # fmt: skip
OBSERVATIONS, INPUTS = 9568, 4
JITTER = 1e-6


def factors(name, a):
    if name == "Cholesky":
        return (ds.linalg.potrf(a),)
    return ds.linalg.gelqf(a) if name == "LQ" else (ds.linalg.syevd(a)[0],)


def figure_1(sizes: Sequence[int], rounds: int) -> list[dict[str, object]]:
    """A row for each decomposition and size."""
    rng, rows = np.random.default_rng(0), []
    for name, (mxnet, tensorflow) in FIGURE_1.items():
        last: float | None = None
        for n in sizes:
            a, v = rng.normal(size=(n, n)), rng.normal(size=n)
            if name != "LQ":
                a = a @ a.T / n + np.eye(n)
            gradient = ds.value_and_grad(
                lambda a, v, name=name: of_factors(v, *factors(name, a)), scheduler="sync", progress=False
            )
            seconds = alternated(
                {
                    "forward": lambda a=a, name=name: factors(name, a),
                    "backward": lambda f=gradient, a=a, v=v: f(a, v),
                },
                rounds,
            )
            row: dict[str, object] = {"figure": 1, "of": name, "n": n}
            row["forward, ms"], row["backward, ms"] = (f"{1e3 * s:.0f}" for s in seconds.values())
            row["backward / forward"] = f"{seconds['backward'] / seconds['forward']:.1f}"
            row["growth"] = "" if last is None else f"{seconds['backward'] / last:.1f}"
            for paper, bars in (("MXNet", mxnet), ("TensorFlow", tensorflow)):
                row |= of_paper(paper, bars, n)
            last = seconds["backward"]
            rows.append(row)
    return rows


def of_paper(paper: str, bars: Sequence[Sequence[float]], n: int) -> dict[str, object]:
    """The authors' ratios at a size of theirs."""
    if n not in PAPER_SIZES:
        return {}
    forward, backward = bars
    at = PAPER_SIZES.index(n)
    growth = f", growth {backward[at] / backward[at - 1]:.1f}" if at else ""
    return {paper: f"{forward[at]:g} / {backward[at]:g} ms, ratio {backward[at] / forward[at]:.1f}{growth}"}


def negative_bound(theta, z, x, y):
    """Titsias' bound of the negative log-likelihood; theta: log length scales, log scale, log noise."""
    noise, scale = np.exp(2 * theta[INPUTS + 1]), np.exp(2 * theta[INPUTS])
    k_zx = covariance(theta, z, x)
    l = ds.linalg.potrf(covariance(theta, z, z) + JITTER * np.eye(len(z)))
    b = ds.linalg.trsm(l, k_zx)
    l_a = ds.linalg.potrf(np.eye(len(z)) + ds.linalg.syrk(b) / noise)
    c = ds.linalg.solve_triangular(l_a, b @ y, lower=True) / noise
    n = len(y)
    fit = n * np.log(2 * np.pi * noise) / 2 + ds.linalg.sumlogdiag(l_a) + (y @ y / noise - c @ c) / 2
    return fit + (n * scale - np.sum(b * b)) / (2 * noise)


def covariance(theta, u, x):
    u, x = u / np.exp(theta[:INPUTS]), x / np.exp(theta[:INPUTS])
    squares = np.sum(u * u, axis=1)[:, None] + np.sum(x * x, axis=1)[None, :] - 2 * u @ x.T
    return np.exp(2 * theta[INPUTS]) * np.exp(-0.5 * squares)


def figure_2(inducing: Sequence[int], rounds: int) -> list[dict[str, object]]:
    """A row for each number of inducing inputs."""
    rng, rows = np.random.default_rng(0), []
    x = rng.normal(size=(OBSERVATIONS, INPUTS))
    y = np.sin(x).sum(axis=1) + 0.1 * rng.normal(size=OBSERVATIONS)
    theta = np.array([0.0] * (INPUTS + 1) + [-1.0])
    last: float | None = None
    for count in inducing:
        gradient = ds.value_and_grad(negative_bound, argnums=(0, 1), scheduler="sync", progress=False)
        z = x[rng.permutation(OBSERVATIONS)[:count]]
        seconds = alternated({"ours": lambda f=gradient, z=z: f(theta, z, x, y)}, rounds)["ours"]
        mxnet, gpy = FIGURE_2.get(count, (None, None))
        row = {
            "figure": 2,
            "of": "sparse Gaussian process",
            "n": count,
            "backward, ms": f"{1e3 * seconds:.0f}",
        }
        row["growth"] = "" if last is None else f"{seconds / last:.1f}"
        row |= {"MXNet": f"{1e3 * mxnet:.0f} ms"} if mxnet else {}
        row |= {"GPy": f"{1e3 * gpy:.0f} ms"} if gpy else {}
        last = seconds
        rows.append(row)
    return rows


def main(
    sizes: Sequence[int] = (500, 1000, 2000),
    inducing: Sequence[int] = (50, 100, 200, 400, 800),
    rounds: int = 3,
) -> list[dict[str, object]]:
    return [*figure_1(sizes, rounds), *figure_2(inducing, rounds)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=(500, 1000, 2000))
    parser.add_argument("--inducing", type=int, nargs="*", default=(50, 100, 200, 400, 800))
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    rows = main(asked.sizes, asked.inducing, asked.rounds)
    write("seeger", rows)
    print(table(rows))  # noqa: T201
