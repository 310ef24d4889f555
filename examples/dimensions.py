"""Dimensional analysis by a wide QR, and the units of the constant of gravitation learned from orbits.

Quantities are columns of a matrix D of their exponents of length and time. Wide QR, D = Q [U V], gives the
dimensionless products: exponents [−U⁻¹V; I] span the null space. If the units (p, q) of G M, mᵖ s^q, are not
known, the right ones make the product the same for all orbits: the gradient passes through the wide QR.
E. Buckingham, Phys. Rev. 4 (1914); S. Roberts, L. Roberts, arXiv:2009.10071. Orbits: NASA's fact sheets.
"""

import numpy as np
from program import BLUE, GREY, ORANGE, learn, options, panels

from dagsolve.linalg import qr, solve_triangular

SUN, JUPITER = 1.32712e20, 1.26687e17  # G M in m³ s⁻²
ORBITS = np.array(  # period in days, half the major axis in 10⁶ km, G M: eight planets, four moons
    [(87.969, 57.909, SUN), (224.701, 108.21, SUN), (365.256, 149.598, SUN), (686.98, 227.956, SUN)]
    + [(4332.589, 778.479, SUN), (10759.22, 1432.041, SUN), (30685.4, 2867.043, SUN), (60189, 4514.953, SUN)]
    + [(1.769138, 0.4218, JUPITER), (3.551181, 0.6711, JUPITER), (7.154553, 1.0704, JUPITER)]
    + [(16.689017, 1.8827, JUPITER)]
) * (86400.0, 1e9, 1.0)  # fmt: skip
START = np.zeros(2)
PIPE = np.array(  # of pressure drop, speed, diameter, length, viscosity, density: length, time and mass
    [[-1.0, 1, 1, 1, -1, -3], [-2, -1, 0, 0, -1, 0], [1, 0, 0, 0, 1, 1]]
)


def dimensionless(d):
    """Exponents (n, n − m) of the products without dimension, of d (m, n) whose first m are independent."""
    m = d.shape[0]
    _, r = qr(d, mode="economic")
    return np.concatenate([-solve_triangular(r[:, :m], r[:, m:]), np.eye(d.shape[1] - m)])


def products(units, orbits):
    """Logarithms (k,) of the dimensionless product of period, axis and G M for the orbits (k, 3)."""
    known = np.array([[0.0, 1.0], [1.0, 0.0]])  # period and axis: length in the first row, time in the second
    d = np.concatenate([known, np.reshape(units, (2, 1))], axis=1)
    return np.log(orbits) @ dimensionless(d)[:, 0]


def spread(units, orbits):
    """Variance of the logarithms of the product."""
    return np.var(products(units, orbits))


def main(arguments=None):
    chosen = options(__doc__, arguments)
    units, _ = learn(spread, START, ORBITS, iterations=chosen.iterations)
    print("Units of G M: m^{:.3f} s^{:.3f}".format(*units))
    print(f"Products of a pipe's flow\n{np.round(dimensionless(PIPE), 12)}")
    a, b = np.linspace(-1, 5, 31), np.linspace(-4, 2, 29)
    grid = [[np.sqrt(spread(np.array([p, q]), ORBITS)) for p in a] for q in b]
    text = "Standard deviation of log of the product|p: power of length|q: power of time"
    with panels(chosen.output / "dimensions.png", text) as (axes,):
        axes.clabel(axes.contour(a, b, grid, levels=2.0 ** np.arange(-1, 5), colors=GREY))
        axes.plot(*START, "o", color=BLUE, label="start")
        axes.plot(*units, "o", color=ORANGE, label="learned: m³ s⁻²")


if __name__ == "__main__":
    main()
