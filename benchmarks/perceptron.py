"""Gradients of multilayer perceptrons (float32): a wide one, all products, and a deep one, all calls."""

import numpy as np

import dagsolve as ds
from benchmarks.measure import alternated


def loss(weights, x, np=np):
    for w in weights:
        x = np.tanh(x @ w)
    return np.mean(x**2)


def problem(layers: int, width: int, batch: int):
    rng = np.random.default_rng(0)
    scale = np.float32(width**-0.5)
    weights = [scale * rng.normal(size=(width, width)).astype(np.float32) for _ in range(layers)]
    return weights, rng.normal(size=(batch, width)).astype(np.float32)


def peers(weights, x):
    """Gradients of the installed peers, as functions without arguments."""
    found = {}
    try:
        import jax
        import jax.numpy as jnp

        compiled = jax.jit(jax.value_and_grad(lambda w, x: loss(w, x, jnp)))
        on_device = [jnp.asarray(w) for w in weights], jnp.asarray(x)
        found["jax"] = lambda: jax.block_until_ready(compiled(*on_device))
    except ImportError:
        pass
    try:
        import torch

        parameters = [torch.tensor(w, requires_grad=True) for w in weights]
        inputs = torch.tensor(x)

        def backward():
            out = inputs
            for w in parameters:
                w.grad = None
            for w in parameters:
                out = torch.tanh(out @ w)
            (out**2).mean().backward()

        found["torch"] = backward
    except ImportError:
        pass
    try:
        import autograd
        import autograd.numpy as anp

        tape = autograd.value_and_grad(lambda w, x: loss(w, x, anp))
        found["autograd"] = lambda: tape(weights, x)
    except ImportError:
        pass
    return found


CASES = (("10 x 512, batch 1024", 10, 512, 1024, True), ("1000 x 64, batch 64", 1000, 64, 64, False))


def main(rounds: int = 5) -> list[dict[str, object]]:
    rows = []
    for name, layers, width, batch, chunked in CASES:
        weights, x = problem(layers, width, batch)
        options = {"chunks": {1: (batch // 2, width)}} if chunked else {}
        ours = ds.value_and_grad(loss, scheduler="threads", progress=False, **options)
        contenders = {"dagsolve": lambda ours=ours, weights=weights, x=x: ours(weights, x)}
        contenders.update({k: f for k, f in peers(weights, x).items() if chunked or k != "jax"})
        medians = alternated(contenders, rounds)
        row: dict[str, object] = {"network": name}
        row.update({f"{k} ms": f"{1e3 * seconds:.0f}" for k, seconds in medians.items()})
        best = min(seconds for k, seconds in medians.items() if k != "dagsolve")
        row["dagsolve / best peer"] = f"{medians['dagsolve'] / best:.2f}"
        rows.append(row)
    return rows
