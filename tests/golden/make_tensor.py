#!/usr/bin/python3
"""Make tests/golden/tensor.npz with NumPy: what tests/lua/test_tensor_numpy.lua compares with.

    /usr/bin/python3 tests/golden/make_tensor.py             (Debian: python3-numpy)

A case NAME has arrays NAME.in0, .in1 ... and NAME.out0, .out1 ...; the Lua test has a function of
the same name. Truth values are stored as float32.
"""
import os

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
R = np.random.RandomState(20)


def floats(*shape):
    return np.round(R.uniform(-3, 3, shape), 3)


def ints(*shape, low=-9, high=10):
    return R.randint(low, high, shape).astype(np.int64)


def spd(n):
    a = R.randn(n, n)
    return a @ a.T + n * np.eye(n)


def topk(x, k):
    places = np.argsort(-x, -1, kind="stable")[..., :k]
    return np.take_along_axis(x, places, -1), places


CASES = {}


def case(name, inputs, function):
    inputs = [np.asarray(x) for x in inputs]
    made = function(*inputs)
    made = made if isinstance(made, tuple) else (made,)
    if inputs and all(x.dtype.kind == "i" for x in inputs):  # int64 becomes float32, not float64
        made = tuple(np.asarray(x, np.float32) if np.asarray(x).dtype.kind == "f" else x for x in made)
    CASES[name] = (inputs, made)


def both(name, shape, function, **limits):
    """The same on float64 and on int64."""
    case(name, [floats(*shape)], function)
    case(name + "_int", [ints(*shape, **limits)], function)


def arithmetic():
    for name, f in {"add": np.add, "sub": np.subtract, "mul": np.multiply, "maximum": np.maximum,
                    "minimum": np.minimum, "equal": np.equal, "not_equal": np.not_equal,
                    "less": np.less, "less_equal": np.less_equal, "greater": np.greater,
                    "greater_equal": np.greater_equal}.items():
        case(name, [floats(3, 5), floats(5)], f)
        case(name + "_int", [ints(3, 1), ints(4, low=-2, high=3)], f)
        case(name + "_mixed", [ints(4), floats(3, 1)], f)
    divisors = np.array([3, -3, 2, -7, 5], np.int64)
    for name, f in {"floor_divide": np.floor_divide, "remainder": np.remainder}.items():
        case(name, [floats(3, 5), floats(5)], f)
        case(name + "_int", [ints(4, 5), divisors], f)
    case("div", [floats(3, 5), floats(5)], np.divide)
    case("div_int", [ints(3, 5), divisors], np.divide)
    case("pow", [np.abs(floats(3, 5)), floats(5)], np.power)
    case("pow_int", [ints(3, 5), np.arange(5)], np.power)
    both("neg", (2, 3), np.negative)
    both("abs", (2, 3), np.abs)
    both("sign", (2, 3), np.sign)
    both("square", (2, 3), np.square)
    both("clip", (3, 5), lambda x: np.clip(x, -2, 2))
    both("where", (3, 5), lambda x: np.where(x > 0, x, -x))
    case("round", [np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.4])], np.round)
    case("floor", [floats(7)], np.floor)
    case("ceil", [floats(7)], np.ceil)
    case("isnan", [np.array([1, np.nan, np.inf])], np.isnan)
    case("exp_int", [ints(5, low=-2, high=3)], np.exp)
    case("logic", [ints(7, low=-1, high=2), ints(7, low=-1, high=2)],
         lambda a, b: ((a != 0) & (b != 0) | (a == 0)))
    case("empty_add", [floats(0, 3), floats(3)], np.add)
    case("one_add", [floats(1), floats(1, 1)], np.add)


def reductions():
    for name, f in {"sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min}.items():
        both(name, (2, 3, 4), lambda x: f(x))
        both(name + "_axis", (2, 3, 4), lambda x: f(x, axis=-2))
        both(name + "_axes", (2, 3, 4), lambda x: f(x, axis=(0, 2)))
        both(name + "_keep", (2, 3, 4), lambda x: f(x, axis=1, keepdims=True))
    both("sum_empty", (0, 3), lambda x: x.sum(0))
    both("sum_one", (1,), lambda x: x.sum())
    both("mean", (3, 5), lambda x: x.mean(1))
    both("variance", (3, 5), lambda x: x.var(0, ddof=1))
    both("std", (3, 5), lambda x: x.std(1, ddof=1))
    both("norm", (3, 5), lambda x: np.linalg.norm(x, axis=1))
    both("argmax", (4, 6), lambda x: x.argmax(1), low=-2, high=3)
    both("argmin", (4, 6), lambda x: x.argmin(0), low=-2, high=3)
    both("cumsum", (3, 5), lambda x: x.cumsum(0))
    both("cumprod", (3, 5), lambda x: x.cumprod(1), low=-3, high=4)
    both("all_axis", (3, 4), lambda x: (np.round(x) != 0).all(1), low=-1, high=2)
    both("any_axis", (3, 2), lambda x: (np.round(x) != 0).any(0), low=-1, high=2)


def order():
    both("sort", (3, 17), lambda x: np.sort(x, -1, kind="stable"))
    both("sort_first", (9, 3), lambda x: np.sort(x, 0, kind="stable"))
    both("argsort", (3, 17), lambda x: np.argsort(x, -1, kind="stable"), low=-3, high=4)
    both("topk", (3, 8), lambda x: topk(x, 3), low=-3, high=4)

    def unique(x):
        values, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
        return values, counts, inverse.reshape(x.shape)
    both("unique", (4, 5), unique, low=-3, high=4)
    case("unique_float_ties", [np.round(floats(4, 5))], unique)
    case("bincount", [ints(20, low=0, high=7)], np.bincount)
    case("bincount_weights", [ints(9, low=0, high=4), floats(9)],
         lambda x, w: np.bincount(x, w, 6))
    case("nonzero", [np.round(floats(3, 4))], lambda x: np.argwhere(x != 0))
    case("one_hot", [ints(2, 3, low=0, high=4)], lambda x: np.eye(4, dtype=np.float32)[x])


def shapes():
    both("flip", (2, 3, 4), lambda x: np.flip(x))
    both("flip_axis", (2, 3, 4), lambda x: np.flip(x, -2))
    both("roll", (3, 5), lambda x: np.roll(x, 2, 0))
    both("tile", (2, 3), lambda x: np.tile(x, (2, 1, 3)))
    both("repeat_interleave", (2, 3), lambda x: np.repeat(x, 3, 1))
    both("repeat_flat", (2, 3), lambda x: np.repeat(x, 2))
    both("tril", (3, 4), lambda x: np.tril(x, 1))
    both("triu", (3, 4), lambda x: np.triu(x, -1))
    both("diag", (3,), np.diag)
    both("diag_of", (3, 4), np.diag)
    both("squeeze", (1, 3, 1), np.squeeze)
    both("unsqueeze", (2, 3), lambda x: x[:, None])
    both("split", (7, 2), lambda x: tuple(np.split(x, [3, 6])))
    both("chunk", (2, 7), lambda x: tuple(np.array_split(x, [3, 6], 1)))
    both("transpose", (2, 3, 4), lambda x: x.transpose(2, 0, 1))
    case("stack", [floats(2, 3), floats(2, 3), floats(2, 3)], lambda *x: np.stack(x, -1))
    case("concat", [floats(2, 3), floats(2, 1), floats(2, 2)], lambda *x: np.concatenate(x, 1))
    case("concat_mixed", [ints(2, 3), floats(1, 3)], lambda *x: np.concatenate(x))
    case("meshgrid", [floats(3), floats(4)], lambda a, b: tuple(np.meshgrid(a, b, indexing="ij")))
    both("gather", (3, 5), lambda x: np.take_along_axis(x, np.array([[0, 4], [1, 1], [3, 2]]), 1))


def indexing():
    x = floats(5, 4, 3)
    parts = {"row": x[1], "last": x[-1], "range": x[1:4], "step": x[::2], "reverse": x[::-1],
             "column": x[:, 2], "part": x[1:3, 0, 1:], "mask": x[x > 1], "places": x[[3, 0, -1]],
             "grid": x[np.array([[0, 1], [4, 2]])], "mask_rows": x[np.array([1, 0, 1, 1, 0]) == 1],
             "middle_places": x[:, [2, 0]], "nothing": x[3:3]}
    for name, part in parts.items():
        case("index_" + name, [x], lambda _, part=part: part)

    def writes(x):
        x = x.copy()
        x[0] = 7
        x[1, 2] = [1, 2, 3]
        x[2:4, :, 1] = np.arange(8).reshape(2, 4)
        x[x < -2] = 0
        x[[4, 4], 0] = 5
        x[-1, :, ::2] = x[-2, :, :2]
        return x
    both("index_write", (5, 4, 3), writes)


def products():
    both("matmul", (3, 3), lambda x: x @ x.T)
    case("matmul_batch", [floats(2, 3, 4), floats(2, 4, 5)], np.matmul)
    case("matmul_int_batch", [ints(2, 3, 4), ints(4, 5)], np.matmul)
    case("dot_vectors", [floats(5), floats(5)], np.dot)
    case("dot_matrix", [floats(3, 5), floats(5)], np.dot)
    case("dot_left", [floats(3), floats(3, 5)], np.dot)
    case("outer", [floats(3), floats(4)], np.outer)
    for i, (spec, a, b) in enumerate([
            ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ij,kj->ik", (2, 3), (4, 3)),
            ("ji,jk->ki", (3, 2), (3, 4)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
            ("bij,bkj->kbi", (2, 3, 4), (2, 5, 4)), ("i,j->ij", (3,), (4,)), ("i,i->", (5,), (5,)),
            ("ij,ij->i", (3, 4), (3, 4)), ("ijk,jl->il", (2, 3, 4), (3, 5)),
            ("bhqd,bhkd->bhqk", (2, 3, 2, 4), (2, 3, 5, 4)), ("ij,k->kj", (2, 3), (4,))]):
        case(f"einsum_{i}", [floats(*a), floats(*b)], lambda a, b, s=spec: np.einsum(s, a, b))
    case("einsum_sum", [floats(2, 3)], lambda a: np.einsum("ij->j", a))
    case("einsum_transpose", [floats(2, 3, 4)], lambda a: np.einsum("ijk->kij", a))
    case("einsum_int", [ints(2, 3), ints(3, 4)], lambda a, b: np.einsum("ij,jk->ki", a, b))


def signs(q):
    """Factors are unique up to signs: make the first row positive."""
    return q * np.where(q[..., :1, :] < 0, -1, 1)


def algebra():
    linalg = np.linalg
    case("solve", [spd(4), floats(4)], linalg.solve)
    case("solve_many", [spd(4), floats(4, 3)], linalg.solve)
    case("solve_stack", [np.stack([spd(3), spd(3)]), floats(2, 3, 2)], linalg.solve)
    case("inv", [floats(5, 5)], linalg.inv)
    case("inv_stack", [floats(2, 3, 3)], linalg.inv)
    case("det", [floats(2, 4, 4)], linalg.det)
    case("det_empty", [floats(0, 0)], linalg.det)
    case("det_int", [ints(3, 3)], linalg.det)
    case("cholesky", [np.stack([spd(4), spd(4)])], linalg.cholesky)
    for name, shape in {"tall": (5, 3), "wide": (3, 5), "stack": (2, 4, 4), "one": (1, 1)}.items():
        case("qr_" + name, [floats(*shape)], lambda x: np.abs(linalg.qr(x)[1]) if x.ndim == 2
             else np.abs(np.stack([linalg.qr(m)[1] for m in x])))
        case("svd_" + name, [floats(*shape)], lambda x: linalg.svd(x)[1])
    case("eigh", [np.stack([spd(4), spd(4)])], lambda x: (linalg.eigh(x)[0], signs(linalg.eigh(x)[1])))
    case("lstsq_tall", [floats(6, 3), floats(6, 2)], lambda a, b: linalg.lstsq(a, b, rcond=None)[0])
    case("lstsq_wide", [floats(3, 6), floats(3)], lambda a, b: linalg.lstsq(a, b, rcond=None)[0])


def creation():
    case("eye", [], lambda: np.eye(3, 4))
    case("linspace", [], lambda: np.linspace(-1, 2, 7))
    case("arange_int", [], lambda: np.arange(3, 20, 4))


EDGES = {
    "sort": lambda x: np.sort(x, -1), "argsort": lambda x: np.argsort(x, -1), "neg": np.negative,
    "cumsum": lambda x: x.cumsum(0), "cumprod": lambda x: x.cumprod(-1), "flip": np.flip,
    "sum": np.sum, "prod": np.prod, "sum_last": lambda x: x.sum(-1), "transpose": np.transpose,
    "flatten": np.ravel, "round": np.round, "where": lambda x: np.where(x > 0, x, 0),
    "tile": lambda x: np.tile(x, 2), "repeat_interleave": lambda x: np.repeat(x, 2, -1),
    "roll": lambda x: np.roll(x, 1, -1), "square": np.square, "nonzero": np.argwhere,
    "concat": lambda x: np.concatenate([x, x], -1), "stack": lambda x: np.stack([x, x]),
    "unsqueeze": lambda x: x[..., None], "greater": lambda x: x > 0, "mask": lambda x: x[x > 0]}


def edges():
    """Functions on tensors of no elements, of one, and of one axis."""
    for label, shape in {"none": (0,), "no_rows": (0, 3), "no_columns": (2, 0), "one": (1,),
                         "lone": (1, 1, 1)}.items():
        for kind, x in {"float": floats(*shape), "int": ints(*shape)}.items():
            for name, function in EDGES.items():
                made = np.asarray(function(x))
                if made.dtype.kind == "f" and kind == "int":
                    made = made.astype(np.float32)
                EDGE_CASES[f"{name}.{label}.{kind}"] = (x, made)


EDGE_CASES = {}


def main():
    for make in (arithmetic, reductions, order, shapes, indexing, products, algebra, creation):
        make()
    arrays = {}
    for name, (inputs, outputs) in CASES.items():
        for kind, list_ in (("in", inputs), ("out", outputs)):
            for i, array in enumerate(list_):
                array = np.asarray(array)
                if array.dtype.kind == "b":
                    array = array.astype(np.float32)
                arrays[f"{name}.{kind}{i}"] = np.ascontiguousarray(array).reshape(array.shape)
    edges()
    for name, (x, made) in EDGE_CASES.items():
        _, label, kind = name.split(".")
        arrays[f"edge.{label}.{kind}"] = x
        arrays["edge_out." + name] = made.astype(np.float32) if made.dtype.kind == "b" else made
    np.savez_compressed(os.path.join(HERE, "tensor.npz"), **arrays)
    print(f"{len(CASES)} cases, {len(arrays)} arrays")


main()
