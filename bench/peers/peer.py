"""One peer on one set of files, in a process of its own. Prints a line when it is built, measures a
round of its whole parameter sweep for each line of standard input, and at the end of input prints a
line for each setting, named as those of `aeon bench ann`.

Queries a second are those of whole batches, so that no time of Python counts; p50 and p99 are of
single calls, and call_us says how much of them is the call."""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time

import numpy as np

import vectors
from indexes import PEERS

ENOUGH = 0.9995  # where a sweep ends
INSERTS = 1000
MOST_SECONDS = 30  # of one setting in all rounds, as in `aeon bench ann`


# What a library prints goes to standard error: standard output is for the lines alone.
OUT = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(**line):
    print(json.dumps(line), file=OUT, flush=True)


def quantile(values, q):
    return float(np.quantile(values, q)) if len(values) else None


class Setting:
    def __init__(self, value, threads):
        self.value, self.threads = value, threads
        self.qps, self.mean, self.p50, self.p99, self.spent = [], [], [], [], 0.0


class Peer:
    def __init__(self, options):
        self.options = options
        self.base = vectors.read_fbin(options.base)
        self.raw = np.array(vectors.read_fbin(options.query))
        self.truth = vectors.read_ibin(options.truth)[:, :options.k]
        prepare = vectors.normalised if options.metric == "cosine" else np.array
        self.queries = prepare(self.raw)
        self.index = PEERS[options.peer](self.base.shape[1], options.metric)
        rows = prepare(self.base)
        start = time.perf_counter()
        self.index.build(rows, options.build_threads)
        self.build_s = time.perf_counter() - start

    def plan(self):
        """Warms up, and leaves out what lies beyond a recall of ENOUGH."""
        self.settings, self.recalls = [], {}
        for value in self.index.sweep:
            if value < self.options.k and self.index.parameter != "nprobe":
                continue
            self.index.tune(value)
            found = self.index.search(self.queries, self.options.k, 1).astype(np.int64)
            self.recalls[value] = vectors.recall(found, self.truth, self.base, self.raw,
                                                 self.options.metric)
            self.settings += [Setting(value, threads) for threads in self.options.threads]
            if self.recalls[value][0] >= ENOUGH:
                break

    def round(self):
        for setting in self.settings:
            if setting.spent > MOST_SECONDS:
                continue
            self.index.tune(setting.value)
            self.time_batches(setting)
            if setting.threads == 1:
                self.time_calls(setting)

    def time_batches(self, setting):
        search, k = self.index.search, self.options.k
        search(self.queries[:8], k, setting.threads)
        passes, start = 0, time.perf_counter()
        while passes == 0 or time.perf_counter() - start < self.options.seconds:
            search(self.queries, k, setting.threads)
            passes += 1
        seconds = time.perf_counter() - start
        setting.qps.append(passes * len(self.queries) / seconds)
        setting.spent += seconds

    def time_calls(self, setting):
        search, k, taken = self.index.search, self.options.k, []
        for i in range(len(self.queries)):
            query = self.queries[i:i + 1]
            start = time.perf_counter_ns()
            search(query, k, 1)
            taken.append((time.perf_counter_ns() - start) / 1e3)
        setting.mean.append(sum(taken) / len(taken))
        setting.p50.append(quantile(taken, 0.5))
        setting.p99.append(quantile(taken, 0.99))

    def call_us(self):
        """Of the cheapest setting: what a call takes above a query's share of a batch, both at
        their best."""
        first = next((s for s in self.settings if s.threads == 1), None)
        return first and max(0.0, min(first.p50) - 1e6 / max(first.qps))

    @staticmethod
    def alone(setting, call_us):
        """Queries a second of single calls, without what is Python's in a call; not above those of
        a batch, which has even less of it."""
        if not setting.mean:
            return None
        taken = max(statistics.median(setting.mean) - (call_us or 0), 1e-3)
        return min(1e6 / taken, statistics.median(setting.qps))

    def saved(self):
        if not self.index.save:
            return {}
        with tempfile.TemporaryDirectory(dir=self.options.dir) as place:
            path = os.path.join(place, "index")
            self.index.save(path)
            start = time.perf_counter()
            self.index.load(path)
            opened = time.perf_counter()
            self.index.tune(self.settings[0].value)
            self.index.search(self.queries[:1], self.options.k, 1)
            return {"bytes_per_vector": os.path.getsize(path) / len(self.base),
                    "open_ms": (opened - start) * 1e3,
                    "first_query_us": (time.perf_counter() - opened) * 1e6}

    def inserted(self):
        """Single inserts into the full index; the rows are the queries."""
        if not self.index.insert:
            return {}
        taken = []
        for i in range(min(INSERTS, len(self.queries))):
            start = time.perf_counter_ns()
            self.index.insert(self.queries[i:i + 1])
            taken.append((time.perf_counter_ns() - start) / 1e3)
        return {"insert_mean_us": sum(taken) / len(taken), "insert_p50_us": quantile(taken, 0.5),
                "insert_p99_us": quantile(taken, 0.99)}

    def finish(self):
        of_all = {"build_s": self.build_s, "call_us": self.call_us(), **self.saved()}
        try:
            of_all |= self.inserted()
        except RuntimeError as error:
            print(f"{self.options.peer}: no single inserts: {error}", file=sys.stderr)
        for setting in self.settings:
            by_score, by_id = self.recalls[setting.value]
            say(bench="ann", index=self.options.peer, version=self.index.version,
                rows=len(self.base), dimension=self.base.shape[1], k=self.options.k,
                metric=self.options.metric, threads=setting.threads,
                setting=f"{self.index.parameter} {setting.value}", recall=float(by_score),
                recall_by_id=float(by_id), qps=statistics.median(setting.qps),
                qps_alone=self.alone(setting, of_all["call_us"]),
                p50_us=statistics.median(setting.p50) if setting.p50 else None,
                p99_us=statistics.median(setting.p99) if setting.p99 else None,
                rounds=len(setting.qps), **of_all)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=PEERS)
    for name in ("--base", "--query", "--truth"):
        parser.add_argument(name, required=True)
    parser.add_argument("--dir", default=None, help="where to save the index for a moment")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--build-threads", type=int, default=os.cpu_count())
    parser.add_argument("--metric", choices=vectors.METRICS, default="cosine")
    parser.add_argument("--seconds", type=float, default=0.3)
    peer = Peer(parser.parse_args())
    peer.plan()
    say(bench="ann_ready", index=peer.options.peer, build_s=peer.build_s)
    for number, _ in enumerate(sys.stdin, 1):
        peer.round()
        say(bench="ann_round", round=number)
    peer.finish()


if __name__ == "__main__":
    main()
