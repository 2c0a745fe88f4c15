"""Runs `aeon bench ann` and the peers on the same files and appends a JSON line for each setting to
a results file.

Each index lives in a process of its own; all are built first, one after the other. Then rounds take
turns: in each, every process measures all its settings once, alone, in an order that turns around
from round to round. The figures are medians over the rounds."""

import argparse
import contextlib
import datetime
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TARGETS = (0.5, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995, 1)
PEERS = ("hnswlib", "usearch-f32", "usearch-bf16", "usearch-i8", "faiss-hnsw", "faiss-ivf-sq8",
         "faiss-ivf-pq", "pyglass")


class Absent(Exception):
    pass


class Worker:
    """A process that answers with JSON lines; the first one when its index is built."""

    def __init__(self, name, command):
        self.name = name
        self.said = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([str(part) for part in command], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.said)
        self.answer()

    def fail(self):
        self.process.kill()
        self.process.wait()
        self.said.seek(0)
        raise Absent((self.said.read().strip() or "it ended without a word").splitlines()[-1])

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.fail()
        return json.loads(line)

    def round(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.answer()

    def finish(self):
        out, _ = self.process.communicate()
        if self.process.returncode:
            self.fail()
        return [json.loads(line) for line in out.splitlines()]


def files(prefix):
    return [part for name, ending in (("base", "fbin"), ("query", "fbin"), ("truth", "ibin"))
            for part in (f"--{name}", f"{prefix}.{name}.{ending}")]


def common(options, prefix):
    return files(prefix) + ["-k", options.k, "--threads", *options.threads, "--metric",
                            options.metric, "--seconds", options.seconds, "--dir", options.dir]


def ours(options, prefix, precision):
    return [options.aeon, "bench", "ann", *common(options, prefix), "--step", "--loaders",
            options.build_threads, "--batch", options.batch, "--durability", options.durability,
            "--precision", precision, "--query-batch", 1, options.query_batch, "--target-recall",
            *options.target_recall]


def theirs(options, prefix, peer):
    python = options.glass_python if peer == "pyglass" else sys.executable
    if not python:
        raise Absent("no Python that its package installs for")
    return [python, "-B", os.path.join(HERE, "peer.py"), peer, *common(options, prefix),
            "--build-threads", options.build_threads]


def start(options, prefix):
    workers = []
    commands = [("aeon" if precision == "float16" else "aeon-" + precision, ours, precision)
                for precision in options.precision]
    for name, command, what in commands + [(peer, theirs, peer) for peer in options.peers]:
        try:
            print(f"{os.path.basename(prefix)}: building {name}", flush=True)
            workers.append(Worker(name, command(options, prefix, what)))
        except (Absent, OSError) as error:
            print(f"left out: {name}: {error}", flush=True)
    return workers


def run_rounds(options, workers):
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", flush=True)
        for worker in list(workers)[::-1 if number % 2 else 1]:
            try:
                worker.round()
            except (Absent, OSError) as error:
                print(f"left out: {worker.name}: {error}", flush=True)
                workers.remove(worker)


def compare(options, prefix, machine, results):
    workers = start(options, prefix)
    machine = {**machine, "load": os.getloadavg()[0]}  # of others too, while all of ours wait
    run_rounds(options, workers)
    for worker in workers:
        try:
            lines = worker.finish()
        except Absent as error:
            print(f"left out: {worker.name}: {error}", flush=True)
            continue
        for line in lines:
            line |= {"index": worker.name, "dataset": os.path.basename(prefix), **machine}
            line.setdefault("setting", f"target {line.get('target_recall')}")
            results.write(json.dumps(line) + "\n")
        results.flush()


def machine_words(options):
    def git(*words):
        return subprocess.run(["git", "-C", HERE, *words], capture_output=True,
                              text=True).stdout.strip()

    with contextlib.suppress(OSError), open("/proc/cpuinfo") as info:
        cpu = next((l.split(":")[1].strip() for l in info if l.startswith("model name")), "unknown")
    return {"cpu": cpu, "cores": os.cpu_count(), "build_threads": options.build_threads,
            "commit": git("rev-parse", "--short", "HEAD"),
            "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
            "run": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M")}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="PREFIX",
                        help="of PREFIX.base.fbin, PREFIX.query.fbin and PREFIX.truth.ibin")
    parser.add_argument("--aeon", required=True, help="the tool")
    parser.add_argument("--results", required=True, help="lines are added to it")
    parser.add_argument("--dir", required=True, help="for palaces and saved indexes")
    parser.add_argument("--glass-python", help="of an environment with pyglass")
    parser.add_argument("--peers", nargs="*", default=PEERS, choices=PEERS)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="that query")
    parser.add_argument("--build-threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of a setting in a round")
    parser.add_argument("--metric", default="cosine")
    parser.add_argument("--precision", nargs="+", default=["float16"], help="of ours")
    parser.add_argument("--durability", default="process", help="of ours")
    parser.add_argument("--batch", type=int, default=256, help="rows a commit of ours")
    parser.add_argument("--query-batch", type=int, default=1000, help="of ours, beside single ones")
    parser.add_argument("--target-recall", type=float, nargs="+", default=TARGETS)
    options = parser.parse_args()
    machine = machine_words(options)
    with open(options.results, "a") as results:
        for prefix in options.sets:
            if os.path.exists(prefix + ".base.fbin"):
                compare(options, prefix, machine, results)
            else:
                print(f"left out: {prefix}: there is no {prefix}.base.fbin", flush=True)


if __name__ == "__main__":
    main()
