"""Prints the tables of a results file; with --docs also writes them, and plots as SVG, there.
Of each set and index the lines of the last run count."""

import argparse
import json
import os

from curve import pareto, qps_at
from plot import svg

RECALLS = (0.9, 0.95, 0.99)
RIVALS = ("hnswlib", "usearch", "faiss")
INTRODUCTION = """# Benchmarks: the vector index beside its peers

`./aeon-dev peers PREFIX...` makes these figures: it builds the tool, installs hnswlib, usearch,
faiss and, where a Python 3.10 is at hand, pyglass into environments below `build/`, and runs all of
them on the files PREFIX.base.fbin, PREFIX.query.fbin and PREFIX.truth.ibin. Results are added as
JSON lines to `build/peers/results.jsonl`; `./aeon-dev peers --report` writes this page from them.
`./aeon-dev peers --make mixture` makes a set of 100,000 x 768, and `--make` knows other kinds and
sizes; the set text50k-384 is of real English passages and not part of the project.

How to read it:

- Every index has a process of its own; the processes take turns, in rounds, and figures are medians
  over the rounds. qps is with one thread unless said otherwise; building uses all cores.
- Ours is a palace on the disk, filled by commits of 256 rows at level `process`, queried through
  the public API right after the last commit. The peers are in memory and not durable.
- All are asked in two ways, and compared like with like: one query at a time, and in batches: ours
  by `recall_batch` of 1,000, the peers whatever number there is, so that they may compare many
  queries at once. A peer's `call` microseconds are Python's; they are taken off what a single call
  takes, for the qps of one query at a time. p50 and p99 are of single calls, as they are.
- Vectors are normalised for the peers beforehand, outside of all timing.
- A single insert goes into the full index from one thread; ours is a commit of one memory.
- bytes a vector: ours of all segments, with the memory's other data; theirs of the saved file.
- Recall counts a row that is as near as the k-th, to one part in a million, as found.

`aeon bench ann --base X.base.fbin --query X.query.fbin --truth X.truth.ibin -k 10` alone prints a
JSON line for each of `--threads`, `--query-batch`, and `--target-recall` or `--effort`; without
`--truth` it compares every row itself. `insert_*` are of the last tenth of the rows, at most 5,000,
which go in one a commit whatever the `--batch`; they count in `build_s`. `rss_bytes` is of the process after the last round,
without the base. `open_ms` and `first_query_us` follow a plain close, `bytes_per_vector` and
`log_bytes` a checkpoint at the very end. `proof` is a hash of the rows that were found,
`distinct_proofs` how many different ones the rounds had.
"""


def load(path):
    """set -> index -> lines of its last run."""
    sets = {}
    with open(path) as file:
        for line in map(json.loads, file):
            lines = sets.setdefault(line["dataset"], {}).setdefault(line["index"], [])
            if lines and lines[0]["run"] != line["run"]:
                lines.clear()
            lines.append(line)
    return sets


def asked(lines, together):
    """Those of our lines that were asked one by one, or as many together as was tried; of a peer's,
    which hold both, all."""
    counts = {line.get("query_batch", 1) for line in lines}
    wanted = max(counts) if together else min(counts)
    return [line for line in lines if line.get("query_batch", 1) == wanted]


def points(lines, threads=1, together=False):
    name = "qps" if together else "qps_alone"
    return [(line["recall"], line.get(name) or line["qps"]) for line in asked(lines, together)
            if line["threads"] == threads]


def number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def table(heads, rows):
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def first(lines, name):
    return lines[0].get(name)


def nearest(lines, recall):
    """The cheapest setting of one thread that reaches the recall."""
    reached = [l for l in asked(lines, False) if l["threads"] == 1 and l["recall"] >= recall]
    return max(reached, key=lambda line: line["qps"], default=None)


def ratio_row(name, wanted, indexes, chosen, together):
    best = [max((qps_at(points(lines, 1, together), recall) or 0
                 for index, lines in indexes.items() if index.startswith(chosen)), default=0)
            for recall in RECALLS]
    own = [qps_at(points(indexes["aeon"], 1, together), recall) for recall in RECALLS]
    return [name, *("-" if not mine or not other else f"{mine / other:.2f}x"
                    for mine, other in zip(own, best)), *wanted]


def summary(indexes):
    for head, together in (("qps at recall, one query at a time", False),
                           ("qps at recall, queries in batches", True)):
        rows = [[name, *(number(qps_at(points(lines, 1, together), recall)) for recall in RECALLS),
                 f"{max(point[0] for point in points(lines)):.4f}"]
                for name, lines in indexes.items()]
        if "aeon" in indexes:
            rows.append(ratio_row("aeon / best of hnswlib, usearch, faiss", ["-"], indexes, RIVALS,
                                  together))
            if "pyglass" in indexes:
                rows.append(ratio_row("aeon / pyglass", ["-"], indexes, ("pyglass",), together))
        yield from table([head, *map(str, RECALLS), "best recall"], rows)


def costs(indexes):
    rows = [[name, number(first(lines, "build_s"), 1), number(first(lines, "insert_mean_us")),
             number(first(lines, "insert_p99_us")), number(first(lines, "bytes_per_vector")),
             number(first(lines, "open_ms"), 1), number(first(lines, "first_query_us"))]
            for name, lines in indexes.items()]
    yield from table(["", "build s", "insert mean us", "p99", "bytes a vector", "open ms",
                      "first query us"], rows)


def latencies(indexes):
    rows = []
    for name, lines in indexes.items():
        for recall in RECALLS:
            line = nearest(lines, recall)
            if line:
                rows.append([name, line["setting"], f"{line['recall']:.4f}", number(line["qps"]),
                             number(line["p50_us"], 1), number(line["p99_us"], 1),
                             number(line.get("call_us"), 1)])
    seen = [list(row) for row in dict.fromkeys(map(tuple, rows))]
    yield from table(["fastest measured for each recall", "setting", "recall", "qps", "p50 us",
                      "p99 us", "call"], seen)


def scaling(indexes):
    counts = sorted({line["threads"] for lines in indexes.values() for line in lines})
    rows = []
    for name, lines in indexes.items():
        rates = [qps_at(points(lines, threads, True), 0.95) for threads in counts]
        if all(rates):
            rows.append([name, *(number(rate) for rate in rates), f"{rates[-1] / rates[0]:.2f}x"])
    if len(counts) > 1:
        yield from table(["qps at 0.95", *(f"{n} threads" for n in counts), "gain"], rows)


def load_words(line):
    """The load average counts the last of the builds as well."""
    load = line.get("load", 0)
    words = f" Load average {load:.0f} before the rounds"
    if load <= 2 * line["cores"]:
        return words + "."
    return words + ": other work ran beside them, so this is a direction and no more."


def section(name, indexes):
    line = next(iter(indexes.values()))[0]
    own = indexes.get("aeon", [line])[0]
    yield f"## {name}\n"
    versions = sorted({l["version"] for lines in indexes.values() for l in lines if "version" in l})
    yield (f"{line['rows']:,} rows, {line['dimension']} dimensions, k = {line['k']}, "
           f"{line['metric']}. {line['cpu']}, {line['cores']} cores, kernels "
           f"{own.get('simd', '-')}; commit {line['commit']}"
           f"{' with changes' if line['changed'] else ''}; {line['run']} UTC."
           f"{load_words(line)} {', '.join(versions)}.\n")
    for part in (summary, costs, latencies, scaling):
        yield from part(indexes)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results")
    parser.add_argument("--docs", help="write benchmarks.md and plots there")
    options = parser.parse_args()
    pages = [INTRODUCTION]
    for name, indexes in load(options.results).items():
        page = "\n".join(section(name, indexes))
        print(page)
        pages.append(page)
        if options.docs:
            pages.append(f"![recall against queries a second](benchmarks/{name}.svg)\n")
            write(os.path.join(options.docs, "benchmarks", name + ".svg"),
                  svg(name, {index: pareto(points(lines)) for index, lines in indexes.items()}))
    if options.docs:
        write(os.path.join(options.docs, "benchmarks.md"), "\n".join(pages))


def write(path, words):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(words)


if __name__ == "__main__":
    main()
