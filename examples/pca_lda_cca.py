"""PCA, LDA and CCA of wines: what each finds, and which measurements that rests on, by gradients.

Criteria of a data matrix x (n, d): principal components by SVD, discriminants by Cholesky and eigh,
canonical correlations by QR and SVD. Their gradients are influences: of a feature's unit, or of one wine.
M. Seeger et al., arXiv:1710.08717, section 1; A. Björck, G. Golub, Math. Comp. 27 (1973), for CCA.
"""

import numpy as np
from program import BLUE, GREEN, ORANGE, options, panels
from sklearn.datasets import load_wine

import dagsolve as ds

FIRST = 6  # features of the first set of the canonical correlations; the others make the second


def explained(x, components=2):
    """Share of the variance in the first principal components."""
    squares = ds.linalg.svdvals(x - np.mean(x, axis=0)) ** 2
    return np.sum(squares[:components]) / np.sum(squares)


def scatter(x, classes):
    """Covariances (d, d) within the classes (n,) and between them."""
    member = np.eye(classes.max() + 1)[classes]
    means = member @ ((member / member.sum(axis=0)).T @ x)  # of its class, for each row
    within, between = x - means, means - np.mean(x, axis=0)
    return within.T @ within / len(x), between.T @ between / len(x)


def discriminants(x, classes):
    """(λ, V): variance between over variance within the classes, largest first, along the columns of V."""
    within, between = scatter(x, classes)
    l = np.linalg.cholesky(within)
    half = ds.linalg.solve_triangular(l, between, lower=True)
    values, vectors = np.linalg.eigh(ds.linalg.solve_triangular(l, half.T, lower=True))
    return values[::-1], ds.linalg.solve_triangular(l, vectors[:, ::-1], lower=True, trans=1)


def correlations(x, first=FIRST):
    """Canonical correlations of the first columns of x with the others, and the pairs of variates."""
    a, b = (ds.linalg.qr(z, mode="economic")[0] for z in np.split(x - np.mean(x, axis=0), [first], axis=1))
    u, s, vh = ds.linalg.svd(a.T @ b, full_matrices=False)
    return s, a @ u, b @ vh.T


def main(arguments=None):
    chosen, data = options(__doc__, arguments), load_wine()
    x, classes = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0), data.target
    by_weight = ds.grad(lambda w: explained(x * w))(np.ones(x.shape[1]))
    separation, by_wine = ds.value_and_grad(lambda z: np.sum(discriminants(z, classes)[0][:2]))(x)
    correlation, by_pair = ds.value_and_grad(lambda z: correlations(z)[0][0])(x)
    print(f"Two principal components have {explained(x):.1%} of the variance")
    print(f"Variance between the kinds is {separation:.2f} times that within; correlation {correlation:.4f}")
    texts = ("PCA: ∂ share / ∂ log unit||", "LDA: influence|first|second", "CCA: influence|first|second")
    with panels(chosen.output / "pca_lda_cca.png", *texts) as (left, middle, right):
        left.barh(data.feature_names, by_weight, color=BLUE)
        left.tick_params(axis="y", labelsize=7)
        flat, (_, u, v) = x @ discriminants(x, classes)[1], correlations(x)
        for axes, points, bar in ((middle, flat, by_wine), (right, np.stack([u[:, 0], v[:, 0]], 1), by_pair)):
            sizes = np.linalg.norm(bar, axis=1)
            colors = np.array([BLUE, ORANGE, GREEN])[classes]
            axes.scatter(points[:, 0], points[:, 1], 60 * sizes / sizes.max() + 2, colors, alpha=0.6)


if __name__ == "__main__":
    main()
