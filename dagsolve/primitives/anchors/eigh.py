"""A = V diag(w) Vᴴ by tiles: the closed maps of `dagsolve.primitives.eigh` from the tiles of w and V alone.

Products and divided differences, tile by tile; of a complex V a column of tiles at a time, since its phases
are settled by the largest entry of a column. Only tiles of A on and below the diagonal carry a derivative.
"""

from dagsolve.kernels import choices, gauge
from dagsolve.kernels.dense import adjoint, is_complex, phi
from dagsolve.namespace import Array, Namespace
from dagsolve.primitives.anchors import grid
from dagsolve.primitives.anchors.grid import Grid, Label, Tiles
from dagsolve.primitives.settled import settled_tile
from dagsolve.primitives.weighed import settled_rates


def pushforward(xp: Namespace, values: Tiles, tangents: Tiles) -> dict[Label, Array]:
    w, v = _vectors(values, "w"), grid.part(values, "v")
    a_dot = grid.copyltu(xp, grid.part(tangents, "a"))
    k = grid.product(xp, grid.adjoint(xp, v), grid.product(xp, a_dot, v))
    v_dot = grid.product(xp, v, _divided(xp, w, k))
    complex_ = is_complex(v[0, 0])
    if complex_:
        for j in range(len(w)):
            column, moving = _column(xp, v, j, len(w)), _column(xp, v_dot, j, len(w))
            v_dot.update(_cut(moving - column * gauge.turning(xp, column, moving), v, j))
    w_dot: dict[Label, Array] = {}
    for j in range(len(w)):
        if (j, j) in k:
            rates = xp.linalg.diagonal(k[j, j])
            w_dot["w", j, 0] = xp.real(rates) if complex_ else rates
    return {**w_dot, **grid.labelled("v", v_dot)}


def pullback(xp: Namespace, values: Tiles, cotangents: Tiles) -> dict[Label, Array]:
    w, v = _vectors(values, "w"), grid.part(values, "v")
    w_bar, v_bar = grid.part(cotangents, "w"), grid.part(cotangents, "v")
    if w_bar and choices.policy() != "ignore":
        w_bar = _settled_rates(xp, w, w_bar, vectors=bool(v_bar))
    scaled = {(i, j): tile * w_bar[j, 0][..., None, :] for (i, j), tile in v.items() if (j, 0) in w_bar}
    if is_complex(v[0, 0]):
        v_bar = _without_turning(xp, v, v_bar, len(w))
    middle = grid.product(xp, v, _middle(xp, w, grid.product(xp, grid.adjoint(xp, v), v_bar)))
    stored = grid.lower_product(xp, grid.total(scaled, middle), grid.adjoint(xp, v))
    return grid.labelled(
        "a", {(i, j): 2 * phi(xp, tile) if i == j else 2 * tile for (i, j), tile in stored.items()}
    )


def _middle(xp: Namespace, w: list[Array], k: Grid) -> Grid:
    """F ∘ sk(K), as in the pullback of `dagsolve.primitives.eigh`: the tiles (i, j) and (j, i) at once."""
    if not k:
        return {}
    top = _largest(xp, w)
    peaks = _peaks(xp, w, k)
    order = sum(x.shape[-1] for x in w)
    made: Grid = {}
    for i in range(len(w)):
        for j in range(i + 1):
            x, y = k.get((i, j)), k.get((j, i))
            if x is None and y is None:
                continue
            x = 0.0 * adjoint(xp, y) if x is None else x
            y = 0.0 * adjoint(xp, x) if y is None else y
            skew = settled_tile(
                x, y, w[i], w[j], peaks[i], peaks[j], top,
                who="eigh", order=order, diagonal=i == j, policy=choices.policy(),
            )  # fmt: skip
            gaps = w[j][..., None, :] - w[i][..., :, None]
            made[i, j] = gauge.reciprocals(xp, gaps, top[..., None]) * skew
            if i > j:
                made[j, i] = adjoint(xp, made[i, j])
    return made


def _largest(xp: Namespace, w: list[Array]) -> Array:
    return xp.maximum(xp.abs(w[0][..., :1]), xp.abs(w[-1][..., -1:]))


def _peaks(xp: Namespace, w: list[Array], k: Grid) -> list[Array]:
    """max |·| of each column of K, tile by tile."""
    found: list[Array] = [0.0 * x for x in w]
    for (_, j), tile in sorted(k.items()):
        found[j] = xp.maximum(found[j], xp.max(xp.abs(tile), axis=-2))
    return found


def _settled_rates(xp: Namespace, w: list[Array], w_bar: Grid, *, vectors: bool) -> Grid:
    """w̄, looked at as a whole: equal values may stand in neighbouring tiles."""
    given = next(iter(w_bar.values()))
    lead = tuple(given.shape[:-1])
    bars = [
        w_bar[j, 0] if (j, 0) in w_bar else xp.zeros((*lead, *x.shape[-1:]), dtype=given.dtype)
        for j, x in enumerate(w)
    ]
    values, whole = xp.concat(w, axis=-1), xp.concat(bars, axis=-1)
    seen = settled_rates(whole, values, who="eigh", zeros=False, vectors=vectors, policy=choices.policy())
    made: Grid = {}
    start = 0
    for j, x in enumerate(w):
        made[j, 0] = seen[..., start : start + x.shape[-1]]
        start += x.shape[-1]
    return made


def _divided(xp: Namespace, w: list[Array], k: Grid) -> Grid:
    """F ∘ K, with F of the gaps between the eigenvalues of two tiles."""
    largest = _largest(xp, w)[..., None]
    return {
        (i, j): gauge.reciprocals(xp, w[j][..., None, :] - w[i][..., :, None], largest) * tile
        for (i, j), tile in k.items()
    }


def _without_turning(xp: Namespace, v: Grid, v_bar: Grid, count: int) -> Grid:
    """V̄ without what only turns phases, which the entries that are kept real carry instead."""
    made: Grid = {}
    for j in sorted({j for _, j in v_bar}):
        given = next(tile for (_, l), tile in v_bar.items() if l == j)
        lead = tuple(given.shape[:-2])
        filled = {
            (i, j): v_bar[i, j] if (i, j) in v_bar else xp.zeros((*lead, *v[i, j].shape), dtype=given.dtype)
            for i in range(count)
        }
        column, bar = _column(xp, v, j, count), _column(xp, filled, j, count)
        turning = gauge.turning_cotangent(xp, column, gauge.phase_part(xp, column, bar))
        made.update(_cut(bar - turning, v, j))
    return made


def _vectors(tiles: Tiles, name: str) -> list[Array]:
    found = grid.part(tiles, name)
    return [found[i, 0] for i in range(len(found))]


def _column(xp: Namespace, v: Grid, j: int, count: int) -> Array:
    """A column of tiles in one piece."""
    return xp.concat([v[i, j] for i in range(count)], axis=-2) if count > 1 else v[0, j]


def _cut(column: Array, like: Grid, j: int) -> Grid:
    """A column in the tiles of another grid."""
    made: Grid = {}
    start = 0
    for i in range(1 + max(i for i, _ in like)):
        rows = like[i, j].shape[-2]
        made[i, j] = column[..., start : start + rows, :]
        start += rows
    return made
