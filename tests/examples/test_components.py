"""PCA, LDA, CCA and the tensor train of the examples: scikit-learn, statsmodels, and dense matrices."""

import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from statsmodels.multivariate.cancorr import CanCorr

import dagsolve as ds


@pytest.fixture(scope="module")
def wine():
    data = load_wine()
    return (data.data - data.data.mean(axis=0)) / data.data.std(axis=0), data.target


def slope(f, x, direction, h=1e-5):
    return (f(x + h * direction) - f(x - h * direction)) / (2 * h)


def gradient(f, *args):
    return ds.value_and_grad(f, scheduler="sync", progress=False)(*args)


def agrees(f, peer, x, rng):
    """Value and gradient of f at x, held against the peer's value and its difference along a direction."""
    (value, bar), direction = gradient(f, x), rng.standard_normal(x.shape)
    assert value == pytest.approx(peer(x), rel=1e-10)
    assert np.sum(bar * direction) == pytest.approx(slope(peer, x, direction), rel=1e-5)
    return bar


def test_principal_components_are_scikit_learns(program, wine, rng):
    example, (x, _) = program("pca_lda_cca"), wine
    bar = agrees(example.explained, lambda z: PCA(2).fit(z).explained_variance_ratio_.sum(), x, rng)
    by_weight = ds.grad(lambda w: example.explained(x * w), scheduler="sync")(np.ones(13))
    np.testing.assert_allclose(by_weight, np.sum(x * bar, axis=0), atol=1e-13)
    assert np.sum(by_weight) == pytest.approx(0, abs=1e-13)  # a common unit changes no share


def test_discriminants_are_scikit_learns(program, wine, rng):
    example, (x, kinds) = program("pca_lda_cca"), wine

    def share(z):
        values = example.discriminants(z, kinds)[0]
        return values[0] / np.sum(values)

    def peer(z):
        fitted = LinearDiscriminantAnalysis(solver="eigen", n_components=2).fit(z, kinds)
        return fitted.explained_variance_ratio_[0]

    bar = agrees(share, peer, x, rng)
    np.testing.assert_allclose(np.sum(x * bar, axis=0), 0, atol=1e-12)  # units of features do not matter
    fitted = LinearDiscriminantAnalysis(solver="eigen").fit(x, kinds)
    ours = example.discriminants(x, kinds)[1][:, :2]
    ours, theirs = (v / np.linalg.norm(v, axis=0) for v in (ours, fitted.scalings_[:, :2]))
    np.testing.assert_allclose(np.abs(np.sum(ours * theirs, axis=0)), 1, rtol=1e-10)


def test_canonical_correlations_are_statsmodels(program, wine, rng):
    example, (x, _) = program("pca_lda_cca"), wine
    peer = lambda z: CanCorr(z[:, :6], z[:, 6:]).cancorr  # noqa: E731
    found = example.correlations(x)
    np.testing.assert_allclose(found[0], peer(x), rtol=1e-10)
    for u, v, r in zip(found[1].T, found[2].T, found[0], strict=False):
        assert np.corrcoef(u, v)[0, 1] == pytest.approx(r, rel=1e-10)
    bar = agrees(lambda z: example.correlations(z)[0][0], lambda z: peer(z)[0], x, rng)
    np.testing.assert_allclose(np.sum(x * bar, axis=0), 0, atol=1e-12)


def state(train):
    """All amplitudes of a train, by products of its cores."""
    found = np.ones((1, 1))
    for core in train:
        found = np.tensordot(found, core, (-1, 0)).reshape(-1, core.shape[2])
    return found[:, 0]


def dense_energy(example, train):
    psi = state(train)
    return np.vdot(psi, example.hamiltonian(len(train)) @ psi).real / np.vdot(psi, psi).real


def test_canonical_train_is_the_same_state_in_isometries(program):
    example = program("tensor_train")
    train = example.random_train(5, 3)
    made = example.canonical(train)
    for core in made:
        q = core.reshape(-1, core.shape[2])
        np.testing.assert_allclose(q.conj().T @ q, np.eye(q.shape[1]), atol=1e-14)
    overlap = np.vdot(state(made), state(train)) / np.linalg.norm(state(train))
    assert abs(overlap) == pytest.approx(1, rel=1e-13)


def test_energy_and_gradient_are_those_of_the_dense_state(program, rng):
    example = program("tensor_train")
    train = example.random_train(5, 3)
    value, bar = gradient(example.energy, train)
    assert value == pytest.approx(dense_energy(example, train), rel=1e-12)
    direction = [rng.standard_normal(c.shape) + 1j * rng.standard_normal(c.shape) for c in train]
    moved = [
        dense_energy(example, [c + h * d for c, d in zip(train, direction, strict=True)])
        for h in (1e-5, -1e-5)
    ]
    along = sum(np.vdot(b, d).real for b, d in zip(bar, direction, strict=True))
    assert along == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-7)


def test_gradient_vanishes_along_the_gauge(program, rng):
    """A G and G⁻¹ B are the same state: G = 1 + εK changes nothing at first order; nor does a factor."""
    example = program("tensor_train")
    train = example.random_train(5, 3)
    _, bar = gradient(example.energy, train)
    k = rng.standard_normal((3, 3)) + 1j * rng.standard_normal((3, 3))
    along = np.vdot(bar[1], np.einsum("asb,bc->asc", train[1], k))
    along -= np.vdot(bar[2], np.einsum("ab,bsc->asc", k, train[2]))
    assert abs(along) < 1e-13
    assert abs(np.vdot(bar[3], train[3])) < 1e-13


def test_learning_approaches_the_ground_state_from_above(program):
    example = program("tensor_train")
    lowest = np.linalg.eigvalsh(example.hamiltonian(5))[0]
    _, values = program("program").learn(example.energy, example.random_train(5, 4), iterations=40)
    assert np.all(np.diff(values) <= 0)
    assert lowest - 1e-10 < values[-1] < lowest + 5e-3
