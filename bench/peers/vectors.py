"""Files of vectors (.fbin: int32 n, int32 d, n*d float32) and of row numbers (.ibin: the same with
int32), the exact neighbours of queries, and the share of them that an answer has."""

import os

import numpy as np

METRICS = ("cosine", "dot", "l2")
TIE = 1e-6  # a row as near as the k-th to this part counts as found


def read(path, kind):
    """A read-only array backed by the file."""
    rows, width = np.fromfile(path, np.int32, 2)
    if os.path.getsize(path) != 8 + 4 * int(rows) * int(width):
        raise SystemExit(f"{path} does not hold {rows} rows of {width} values; make it again")
    return np.memmap(path, kind, "r", 8, (int(rows), int(width)))


def read_fbin(path):
    return read(path, np.float32)


def read_ibin(path):
    return read(path, np.int32)


def write(path, array, kind):
    with open(path, "wb") as file:
        np.array(array.shape, np.int32).tofile(file)
        np.ascontiguousarray(array, kind).tofile(file)


def normalised(array):
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    return (array / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def scores(queries, rows, metric):
    """Larger is nearer. queries: (q, d); rows: (q, r, d), or (r, d) for all queries."""
    if metric == "cosine":
        queries = queries / np.linalg.norm(queries, axis=-1, keepdims=True)
        rows = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    if rows.ndim == 2:
        dots = queries @ rows.T
    else:
        dots = np.einsum("qd,qrd->qr", queries, rows)
    if metric != "l2":
        return dots
    return 2 * dots - np.sum(queries**2, -1, keepdims=True) - np.sum(rows**2, -1)


def exact(base, queries, k, metric, block=50_000):
    """The k nearest rows of each query, nearest first."""
    best = np.empty((len(queries), 0), np.float32)
    rows = np.empty((len(queries), 0), np.int64)
    spare = k + 16  # what float32 may rank wrongly is ranked again below
    for first in range(0, len(base), block):
        part = scores(np.asarray(queries), np.asarray(base[first:first + block]), metric)
        best = np.hstack([best, part])
        new = np.broadcast_to(np.arange(first, first + part.shape[1]), part.shape)
        rows = np.hstack([rows, new])
        if best.shape[1] > spare:
            kept = np.argpartition(-best, spare - 1, axis=1)[:, :spare]
            best = np.take_along_axis(best, kept, 1)
            rows = np.take_along_axis(rows, kept, 1)
    ranked = np.concatenate([
        scores(queries[i:i + 100].astype(np.float64), base[rows[i:i + 100]].astype(np.float64),
               metric) for i in range(0, len(queries), 100)])
    order = np.lexsort((rows, -ranked))[:, :k]
    return np.take_along_axis(rows, order, 1).astype(np.int32)


def recall(found, truth, base, queries, metric):
    """(by score, by id): of the k nearest; by score a row as near as the k-th counts as well."""
    by_score = by_id = 0
    for i, query in enumerate(queries):
        rows = np.unique(found[i][found[i] >= 0])
        query = query[None].astype(np.float64)
        limit = scores(query, base[truth[i][-1:]].astype(np.float64), metric)[0, 0]
        named = np.isin(rows, truth[i])
        near = scores(query, base[rows].astype(np.float64), metric)[0] >= limit - TIE * abs(limit)
        by_id += named.sum()
        by_score += (named | near).sum()
    return by_score / truth.size, by_id / truth.size
