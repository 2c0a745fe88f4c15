"""Tests of what the comparison computes; needs nothing beside Python."""

import contextlib
import io
import json
import os
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import report
from curve import pareto, qps_at
from plot import svg


class Curve(unittest.TestCase):
    SWEEP = [(0.9, 1000), (0.8, 900), (0.99, 10), (0.95, 100), (0.97, 50), (0.96, 40)]

    def test_only_the_best_points_are_kept(self):
        self.assertEqual(pareto(self.SWEEP), [(0.9, 1000), (0.95, 100), (0.97, 50), (0.99, 10)])

    def test_between_two_points_the_logarithm_is_straight(self):
        self.assertAlmostEqual(qps_at([(0.9, 1000), (1.0, 10)], 0.95), 100)
        self.assertAlmostEqual(qps_at(self.SWEEP, 0.95), 100)

    def test_nothing_is_extrapolated(self):
        self.assertEqual(qps_at(self.SWEEP, 0.5), 1000)
        self.assertIsNone(qps_at(self.SWEEP, 0.995))
        self.assertIsNone(qps_at([], 0.9))


class Report(unittest.TestCase):
    @staticmethod
    def line(index, qps, run="2", threads=1, **more):
        return json.dumps({"dataset": "set", "index": index, "run": run, "threads": threads,
                           "setting": "s", "recall": 0.96, "qps": qps, "p50_us": 1, "p99_us": 2,
                           "rows": 10, "dimension": 2, "k": 1, "metric": "l2", "cpu": "c",
                           "cores": 2, "commit": "abc", "changed": False, **more}) + "\n"

    def report(self, *lines):
        with tempfile.TemporaryDirectory() as place:
            results = os.path.join(place, "results")
            with open(results, "w") as file:
                file.writelines(lines)
            sys.argv = ["report.py", results, "--docs", place]
            with contextlib.redirect_stdout(io.StringIO()) as out:
                report.main()
            with open(os.path.join(place, "benchmarks", "set.svg")) as file:
                return out.getvalue(), file.read()

    def test_the_ratio_is_to_the_best_rival_of_the_last_run(self):
        out, plot = self.report(self.line("hnswlib", 9000, run="1"), self.line("aeon", 3000),
                                self.line("hnswlib", 1000), self.line("faiss-hnsw", 1500),
                                self.line("pyglass", 2000), self.line("aeon", 5700, threads=2))
        self.assertIn("| aeon / best of hnswlib, usearch, faiss | 2.00x | 2.00x | - |", out)
        self.assertIn("| aeon / pyglass | 1.50x | 1.50x | - |", out)
        self.assertIn("commit abc;", out)
        self.assertEqual(plot.count("<polyline"), 4)

    def test_like_is_compared_with_like(self):
        out, _ = self.report(self.line("aeon", 3000, query_batch=1),
                             self.line("aeon", 6000, query_batch=1000),
                             self.line("faiss-ivf-sq8", 4000, qps_alone=1000))
        alone, together = out.split("qps at recall, queries in batches")
        self.assertIn("| aeon / best of hnswlib, usearch, faiss | 3.00x | 3.00x | - |", alone)
        self.assertIn("| aeon / best of hnswlib, usearch, faiss | 1.50x | 1.50x | - |", together)

    def test_a_loaded_machine_is_named(self):
        out, _ = self.report(self.line("aeon", 1, load=2.4))
        self.assertIn("Load average 2 before the rounds. ", out)
        out, _ = self.report(self.line("aeon", 1, load=9.0))
        self.assertIn("Load average 9 before the rounds: other work", out)

    def test_a_plot_is_well_formed_whatever_it_is_given(self):
        for curves in ({}, {"aeon": []}, {"aeon": [(1, 5)]}, {"x": [(0.8, 10), (1, 1)]}):
            xml.etree.ElementTree.fromstring(svg("t", curves))


if __name__ == "__main__":
    unittest.main()
