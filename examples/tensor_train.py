"""Ground state of a chiral spin chain as a complex tensor train, kept canonical by QR and found by gradients.

Cores (a, 2, b) are a state of n spins. QR moves each core's triangle into the next: isometries remain,
so the energy needs no division by the norm, and the gradient passes through all the complex QRs.
H = Σ Sᵢ · Sᵢ₊₁ + D (SᵢˣSᵢ₊₁ʸ − SᵢʸSᵢ₊₁ˣ), spins ½, open ends.
U. Schollwöck, Ann. Phys. 326 (2011); S. Roberts, L. Roberts, arXiv:2009.10071.
"""

import numpy as np
from program import BLUE, GREEN, ORANGE, learn, options, panels

from dagsolve.linalg import qr

SPINS, CHIRALITY = 9, 0.6
X, Y, Z = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]]) / 2
PARTNERS = (X + CHIRALITY * Y, Y - CHIRALITY * X, Z)  # of X, Y and Z one place to the left


def random_train(spins=SPINS, bond=8, seed=0):
    """Complex cores (a, 2, b), where a and b are at most `bond` and what the chain's ends can hold."""
    rng, ends = np.random.default_rng(seed), [min(2**k, 2 ** (spins - k), bond) for k in range(spins + 1)]
    parts = [rng.standard_normal((2, a, 2, b)) for a, b in zip(ends, ends[1:], strict=False)]
    return [real + 1j * imaginary for real, imaginary in parts]


def canonical(train):
    """The same state of norm 1 with isometries as cores, up to a phase."""
    made, triangle = [], np.eye(1)
    for core in train:
        core = np.einsum("ab,bsc->asc", triangle, core)
        q, triangle = qr(core.reshape(-1, core.shape[2]), mode="economic")
        made.append(q.reshape(-1, 2, q.shape[1]))
    return made


def energy(train):
    """⟨ψ|H|ψ⟩ of the normalised state, from left to right: finished bonds, and bonds with one end."""
    total, ends = np.zeros((1, 1)), [np.zeros((1, 1))] * 3
    for core in canonical(train):

        def carried(left, operator, core=core):
            ket = np.einsum("ab,bsc->asc", left, np.einsum("st,btc->bsc", operator, core))
            return np.einsum("asd,asc->dc", np.conj(core), ket)

        total = carried(total, np.eye(2)) + sum(map(carried, ends, PARTNERS))
        ends = [carried(np.eye(core.shape[0]), spin) for spin in (X, Y, Z)]
    return np.real(total[0, 0])


def hamiltonian(spins=SPINS):
    """H as a matrix of 2ⁿ × 2ⁿ."""
    bond = sum(np.kron(a, b) for a, b in zip((X, Y, Z), PARTNERS, strict=True))
    return sum(np.kron(np.kron(np.eye(2**k), bond), np.eye(2 ** (spins - k - 2))) for k in range(spins - 1))


def main(arguments=None):
    chosen, lowest = options(__doc__, arguments, 60), np.linalg.eigvalsh(hamiltonian())[0]
    text = f"{SPINS} spins: energy above the exact {lowest:.4f}|Iteration of L-BFGS-B|"
    with panels(chosen.output / "tensor_train.png", text) as (axes,):
        for bond, color in ((2, ORANGE), (4, GREEN), (8, BLUE)):
            _, values = learn(energy, random_train(bond=bond), iterations=chosen.iterations)
            axes.semilogy(values - lowest, color=color, label=f"bonds of at most {bond}")


if __name__ == "__main__":
    main()
