"""The peers behind one shape. An index is made, built from rows, told its search parameter, and
searched; `insert` adds one row, `save` and `load` go through one file. Vectors come normalised when
the metric is the cosine, outside of all timing."""

import math
from importlib.metadata import version

EFFORTS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
PROBES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)


class HnswLib:
    parameter, sweep = "ef", EFFORTS

    def __init__(self, dimension, metric):
        import hnswlib
        self.module, self.version = hnswlib, "hnswlib " + version("hnswlib")
        self.space, self.dimension = {"l2": "l2"}.get(metric, "ip"), dimension
        self.index = hnswlib.Index(self.space, dimension)

    def build(self, rows, threads):
        self.index.init_index(len(rows) + 2000, M=16, ef_construction=200)
        self.index.add_items(rows, num_threads=threads)

    def insert(self, row):
        self.index.add_items(row, num_threads=1)

    def tune(self, value):
        self.index.set_ef(value)

    def search(self, queries, k, threads):
        return self.index.knn_query(queries, k, num_threads=threads)[0]

    def save(self, path):
        self.index.save_index(path)

    def load(self, path):
        self.index = self.module.Index(self.space, self.dimension)
        self.index.load_index(path)


class Usearch:
    parameter, sweep = "expansion", EFFORTS

    def __init__(self, dimension, metric, kind):
        import usearch
        from usearch.index import Index
        self.version = "usearch " + usearch.__version__
        metric = {"cosine": "cos", "dot": "ip", "l2": "l2sq"}[metric]
        self.index = Index(ndim=dimension, metric=metric, dtype=kind, connectivity=16,
                           expansion_add=200)

    def build(self, rows, threads):
        self.index.add(range(len(rows)), rows, threads=threads)

    def insert(self, row):
        self.index.add(len(self.index), row[0])

    def tune(self, value):
        self.index.expansion_search = value

    def search(self, queries, k, threads):
        return self.index.search(queries, k, threads=threads).keys.reshape(len(queries), -1)

    def save(self, path):
        self.index.save(path)

    def load(self, path):
        self.index.load(path)


class Faiss:
    def __init__(self, dimension, metric):
        import faiss
        self.faiss, self.version = faiss, "faiss " + faiss.__version__
        self.dimension = dimension
        self.metric = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT

    def build(self, rows, threads):
        self.faiss.omp_set_num_threads(threads)
        self.index = self.make(len(rows))
        if not self.index.is_trained:
            self.index.train(rows)
        self.index.add(rows)

    def insert(self, row):
        self.faiss.omp_set_num_threads(1)
        self.index.add(row)

    def tune(self, value):
        self.faiss.ParameterSpace().set_index_parameter(self.index, self.parameter, value)

    def search(self, queries, k, threads):
        self.faiss.omp_set_num_threads(threads)
        return self.index.search(queries, k)[1]

    def save(self, path):
        self.faiss.write_index(self.index, path)

    def load(self, path):
        self.index = self.faiss.read_index(path)


class FaissHnsw(Faiss):
    parameter, sweep = "efSearch", EFFORTS

    def make(self, _):
        index = self.faiss.IndexHNSWFlat(self.dimension, 16, self.metric)
        index.hnsw.efConstruction = 200
        return index


class FaissIvf(Faiss):
    parameter, sweep = "nprobe", PROBES

    def __init__(self, dimension, metric, codes):
        super().__init__(dimension, metric)
        self.codes = codes

    def make(self, rows):
        lists = max(1, int(4 * math.sqrt(rows)))
        index = self.faiss.index_factory(self.dimension, f"IVF{lists},{self.codes}", self.metric)
        if self.codes.endswith("RFlat"):
            index.k_factor = 10
        return index


class Glass:
    """pyglass: HNSW, R 32, SQ8. It has no insert, and saves its graph without the rows."""
    parameter, sweep = "ef", EFFORTS
    insert = save = None

    def __init__(self, dimension, metric):
        import glassppy
        self.glass, self.version = glassppy, "glassppy " + version("glassppy")
        self.dimension, self.metric = dimension, "IP" if metric == "dot" else "L2"

    def build(self, rows, threads):
        self.glass.set_num_threads(threads)
        graph = self.glass.Index("HNSW", self.dimension, self.metric, R=32, L=200).build(rows)
        self.index = self.glass.Searcher(graph, rows, self.metric, 1)
        self.index.optimize(threads)

    def tune(self, value):
        self.index.set_ef(value)

    def search(self, queries, k, threads):
        if len(queries) == 1:
            return self.index.search(queries[0], k).reshape(1, k)
        return self.index.batch_search(queries, k, threads).reshape(len(queries), k)


PEERS = {
    "hnswlib": HnswLib,
    "usearch-f32": lambda d, m: Usearch(d, m, "f32"),
    "usearch-bf16": lambda d, m: Usearch(d, m, "bf16"),
    "usearch-i8": lambda d, m: Usearch(d, m, "i8"),
    "faiss-hnsw": FaissHnsw,
    "faiss-ivf-sq8": lambda d, m: FaissIvf(d, m, "SQ8"),
    "faiss-ivf-pq": lambda d, m: FaissIvf(d, m, f"PQ{d // 2}x4fs,RFlat"),
    "pyglass": Glass,
}
