"""Where blocks run: by earliest finish, as real runs ask for it, beside a cyclic grid of workers.

Simulated runs of a tiled Cholesky gradient and of a tiled product's. On the grid, worker
(i mod P) Q + j mod Q owns tile (i, j) of each matrix; a block runs where the tile is owned whose chain of
values it is part of.
"""

import argparse
import math
from collections import Counter

import numpy as np

import dagsolve as ds
from benchmarks.executors import cholesky_sum
from benchmarks.simulation import product
from dagsolve.scheduler.placement import homes
from dagsolve.tables import duration

MACHINES = {
    "4 cores, 10 Gbit/s": (1024, ds.Cluster(threads=4)),
    "4 GPUs, 200 Gbit/s": (8192, ds.Cluster(gpus=4, network_bytes_per_second=25e9)),
}


PROGRAMS = {"Cholesky": (cholesky_sum, 1), "product": (product, 2)}


def on_grid(dag, tiles, workers):
    """Worker of each block by its tile; `tiles` says (i, j) of given and wanted values.

    A value that one block alone reads, and that is no smaller than what this block writes, ties it to the
    block that makes it. Ties lead from given and to wanted tiles; other blocks follow their neighbours.
    """
    chain = list(range(len(dag)))

    def end(k):
        while chain[k] != k:
            chain[k] = k = chain[chain[k]]
        return k

    for value, readers in dag.consumers.items():
        if value in dag.producer and len(readers) == 1:
            if 2 * dag.value_nbytes(value) >= max(dag.value_nbytes(w) for w in dag.blocks[readers[0]].writes):
                chain[end(dag.producer[value])] = end(readers[0])
    known = {}
    for value, tile in tiles.items():
        if value in dag.producer:
            known.setdefault(end(dag.producer[value]), tile)
        if len(readers := dag.consumers.get(value, ())) == 1:
            known.setdefault(end(readers[0]), tile)
    tile_of = [known.get(end(k)) for k in range(len(dag))]
    for block in dag.blocks:
        if tile_of[block.index] is None:
            votes = Counter()
            for value in block.reads:
                made = dag.producer.get(value)
                near = tiles.get(value) if made is None else tile_of[made]
                if near is not None:
                    votes[near] += dag.value_nbytes(value)
            tile_of[block.index] = votes.most_common(1)[0][0] if votes else (0, 0)
    rows = max(p for p in range(1, math.isqrt(workers) + 1) if workers % p == 0)
    columns = workers // rows
    return [(i % rows) * columns + j % columns for i, j in tile_of]


def tiles_of(layouts):
    return {
        value: place
        for layout in layouts
        if len(layout.chunks) == 2
        for value, place in zip(layout.values, np.ndindex(*map(len, layout.chunks)), strict=True)
    }


def main(tiles=(16,), workers=(4, 16, 64)) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for name, (f, operands) in PROGRAMS.items():
        for machine, (size, one) in MACHINES.items():
            for p in tiles:
                for count in workers:
                    cluster = ds.Cluster(**{**vars(one), "workers": count})
                    fn = ds.value_and_grad(f, chunks=size, scheduler=cluster)
                    args = (ds.spec((size * p, size * p)),) * operands
                    compiled = fn._compiled(args)
                    plan = compiled.plan
                    layouts = (*compiled.tiled.inputs, *compiled.outputs, *compiled.derivatives)
                    places = {
                        "finish": homes(plan.dag, [cluster.slots] * count, cluster.rates),
                        "grid": on_grid(plan.dag, tiles_of(layouts), count),
                    }
                    row: dict[str, object] = {
                        "gradient of": f"{name}, {p} × {p} tiles of {size:,}",
                        "workers": f"{count} with {machine}",
                    }
                    for way, chosen in places.items():
                        found = ds.simulate(plan, cluster, places=chosen)
                        row[way] = f"{duration(found.seconds)}, {found.moved_bytes / 2**30:,.3g} GiB"
                        row["bound"] = duration(
                            max(found.critical_seconds, found.busy_seconds.sum() / count / cluster.slots)
                        )
                    rows.append(row)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, nargs="+", default=[16])
    parser.add_argument("--workers", type=int, nargs="+", default=[4, 16, 64])
    options = parser.parse_args()
    for found in main(options.tiles, options.workers):
        print("  ".join(map(str, found.values())))  # noqa: T201
