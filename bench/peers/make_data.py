"""Makes vectors to search: DIR/NAME.base.fbin, NAME.query.fbin and the exact NAME.truth.ibin.

  mixture      clusters of different sizes and widths, shuffled
  uniform      no structure at all
  duplicates   the mixture, every tenth row a copy of another
  copies       the mixture, 10 of its rows with 1,000 copies each
  sorted       the mixture, one cluster after the other; the queries are shuffled
  reversed     the same backwards
"""

import argparse
import os

import numpy as np

import vectors

KINDS = ("mixture", "uniform", "duplicates", "copies", "sorted", "reversed")


def mixture(random, rows, dimension):
    """Rows and the cluster of each. Clusters differ in size and width and have few directions of
    their own, as topics of text do."""
    clusters = max(1, int(rows**0.5))
    inner = max(1, dimension // 8)
    centres = random.standard_normal((clusters, dimension), np.float32)
    weights = random.pareto(1.5, clusters) + 0.1
    of = np.sort(random.choice(clusters, rows, p=weights / weights.sum()))
    made = np.empty((rows, dimension), np.float32)
    for cluster in range(clusters):
        mine = slice(*np.searchsorted(of, [cluster, cluster + 1]))
        count = mine.stop - mine.start
        directions = random.standard_normal((inner, dimension), np.float32) / inner**0.5
        width = random.uniform(0.5, 1.2)
        made[mine] = centres[cluster] + width * (
            random.standard_normal((count, inner), np.float32) @ directions
            + 0.3 * random.standard_normal((count, dimension), np.float32))
    return made, of


def make(kind, rows, queries, dimension, seed):
    random = np.random.default_rng(seed)
    if kind == "uniform":
        made = random.standard_normal((rows + queries, dimension), np.float32)
        return made[:rows], made[rows:]
    made, _ = mixture(random, rows + queries, dimension)
    order = random.permutation(rows + queries)
    base, query = made[np.sort(order[:rows])], made[order[rows:]]
    if kind == "sorted":
        return base, query
    if kind == "reversed":
        return base[::-1], query
    base = base[random.permutation(rows)]
    if kind == "duplicates":
        copies = random.choice(rows, rows // 10, replace=False)
        base[copies] = base[random.integers(0, rows, len(copies))]
    if kind == "copies":
        each = min(1000, rows // 20)
        places = random.choice(rows, 10 * each, replace=False)
        base[places] = np.repeat(base[places[:10]], each, axis=0)
        query[:10] = base[places[::each]] + 1e-3  # beside each of the ten
    return base, query


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("directory")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--dimension", type=int, default=768)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-k", type=int, default=100, help="neighbours in the truth")
    parser.add_argument("--metric", choices=vectors.METRICS, default="cosine")
    options = parser.parse_args()
    name = f"{options.kind}-{options.rows}x{options.dimension}-{options.seed}"
    base, query = make(options.kind, options.rows, options.queries, options.dimension,
                       options.seed)
    prefix = os.path.join(options.directory, name)
    os.makedirs(options.directory, exist_ok=True)
    vectors.write(prefix + ".base.fbin", base, np.float32)
    vectors.write(prefix + ".query.fbin", query, np.float32)
    truth = vectors.exact(base, query, min(options.k, options.rows), options.metric)
    vectors.write(prefix + ".truth.ibin", truth, np.int32)
    print(prefix)


if __name__ == "__main__":
    main()
