"""Drives the aeon tool as a user would: every command, and every bad input with its exit code, its
one sentence, and nothing changed. Usage: cli_test.py PATH-OF-AEON [unittest arguments]"""

import base64
import json
import math
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

AEON = None
DONE, NEGATIVE, MISUSE, FAILED = 0, 1, 2, 3


def run(*args, stdin=b""):
    if isinstance(stdin, str):
        stdin = stdin.encode()
    return subprocess.run([AEON, *map(str, args)], input=stdin, capture_output=True, timeout=120)


def lines(*objects):
    return "".join(json.dumps(o) + "\n" for o in objects)


class Cli(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp(prefix="aeon-cli-")
        self.addCleanup(shutil.rmtree, self.work, True)
        self.palace = os.path.join(self.work, "palace")

    def ok(self, *args, stdin=b""):
        done = run(*args, stdin=stdin)
        self.assertEqual(done.returncode, DONE, (args, done.stdout[-500:], done.stderr))
        return done.stdout.decode()

    def objects(self, *args, stdin=b""):
        return [json.loads(l) for l in self.ok(*args, "--json", stdin=stdin).splitlines()]

    def refused(self, code, *args, stdin=b"", says=""):
        """Checks the exit code and that stderr is one sentence; returns it."""
        done = run(*args, stdin=stdin)
        error = done.stderr.decode()
        self.assertEqual(done.returncode, code, (args, done.stdout[-300:], error))
        self.assertEqual(error.count("\n"), 1, error)
        self.assertTrue(error.startswith("aeon: ") and len(error) > 20, error)
        self.assertRegex(error, says or ".")
        return error

    def init(self, *options):
        self.ok("init", self.palace, *options)

    def put(self, *objects, options=()):
        """Stores the objects and returns their ids."""
        out = self.ok("put", self.palace, "--ack", *options, stdin=lines(*objects))
        return [json.loads(l)["id"] for l in out.splitlines()]

    def get(self, identity):
        return self.objects("get", self.palace, identity)[0]

    def memories(self):
        return self.objects("stat", self.palace)[0]["memories"]

    def export(self, palace=None):
        return self.ok("export", palace or self.palace)


class Commands(Cli):
    def test_help_names_every_command(self):
        out = self.ok("--help")
        for name in ("init put get forget erase history recall trace stat verify scrub checkpoint compact export import "
                     "bench").split():
            self.assertIn(name, out)

    def test_init_makes_the_lexical_space_and_those_asked_for(self):
        made = self.objects("init", self.palace, "--space", "mine:8:dot:float32:model:x")[0]
        self.assertEqual([s["name"] for s in made["spaces"]], ["text", "mine"])
        self.assertEqual(made["spaces"][1], {"name": "mine", "dimension": 8, "metric": "dot",
                                             "precision": "float32", "model": "model:x"})
        spaces = self.objects("stat", self.palace)[0]["spaces"]
        self.assertEqual([s["space"] for s in spaces], made["spaces"])

    def test_a_memory_comes_back_with_every_field(self):
        self.init("--space", "mine:2:l2:float32")
        [first] = self.put({"text": "first", "key": "a"})
        [second] = self.put({"text": "grüße \"x\"\n", "tenant": "", "session": "s", "kind": "event",
                             "time": "2025-03-01T12:00:00.5Z", "valid_from": "2025-01-01",
                             "valid_to": 2000000000000000000, "importance": 0.1,
                             "metadata": {"n": 1.5, "l": [1, 2]}, "vector": [0.1, -2],
                             "edges": [{"to": {"key": "a"}, "type": "mentions"}]})
        back = self.objects("get", self.palace, second, "--vectors")[0]
        self.assertEqual(back["text"], "grüße \"x\"\n")
        self.assertEqual(back["session"], "s")
        self.assertEqual(back["kind"], "event")
        self.assertEqual(back["time"], "2025-03-01T12:00:00.5Z")
        self.assertEqual(back["valid_from"], "2025-01-01T00:00:00Z")
        self.assertEqual(back["valid_to"], "2033-05-18T03:33:20Z")
        self.assertEqual(back["importance"], 0.1)
        self.assertEqual(back["metadata"], {"n": 1.5, "l": [1, 2]})
        self.assertEqual(back["vectors"]["mine"]["values"], [0.1, -2])
        edges = [json.loads(l) for l in self.export().splitlines() if '"edge"' in l]
        self.assertIn({"edge": {"from": second, "to": first, "type": "mentions", "weight": 1}},
                      edges)

    def test_content_too_large_for_the_log_is_stored_ahead(self):
        text = "".join(f"line {i} of a long text\n" for i in range(30_000))
        self.init()
        [one] = self.put({"text": text})
        self.assertEqual(self.get(one)["text"], text)
        self.ok("compact", self.palace)
        self.assertEqual(self.get(one)["text"], text)
        copy = os.path.join(self.work, "copy")
        self.ok("init", copy, "--no-lexical")
        self.ok("import", copy, "-", stdin=self.export().encode())
        [back] = [json.loads(l) for l in self.export(copy).splitlines() if '"text":' in l]
        self.assertEqual(back["text"], text)
        self.assertEqual(os.listdir(os.path.join(self.palace, "staging")), [])

    def test_erased_is_gone_from_every_file(self):
        self.init()
        [one, two] = self.put({"text": "a secret: xyzzy-plugh", "key": "of the secret"},
                              {"text": "no secret at all"})
        self.ok("checkpoint", self.palace)
        erased = self.objects("erase", self.palace, one, "--wait")
        self.assertEqual([e["erased"] for e in erased], [one])
        self.refused(NEGATIVE, "get", self.palace, one)
        for name in os.listdir(self.palace):
            path = os.path.join(self.palace, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    held = file.read()
                # As it was written, and as the index of words holds it.
                self.assertNotIn(b"xyzzy", held, name)
                self.assertNotIn(b"plugh", held, name)
                self.assertNotIn(b"of the secret", held, name)
        self.assertEqual(self.get(two)["text"], "no secret at all")
        self.assertEqual(self.objects("stat", self.palace)[0]["erasures_pending"], 0)
        self.ok("verify", self.palace)
        self.refused(NEGATIVE, "erase", self.palace, one)
        self.refused(NEGATIVE, "erase", self.palace, two, 999)
        self.assertEqual(self.get(two)["text"], "no secret at all")

    def test_history_is_kept_as_told(self):
        self.init("--history", "all")
        [one] = self.put({"text": "before", "key": "k"})
        then = self.get(one)["version"]
        self.put({"text": "after", "key": "k"})
        self.ok("compact", self.palace)
        self.assertEqual(self.objects("get", self.palace, one, "--as-of", then)[0]["text"], "before")
        self.assertEqual(self.objects("history", self.palace)[0]["history"], "all")
        self.assertEqual(self.objects("history", self.palace, "12h")[0]["history"], "12h")
        self.assertEqual(self.objects("history", self.palace, "none")[0]["history"], "none")
        self.ok("compact", self.palace)
        self.refused(MISUSE, "get", self.palace, one, "--as-of", then, says="history")
        self.assertEqual(self.get(one)["text"], "after")
        self.assertEqual(self.objects("history", self.palace)[0]["ended_versions"], 0)
        for bad in ("-1d", "3 days", "d", "99999999999999d", ""):
            self.refused(MISUSE, "init", os.path.join(self.work, "other"), "--history", bad or "x")
        self.assertFalse(os.path.exists(os.path.join(self.work, "other")))

    def test_bytes_and_keys(self):
        self.init()
        raw = bytes(range(256))
        [one] = self.put({"bytes": base64.b64encode(raw).decode(), "key": "k"})
        [back] = self.objects("get", self.palace, "--key", "k")
        self.assertEqual(back["id"], one)
        self.assertEqual(base64.b64decode(back["bytes"]), raw)
        [two] = self.put({"text": "newer", "key": "k"})
        self.assertEqual(two, one)
        self.assertEqual(self.get(one)["text"], "newer")
        self.assertGreater(self.get(one)["version"], back["version"])

    def test_acks_come_in_order_and_name_dense_commits(self):
        self.init()
        out = self.ok("put", self.palace, "--ack", "--batch", 3,
                      stdin=lines(*({"text": f"t{i}"} for i in range(10))))
        acks = [json.loads(l) for l in out.splitlines()]
        self.assertEqual(len(acks), 10)
        self.assertEqual([a["id"] for a in acks], sorted({a["id"] for a in acks}))
        for i, ack in enumerate(acks):
            self.assertEqual(self.get(ack["id"])["text"], f"t{i}")
        for level in ("none", "process", "sync"):
            summary = self.objects("put", self.palace, "--durability", level,
                                   stdin=lines({"text": level}))[-1]
            self.assertEqual((summary["stored"], summary["durability"]), (1, level))

    def test_an_ack_does_not_wait_for_a_full_batch(self):
        self.init()
        put = subprocess.Popen([AEON, "put", self.palace, "--ack", "--batch", "100"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            for i in range(3):
                put.stdin.write(lines({"text": f"slow {i}"}).encode())
                put.stdin.flush()
                self.assertIn("id", json.loads(put.stdout.readline()))
        finally:
            put.stdin.close()
            put.stdout.close()
            self.assertEqual(put.wait(60), DONE)

    def test_interrupt_ends_put_cleanly(self):
        self.init()
        put = subprocess.Popen([AEON, "put", self.palace, "--ack"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        put.stdin.write(lines({"text": "before"}).encode())
        put.stdin.flush()
        identity = json.loads(put.stdout.readline())["id"]
        put.send_signal(signal.SIGINT)
        _, error = put.communicate(timeout=60)
        self.assertEqual(put.returncode, DONE, error)
        self.assertIn(b"interrupted", error)
        self.assertEqual(self.get(identity)["text"], "before")
        self.assertTrue(self.objects("stat", self.palace)[0]["cleanly_closed"])

    def test_acknowledged_survives_a_kill(self):
        self.init()
        source = os.path.join(self.work, "in.jsonl")
        with open(source, "w") as file:
            file.write(lines(*({"text": f"n{i}"} for i in range(100000))))
        put = subprocess.Popen([AEON, "put", self.palace, "--jsonl", source, "--ack", "--batch",
                                "16"], stdout=subprocess.PIPE)
        acks = [json.loads(put.stdout.readline()) for _ in range(200)]
        put.kill()
        acks += [json.loads(l) for l in put.stdout.read().split(b"\n") if l.endswith(b"}")]
        put.stdout.close()
        put.wait()
        self.ok("verify", self.palace)
        got = self.objects("get", self.palace, *(a["id"] for a in acks[:500]))
        self.assertEqual([m["text"] for m in got], [f"n{i}" for i in range(len(acks[:500]))])

    def test_recall_by_text_vector_filter_and_time(self):
        self.init("--space", "mine:2")
        ids = self.put({"text": "the red apple", "metadata": {"n": 1}, "time": "2025-01-01"},
                       {"text": "a blue whale", "session": "sea", "kind": "event", "vector": [1, 0],
                        "time": "2025-02-01"},
                       {"text": "green grass", "vector": [0, 1], "time": "2025-03-01"})
        found = self.objects("recall", self.palace, "--text", "red apples", "-k", 2)
        self.assertEqual(found[0]["memory"]["id"], ids[0])
        self.assertEqual(found[0]["rank"], 1)
        self.assertEqual(found[-1]["hits"], 2)
        self.assertTrue(found[-1]["exact"])
        vector = os.path.join(self.work, "v.json")
        with open(vector, "w") as file:
            file.write("[0.1, 2]")
        found = self.objects("recall", self.palace, "--vector", vector)
        self.assertEqual([f["memory"]["id"] for f in found[:-1]], [ids[2], ids[1]])
        found = self.objects("recall", self.palace, "--vector", "-", "-k", 1, "--explain",
                             stdin="1 0")
        self.assertEqual(found[0]["memory"]["id"], ids[1])
        for options in (("--session", "sea"), ("--kind", "event"),
                        ("--since", "2025-01-15", "--until", "2025-02-15")):
            found = self.objects("recall", self.palace, "--text", "blue", *options)
            self.assertEqual([f["memory"]["id"] for f in found[:-1]], [ids[1]], options)
        found = self.objects("recall", self.palace, "--text", "x", "--filter", '{"n": 1}')
        self.assertEqual([f["memory"]["id"] for f in found[:-1]], [ids[0]])
        human = self.ok("recall", self.palace, "--text", "red apple", "--explain")
        self.assertRegex(human, r"memories in \d+ us \(exact, \d+ rows and \d+ postings looked at\)")

    def test_recall_as_of_sees_the_past(self):
        self.init()
        out = self.ok("put", self.palace, "--ack", stdin=lines({"text": "old"}))
        ack = json.loads(out)
        self.ok("forget", self.palace, ack["id"])
        done = run("recall", self.palace, "--text", "old")
        self.assertEqual(done.returncode, NEGATIVE)
        found = self.objects("recall", self.palace, "--text", "old", "--as-of", ack["commit"])
        self.assertEqual(found[-1]["commit"], ack["commit"])
        self.assertEqual(found[-1]["hits"], 1)

    def test_recall_takes_a_target_recall(self):
        self.init()
        self.put({"text": "a tall tree"}, {"text": "a small house"})
        recall = ("recall", self.palace, "--text", "tree", "--target-recall")
        self.assertTrue(self.objects(*recall, "1")[-1]["exact"])
        self.assertEqual(self.objects(*recall, "0.5")[-1]["hits"], 2)
        self.refused(MISUSE, *recall, "0")
        self.refused(MISUSE, *recall, "1.5")

    def test_recall_takes_an_effort_instead(self):
        self.init()
        self.put({"text": "a tall tree"}, {"text": "a small house"})
        recall = ("recall", self.palace, "--text", "tree", "--effort")
        self.assertEqual(self.objects(*recall, "0")[-1]["hits"], 2)
        self.assertTrue(self.objects(*recall, "1")[-1]["exact"])
        self.refused(MISUSE, *recall, "1.5")
        self.refused(MISUSE, *recall, "0.5", "--target-recall", "0.9")

    def test_recall_shapes_its_answer(self):
        self.init()
        ids = self.put({"text": "the harbour of Kiel is full of ferries", "session": "one"},
                       {"text": "the harbour of Kiel is full of ferries now", "session": "one"},
                       {"text": "a harbour master measures tides", "session": "two"})
        recall = ("recall", self.palace, "--text", "harbour Kiel ferries", "--preset", "words")

        def found(*options):
            *hits, summary = self.objects(*recall, *options)
            return [hit["memory"]["id"] for hit in hits], summary

        self.assertEqual(found("-k", 2)[0], ids[:2])
        self.assertNotIn("tokens", found()[1])
        self.assertEqual(found("-k", 2, "--diversity", 0.6)[0], [ids[0], ids[2]])
        self.assertEqual(found("--per-session", 1)[0], [ids[0], ids[2]])
        kept, summary = found("--token-budget", 18)
        self.assertEqual(kept, [ids[0], ids[2]])
        self.assertEqual(summary["tokens"], 18)
        self.assertIn("; 18 tokens", self.ok(*recall, "--token-budget", 18))
        for wrong in ("-0.1", "1.5", "nan", "much"):
            self.refused(MISUSE, *recall, f"--diversity={wrong}")
        for option in ("--per-session", "--token-budget"):
            for wrong in ("0", "-1", "x", "99999999999999999999"):
                self.refused(MISUSE, *recall, f"{option}={wrong}")

    def test_recall_says_how_far_there_is_an_answer(self):
        self.init()
        self.put({"text": "Kate moored the red boat"}, {"text": "a red bicycle"})
        recall = ("recall", self.palace, "--text")
        self.assertEqual(self.objects(*recall, "red boats", "--confidence")[-1]["confidence"], 1)
        self.assertLess(self.objects(*recall, "red zeppelin", "--confidence")[-1]["confidence"], 0.5)
        self.assertNotIn("confidence", self.objects(*recall, "red boats")[-1])
        self.assertIn("; confidence 1.00", self.ok(*recall, "red boats", "--confidence"))

    def test_recall_by_several_vectors(self):
        self.init("--space", "v:2")
        ids = self.put({"text": "east", "vectors": {"v": [1, 0]}},
                       {"text": "north", "vectors": {"v": [0, 1]}})
        asked = os.path.join(self.work, "asked.txt")
        with open(asked, "w") as file:
            file.write("[0.1, 0.9]\n\n[0.9, 0.1]\n")
        found = self.objects("recall", self.palace, "--space", "v", "--vector", asked, "-k", 1)
        self.assertEqual([line.get("query") for line in found], [1, 1, 2, 2])
        self.assertEqual([line["memory"]["id"] for line in found[::2]], [ids[1], ids[0]])
        self.assertIn("query 2: ", self.ok("recall", self.palace, "--space", "v", "--vector",
                                           asked))

    def test_trace_walks_the_session_in_order(self):
        self.init()
        ids = self.put(*({"text": f"e{i}", "session": "s"} for i in range(7)), {"text": "other"})
        walked = self.objects("trace", self.palace, ids[3], "--back", 2, "--forward", 10)
        self.assertEqual([w["memory"]["id"] for w in walked], ids[1:7])
        self.assertEqual([w["place"] for w in walked], [-2, -1, 0, 1, 2, 3])
        self.assertIn("e3", self.ok("trace", self.palace, ids[3]))

    def test_forget_is_all_or_nothing(self):
        self.init()
        ids = self.put({"text": "a"}, {"text": "b"})
        self.refused(NEGATIVE, "forget", self.palace, ids[0], 999)
        self.assertEqual(self.memories(), 2)
        self.ok("forget", self.palace, *ids)
        self.assertEqual(self.memories(), 0)
        self.refused(NEGATIVE, "get", self.palace, ids[0])

    def test_checkpoint_and_compact_change_nothing_visible(self):
        self.init()
        self.put(*({"text": f"t{i}", "session": "s", "key": f"k{i}"} for i in range(50)))
        # The first line names the commit exported, and a checkpoint is a commit of its own.
        before = self.export().splitlines()[1:]
        for command in ("checkpoint", "compact"):
            self.ok(command, self.palace)
            self.assertEqual(self.export().splitlines()[1:], before)
            self.ok("verify", self.palace)

    def test_text_files_become_passages_and_are_not_doubled(self):
        self.init()
        folder = os.path.join(self.work, "docs")
        os.makedirs(os.path.join(folder, "sub"))
        with open(os.path.join(folder, "a.md"), "w") as file:
            file.write("".join(f"# Part {i}\n\n" + f"Sentence about topic{i}. " * 40 + "\n\n"
                               for i in range(5)))
        with open(os.path.join(folder, "sub", "b.txt"), "w") as file:
            file.write("A short note.\n")
        with open(os.path.join(folder, "latin.txt"), "wb") as file:
            file.write(b"caf\xe9\n")
        with open(os.path.join(folder, "image.png"), "wb") as file:
            file.write(b"\x89PNG")
        done = run("put", self.palace, "--text", folder, "--json")
        self.assertEqual(done.returncode, DONE, done.stderr)
        self.assertIn(b"latin.txt", done.stderr)
        self.assertIn(b"skipped 1 files", done.stderr)
        self.assertNotIn(b"image.png", done.stderr)
        stored = self.memories()
        self.assertGreaterEqual(stored, 6)
        self.assertEqual(json.loads(done.stdout)["stored"], stored)
        hit = self.objects("recall", self.palace, "--text", "topic3", "-k", 1)[0]["memory"]
        self.assertEqual(hit["kind"], "passage")
        self.assertTrue(hit["metadata"]["path"].endswith("docs/a.md"))
        self.assertIn("Part 3", hit["metadata"]["title"])
        self.assertTrue(hit["key"].startswith(hit["metadata"]["path"] + "#"))
        around = self.objects("trace", self.palace, hit["id"])
        self.assertGreater(len(around), 1)
        run("put", self.palace, "--text", folder)
        self.assertEqual(self.memories(), stored)
        with open(os.path.join(folder, "a.md"), "w") as file:
            file.write("Only this is left.\n")
        run("put", self.palace, "--text", folder)
        self.assertEqual(self.memories(), 2)

    def test_terminal_output_holds_no_control_characters(self):
        self.init()
        [one] = self.put({"text": "x\x1b[31m\x07\u009b2J\u202e y", "key": "\x1bk", "session": "\x1b]0;t"})
        for args in (("get", self.palace, one), ("recall", self.palace, "--text", "x"),
                     ("trace", self.palace, one)):
            out = self.ok(*args)
            self.assertIsNone(re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out), args)

    def test_recall_by_text_and_vector_explains_each_channel(self):
        self.init("--space", "mine:2")
        ids = self.put({"text": "the heron stood in the reeds", "session": "s", "vector": [1, 0]},
                       {"text": "then it flew off", "session": "s", "vector": [0, 1]},
                       {"text": "a heron again", "session": "t", "vector": [1, 1]})
        found = self.objects("recall", self.palace, "--text", "heron", "--explain")
        hits = [line for line in found if "rank" in line]
        self.assertEqual({hit["memory"]["id"] for hit in hits}, set(ids))
        by_id = {hit["memory"]["id"]: hit["channels"] for hit in hits}
        self.assertIn("words", by_id[ids[0]])
        self.assertEqual(set(by_id[ids[1]]), {"neighbours", "session"})
        found = self.objects("recall", self.palace, "--text", "heron", "--preset", "words")
        self.assertEqual({line["memory"]["id"] for line in found if "rank" in line},
                         {ids[0], ids[2]})
        self.assertTrue(found[-1]["exact"])
        vector = os.path.join(self.work, "v.json")
        with open(vector, "w") as file:
            file.write("[0, 1]")
        found = self.objects("recall", self.palace, "--text", "heron", "--vector", vector,
                             "--preset", "passages", "--explain")
        marks = {line["memory"]["id"]: line["channels"] for line in found if "rank" in line}
        self.assertEqual(marks[ids[1]]["vector"]["rank"], 1)
        self.assertEqual(set(marks[ids[2]]), {"words", "vector"})
        self.refused(MISUSE, "recall", self.palace, "--text", "x", "--language", "klingon",
                     says="klingon")
        human = self.ok("recall", self.palace, "--text", "+heron -reed*", "--explain")
        self.assertIn("words", human)
        self.assertNotIn("reeds", human)

    def test_bench_dialogue_finds_the_evidence_of_a_small_conversation(self):
        turns = [("Ann", "I bought a kayak"), ("Bob", "Nice, what colour is it?"),
                 ("Ann", "Bright orange"), ("Bob", "I planted tomatoes"),
                 ("Ann", "Mine never grow")]
        sessions = {"session_1": turns[:3], "session_2": turns[3:]}
        talk = {}
        for number, (name, said) in enumerate(sessions.items(), 1):
            talk[name] = [{"speaker": who, "dia_id": f"D{number}:{i}", "text": text}
                          for i, (who, text) in enumerate(said, 1)]
            talk[name + "_date_time"] = f"9:05 am on {number} June, 2024"
        questions = [{"question": "What did Ann buy?", "evidence": ["D1:1"], "category": 1},
                     {"question": "What colour is the kayak?", "evidence": ["D1:3; D1:01"],
                      "category": 2},
                     {"question": "Who planted tomatoes?", "evidence": ["D2:1"], "category": 1},
                     {"question": "Nothing to find?", "evidence": ["D9:9"], "category": 1}]
        path = os.path.join(self.work, "talk.json")
        with open(path, "w") as file:
            json.dump([{"conversation": talk, "qa": questions}], file)
        found = self.objects("bench", "dialogue", path, "--dir", self.work)
        best = {line["way"]: line for line in found if line["category"] == "all"}
        self.assertEqual(best["words"]["questions"], 3)
        self.assertEqual(best["words"]["memories"], 5)
        self.assertEqual(best["dialogue"]["recall_at_5"], 100)
        # The colour is told by a turn that has no word of the question.
        self.assertGreater(best["dialogue"]["recall_at_5"], best["words"]["recall_at_50"])
        self.assertEqual({line["category"] for line in found}, {"all", "1", "2"})
        for line in found:
            self.assertGreater(line["p50_us"], 0)
        found = self.objects("bench", "dialogue", path, "--dir", self.work, "--one-store")
        self.assertEqual(found[-1]["memories"], 5)
        self.assertEqual(os.listdir(self.work), ["talk.json"])
        self.refused(FAILED, "bench", "dialogue", os.path.join(self.work, "none"), says="none")

    def test_bench_passages_finds_what_questions_need(self):
        passages = [{"title": "Lake Inle", "text": "A lake of still water among hills."},
                    {"title": "Hills", "text": "The hills are home to herders."},
                    {"title": "Ports", "text": "Ships rest here."}]
        questions = [{"id": "2hop__1", "question": "Who lives in the hills of Lake Inle?",
                      "gold_titles": ["Lake Inle", "Hills"],
                      "gold_texts": [passages[0]["text"], passages[1]["text"]]},
                     {"id": "1hop__2", "question": "Where do ships rest?",
                      "gold_titles": ["Ports"], "gold_texts": [passages[2]["text"]]}]
        path = os.path.join(self.work, "passages.json")
        with open(path, "w") as file:
            json.dump({"passages": passages, "questions": questions}, file)
        found = self.objects("bench", "passages", path, "--dir", self.work)
        best = {line["way"]: line for line in found if line["category"] == "all"}
        self.assertEqual(best["passages"]["recall_at_2"], 100)
        self.assertEqual(best["passages"]["recall_at_1"], 75)
        self.assertEqual({line["category"] for line in found}, {"all", "1hop", "2hop"})
        bad = os.path.join(self.work, "bad.json")
        with open(bad, "w") as file:
            file.write("[1]")
        self.refused(MISUSE, "bench", "passages", bad, says="passages")
        self.refused(MISUSE, "bench", "dialogue", bad, says="object")

    def test_bench_write_prints_one_line_a_directory(self):
        [line] = self.objects("bench", "write", self.work, "--seconds", 0.3, "--rounds", 2,
                              "--threads", 2, "--dimension", 16)
        for name in ("commits_per_s", "memories_per_s", "p50_us", "p99_us", "raw_fdatasync_per_s",
                     "raw_p50_us", "raw_p99_us", "ratio", "ratio_of_medians"):
            self.assertGreater(line[name], 0, name)
        self.assertEqual(os.listdir(self.work), [])

    def test_bench_write_counts_the_memories_of_a_batch(self):
        for dimension in (16, 0):
            [line] = self.objects("bench", "write", self.work, "--seconds", 0.2, "--rounds", 1,
                                  "--batch", 64, "--dimension", dimension)
            self.assertEqual(line["batch"], 64)
            self.assertAlmostEqual(line["memories_per_s"], 64 * line["commits_per_s"], 3)
            self.assertGreater(line["raw_write_bytes"], 64 * 1024)
            self.assertGreater(line["ratio_of_medians"], 0)

    def test_bench_processes_prints_turns_sight_and_memory(self):
        lines = self.objects("bench", "processes", self.work, "--seconds", 0.05, "--rounds", 1,
                             "--readers", 2, "--rows", 1000, "--tail-rows", 500, "--dimension", 16,
                             "--sights", 5)
        self.assertEqual([line["part"] for line in lines], ["turns", "turns", "sight", "memory"])
        for line in lines[:2]:
            self.assertGreater(line["one_commits_per_s"], 0)
            self.assertGreater(line["told_in_turn_to_one"], 0)
        self.assertEqual(lines[2]["commits"], 5)
        self.assertGreater(lines[3]["one_pss_bytes"], 0)
        self.assertGreater(lines[3]["all_pss_bytes"], 0)

    def test_bench_stress_prints_every_level_and_phase(self):
        lines = self.objects("bench", "stress", self.work, "--seconds", 0.1, "--rounds", 1,
                             "--rows", 1000, "--dimension", 16, "--guard-rate", 1000)
        cells = {(line["level"], line["phase"]) for line in lines if line["bench"] == "stress"}
        for level in ("guard", "lookup", "recall"):
            for phase in ("idle", "inserting", "checkpointing", "compacting"):
                self.assertIn((level, phase), cells)
        self.assertIn(("recall", "in_turn"), cells)
        self.assertIn("shared_mutex", [line.get("guard") for line in lines])
        self.assertEqual(os.listdir(self.work), [])


class BenchAnn(Cli):
    """Rows on a circle, one degree apart; the query of number n lies just beside row 10 n."""

    ROWS, QUERIES = 360, 36

    def setUp(self):
        super().setUp()
        self.base = self.vectors("set.base.fbin", [self.point(n) for n in range(self.ROWS)])
        self.query = self.vectors("set.query.fbin",
                                  [self.point(10 * n + 0.1) for n in range(self.QUERIES)])

    @staticmethod
    def point(degrees):
        return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def file(self, name, rows, width, form, values):
        path = os.path.join(self.work, name)
        with open(path, "wb") as out:
            out.write(struct.pack("<ii", rows, width) + struct.pack(f"<{len(values)}{form}", *values))
        return path

    def vectors(self, name, rows):
        return self.file(name, len(rows), len(rows[0]), "f", [x for row in rows for x in row])

    def truth(self, name, offsets, rows=QUERIES):
        values = [(10 * n + offset) % self.ROWS for n in range(rows) for offset in offsets]
        return self.file(name, rows, len(offsets), "i", values)

    def bench(self, *options, base=None):
        return self.objects("bench", "ann", "--base", base or self.base, "--query", self.query,
                            "--dir", self.work, "--rounds", 2, "--seconds", 0, *options)

    def wrong(self, says, *options, base=None):
        self.refused(MISUSE, "bench", "ann", "--base", base or self.base, "--query", self.query,
                     "--dir", self.work, *options, says=says)

    def test_efforts_and_batches_of_queries_are_settings(self):
        lines = self.bench("-k", 3, "--effort", "0.3,1", "--query-batch", "1,4", "--truth",
                           self.truth("set.truth.ibin", [0, 1, -1, 2]))
        self.assertEqual([(line["query_batch"], round(line["effort"], 3)) for line in lines],
                         [(1, 0.3), (1, 1), (4, 0.3), (4, 1)])
        for line in lines:
            self.assertNotIn("target_recall", line)
            self.assertGreaterEqual(line["recall"], 0.9)
        self.assertEqual(lines[1]["proof"], lines[3]["proof"])

    def test_a_line_for_each_setting(self):
        lines = self.bench("-k", 3, "--target-recall", 0.9, 1, "--threads", 1, 2, "--batch", 1,
                           "--truth", self.truth("set.truth.ibin", [0, 1, -1, 2]))
        self.assertEqual([(line["threads"], line["target_recall"]) for line in lines],
                         [(1, 0.9), (1, 1), (2, 0.9), (2, 1)])
        for line in lines:
            self.assertEqual((line["dataset"], line["rows"], line["dimension"], line["k"]),
                             ("set", self.ROWS, 2, 3))
            self.assertGreaterEqual(line["recall"], 0.9)
            self.assertEqual(line["rounds"], 2)
            self.assertEqual(line["inserts"], 36)
            for name in ("qps", "p50_us", "p99_us", "p999_us", "build_s", "insert_mean_us",
                         "insert_p50_us", "insert_p99_us", "bytes_per_vector", "rss_bytes",
                         "open_ms", "first_query_us"):
                self.assertGreater(line[name], 0, name)
        for line in lines[1::2]:
            self.assertEqual((line["recall"], line["recall_by_id"], line["exact"]), (1, 1, True))
        self.assertEqual(lines[1]["proof"], lines[3]["proof"])
        self.assertEqual(sorted(os.listdir(self.work)),
                         ["set.base.fbin", "set.query.fbin", "set.truth.ibin"])

    def test_the_order_of_rows_changes_no_exact_answer(self):
        proofs = set()
        for options in ((), ("--order", "reversed"), ("--order", "shuffled", "--seed", 7),
                        ("--loaders", 3, "--batch", 5), ("--precision", "float32"),
                        ("--metric", "l2"),
                        ("--metric", "dot", "--precision", "float32", "--durability", "none")):
            [line] = self.bench("-k", 9, "--target-recall", 1, *options)
            self.assertEqual(line["recall"], 1, options)
            self.assertEqual(line["truth"], "computed")
            proofs.add(line["proof"])
        self.assertEqual(len(proofs), 1)

    def test_recall_is_the_share_of_the_truth_found(self):
        [line] = self.bench("-k", 2, "--target-recall", 1,
                            "--truth", self.truth("half.ibin", [0, 180]))
        self.assertEqual(line["recall_by_id"], 0.5)
        [line] = self.bench("-k", 2, "--target-recall", 1,
                            "--truth", self.truth("none.ibin", [170, 160]))
        self.assertEqual(line["recall_by_id"], 0)

    def test_copies_of_a_true_neighbour_count(self):
        copies = self.vectors("copies.fbin", [self.point(10 * (n % self.QUERIES))
                                              for n in range(self.ROWS)])
        first = self.file("first.ibin", self.QUERIES, 1, "i", range(self.QUERIES))
        last = self.file("last.ibin", self.QUERIES, 1, "i",
                         range(self.ROWS - self.QUERIES, self.ROWS))
        by_id = 0
        for truth in (first, last):
            [line] = self.bench("-k", 1, "--target-recall", 1, "--truth", truth, base=copies)
            self.assertEqual(line["recall"], 1)
            by_id += line["recall_by_id"]
        self.assertLessEqual(by_id, 1)

    def test_k_above_the_rows_finds_them_all(self):
        [line] = self.bench("-k", 1000, "--target-recall", 1)
        self.assertEqual((line["recall"], line["recall_by_id"]), (1, 1))

    def test_keep_leaves_the_palace(self):
        [line] = self.bench("--keep", "--target-recall", 1)
        self.assertEqual(self.objects("stat", line["palace"])[0]["memories"], self.ROWS)
        self.ok("verify", line["palace"])

    def test_steps_are_taken_from_standard_input(self):
        out = self.objects("bench", "ann", "--base", self.base, "--query", self.query, "--dir",
                           self.work, "--seconds", 0, "--step", "--target-recall", 0.9, 1,
                           stdin="\n\n\n")
        self.assertEqual([line["bench"] for line in out], ["ann_ready"] + ["ann_round"] * 3 + ["ann"] * 2)
        self.assertEqual(out[-1]["rounds"], 3)

    def test_bad_files_are_named(self):
        def file(name, counts, values):
            return self.file(name, *counts, "f", values)

        def check(says, path):
            self.wrong(says, base=path)
            self.wrong(says, "--truth", path)

        check("bad 100%? has 20 bytes where 2 rows of 2 values take 24",
              file("bad 100%", (2, 2), [1] * 3))
        check("has 28 bytes where 2 rows of 2 values take 24", file("long", (2, 2), [1] * 5))
        check("holds -1 rows of 2 values", file("negative", (-1, 2), [1] * 2))
        check("holds 2 rows of 0 values", file("flat", (2, 0), []))
        check("too short for its two counts", self.empty("empty"))
        self.wrong("5000 dimensions; a space takes 1 to 4096",
                   base=file("wide", (1, 5000), [1] * 5000))
        self.wrong("dimensions", base=file("other", (2, 3), [1] * 6))
        self.wrong("rows from row 350 of .*nan", base=file("nan", (360, 2), [1] * 700 + [math.nan] * 20))
        self.wrong("zero", base=file("zero", (2, 2), [0] * 4))
        self.refused(FAILED, "bench", "ann", "--base", self.base, "--query", self.work + "/absent",
                     says="absent")
        self.assertEqual([name for name in os.listdir(self.work) if name.startswith("aeon")], [])

    def empty(self, name):
        path = os.path.join(self.work, name)
        open(path, "wb").close()
        return path

    def test_a_truth_of_something_else_is_refused(self):
        self.wrong("has 2 neighbours of each query and -k is 3", "-k", 3,
                   "--truth", self.truth("two", [0, 1]))
        self.wrong("answers 5 queries", "-k", 1, "--truth", self.truth("five", [0], rows=5))
        self.wrong("names row 360 for query 0", "-k", 1,
                   "--truth", self.file("far", self.QUERIES, 1, "i", [self.ROWS] * self.QUERIES))
        self.wrong("names row -2 for query 0", "-k", 1,
                   "--truth", self.file("low", self.QUERIES, 1, "i", [-2] * self.QUERIES))
        for options in (("-k", 0), ("-k", 1001), ("--target-recall", 0), ("--target-recall", 1.5),
                        ("--threads", 0), ("--batch", 0), ("--metric", "round")):
            self.refused(MISUSE, "bench", "ann", "--base", self.base, "--query", self.query,
                         *options)


class RoundTrip(Cli):
    def fill(self):
        self.init("--space", "mine:3:l2:float32", "--space", "small:4:cosine:int8",
                  "--space", "half:4:dot:float16")
        ids = self.put(
            {"text": "one", "key": "k1", "session": "s", "metadata": {"a": 1.10}},
            {"text": "two", "session": "s", "tenant": "other", "vectors": {"mine": [0.1, 1e-8, 3]}},
            {"bytes": "AP8K", "session": "s", "vectors": {"small": [1, 2, 3, 4]}},
            {"text": "gone", "session": "s"},
            {"text": "last\n\x01", "session": "s", "expires": "2200-01-01",
             "vectors": {"half": [0.1, 0.2, 0.3, 7]}, "edges": [{"to": {"key": "k1"},
                                                                "type": "mentions", "weight": 0.3}]})
        self.ok("forget", self.palace, ids[3])
        return ids

    @staticmethod
    def without_history(text):
        text = re.sub(r'"(version|commit)":\d+,', "", text)
        return re.sub(r'"commit_time":"[^"]*",', "", text)

    def test_an_import_into_an_empty_palace_is_the_same_with_the_same_ids(self):
        self.fill()
        exported = self.export()
        other = os.path.join(self.work, "other")
        self.ok("init", other, "--no-lexical")
        done = self.objects("import", other, "-", stdin=exported)[0]
        self.assertTrue(done["kept_ids"])
        self.assertEqual(self.without_history(self.export(other)), self.without_history(exported))
        self.ok("verify", other)
        fresh = json.loads(self.ok("put", other, "--ack", stdin=lines({"text": "new"})))["id"]
        highest = max(json.loads(l).get("id", 0) for l in exported.splitlines())
        self.assertGreater(fresh, highest)

    def test_an_import_beside_other_memories_maps_the_ids(self):
        ids = self.fill()
        exported = self.export()
        other = os.path.join(self.work, "other")
        self.ok("init", other)
        self.ok("put", other, stdin=lines(*({"text": f"here {i}"} for i in range(9))))
        where = os.path.join(self.work, "map")
        source = os.path.join(self.work, "export")
        with open(source, "w") as file:
            file.write(exported)
        done = self.objects("import", other, source, "--map", where)[0]
        self.assertFalse(done["kept_ids"])
        with open(where) as file:
            mapped = {m["exported"]: m["id"] for m in map(json.loads, file)}
        self.assertEqual(set(mapped), {ids[i] for i in (0, 1, 2, 4)})
        back = json.loads(self.ok("get", other, mapped[ids[4]], "--json"))
        self.assertEqual(back["text"], "last\n\x01")
        edges = [json.loads(l)["edge"] for l in self.export(other).splitlines() if '"edge"' in l]
        self.assertIn((mapped[ids[4]], mapped[ids[0]], "mentions", 0.3),
                      [(e["from"], e["to"], e["type"], e["weight"]) for e in edges])

    def test_an_import_over_the_same_keys_keeps_what_they_mention(self):
        self.init()
        first = self.put({"text": "one", "key": "b", "mentions": ["Xerxes"]})[0]
        self.put(*({"text": f"filler {i}", "key": f"f{i}"} for i in range(600)))
        self.put({"text": "two", "key": "a", "mentions": ["Xerxes", "Darius"]})
        self.ok("forget", self.palace, first)
        self.ok("import", self.palace, "-", stdin=self.export())
        lines_out = [json.loads(l) for l in self.export().splitlines()]
        memories = {l["key"]: l["id"] for l in lines_out if "key" in l}
        edges = {(l["edge"]["from"], l["edge"]["to"]) for l in lines_out if "edge" in l}
        for name in ("xerxes", "darius"):
            self.assertIn((memories["a"], memories[f"concept:{name}"]), edges)
        self.ok("verify", self.palace)

    def test_what_is_no_export_is_refused(self):
        self.init()
        self.refused(FAILED, "import", self.palace, "-", stdin=lines({"text": "a"}), says="line 1")
        self.refused(FAILED, "import", self.palace, "-", stdin="", says="no export")
        self.refused(FAILED, "import", self.palace, "-", stdin=lines({"aeon_export": 9}),
                     says="newer")
        self.refused(FAILED, "import", self.palace, os.path.join(self.work, "none"), says="none")


class BadInput(Cli):
    """Every refused input leaves the palace as it was."""

    def setUp(self):
        super().setUp()
        self.init("--space", "mine:2")
        self.put({"text": "there", "key": "k"})
        self.before = self.export()

    def tearDown(self):
        if os.path.isdir(self.palace):
            self.assertEqual(self.export(), self.before)
        super().tearDown()

    def bad_line(self, line, says):
        text = line if isinstance(line, (str, bytes)) else lines(line)
        error = self.refused(FAILED, "put", self.palace, stdin=text, says=says)
        self.assertIn("line 1 of standard input", error)

    def test_vectors_that_do_not_fit(self):
        self.bad_line({"text": "a", "vector": [1, 2, 3]}, "dimension|3")
        self.bad_line({"text": "a", "vector": [0, 0]}, "zero")
        self.bad_line('{"text":"a","vector":[NaN,1]}\n', "JSON")
        self.bad_line('{"text":"a","vector":[1e99,1]}\n', "finite")
        self.bad_line({"text": "a", "vectors": {"nowhere": [1, 2]}}, "nowhere")
        self.bad_line({"text": "a", "vector": [1, 2], "model": "someone else"}, "model")

    def test_queries_that_do_not_fit(self):
        recall = ("recall", self.palace)
        self.refused(MISUSE, *recall, "--vector", "-", stdin="[1,2,3]", says="dimension|3")
        self.refused(MISUSE, *recall, "--vector", "-", stdin="[nan,1]", says="finite")
        self.refused(MISUSE, *recall, "--vector", "-", stdin="[0,0]", says="zero")
        self.refused(MISUSE, *recall, "--vector", "-", stdin="", says="no numbers")
        self.refused(MISUSE, *recall, "--text", "a", "--space", "nowhere", says="nowhere")
        self.refused(MISUSE, *recall, "--text", "a", "--tenant", "nobody", says="nobody")
        self.refused(MISUSE, *recall, "--text", "a", "--since", "soon", says="soon")
        self.refused(MISUSE, *recall, "--text", "a", "--filter", "{", says="JSON|filter")
        self.refused(MISUSE, *recall, "--text", "a", "--filter", '{"n":{"$almost":1}}',
                     says="almost")
        self.refused(MISUSE, *recall, "--text", "a", "--as-of", 99999, says="99999")
        self.refused(MISUSE, *recall, "--text", b"\xff".decode("utf8", "surrogateescape"),
                     says="UTF-8")
        self.refused(MISUSE, *recall, says="--text")
        self.refused(MISUSE, *recall, "--text", "a", "-k", 0, says="-k")
        self.refused(FAILED, *recall, "--vector", os.path.join(self.work, "none"), says="none")

    def test_ids_and_keys_that_are_not_there(self):
        self.refused(NEGATIVE, "get", self.palace, 424242, says="424242")
        self.refused(NEGATIVE, "get", self.palace, "--key", "missing", says="missing")
        self.refused(NEGATIVE, "forget", self.palace, 424242, says="424242")
        self.refused(NEGATIVE, "trace", self.palace, 424242, says="424242")
        self.refused(MISUSE, "get", self.palace, says="ID")
        self.refused(MISUSE, "get", self.palace, "seven")
        self.bad_line({"text": "a", "key": ""}, "key")
        self.bad_line({"text": "a", "key": "k" * 1025}, "key")
        self.bad_line({"text": "a", "edges": [{"to": 424242, "type": "x"}]}, "424242")
        self.bad_line({"text": "a", "edges": [{"to": {"key": "no"}, "type": "x"}]}, "no")
        self.bad_line({"text": "a", "key": "k", "mode": "if_absent"}, "k")
        self.bad_line({"text": "a", "key": "k", "mode": "if_version", "expected_version": 77},
                      "version")

    def test_text_that_is_no_utf8_or_no_json(self):
        self.bad_line(b'{"text":"\xff\xfe"}\n', "UTF-8")
        self.bad_line('{"text":"half\n', "JSON")
        self.bad_line('["text"]\n', "object")
        self.bad_line({"text": "a", "txet": "b"}, "txet")
        self.bad_line({"text": "a", "tenant": "t" * 256}, "256|255")

    def test_limits(self):
        self.bad_line({"text": "a", "metadata": {"m": "x" * (65 << 10)}}, "")

    def test_misuse(self):
        self.refused(MISUSE)
        self.refused(MISUSE, "remember", self.palace)
        self.refused(MISUSE, "put", self.palace, "--durability", "perhaps")
        self.refused(MISUSE, "put", self.palace, "--jsonl", "-", "--text", self.work, says="both")
        self.refused(MISUSE, "init", self.palace, says="already")
        for space in ("a", "a:0", "a:5000", "a:x", ":3", "a:3:far", "a:3:dot:float8"):
            self.refused(MISUSE, "init", os.path.join(self.work, "new"), "--space", space)
            self.assertFalse(os.path.exists(os.path.join(self.work, "new")))

    def test_paths_that_are_no_palace(self):
        empty = os.path.join(self.work, "empty")
        os.mkdir(empty)
        for path in (os.path.join(self.work, "none"), empty, "/dev/null"):
            for command in (("stat", path), ("get", path, 1), ("verify", path), ("put", path),
                            ("recall", path, "--text", "a"), ("compact", path)):
                self.refused(FAILED, *command, says=re.escape(path))
        self.assertEqual(os.listdir(empty), [])
        self.refused(FAILED, "init", os.path.join(self.work, "no", "parent"))
        self.refused(FAILED, "put", self.palace, "--jsonl", os.path.join(self.work, "none"))
        self.refused(FAILED, "put", self.palace, "--text", os.path.join(self.work, "none"))


class BadLines(Cli):
    def test_lines_before_a_malformed_one_are_kept(self):
        self.init("--space", "mine:2")
        text = lines({"text": "a"}, {"text": "b"}) + "nonsense\n" + lines({"text": "c"})
        self.refused(FAILED, "put", self.palace, stdin=text, says="line 3 .*2 memories")
        self.assertEqual(self.memories(), 2)
        text = lines({"text": "d"}, {"text": "e", "vector": [1]}, {"text": "f"})
        self.refused(FAILED, "put", self.palace, stdin=text, says="line 2 .*1 memories")
        self.assertEqual(self.memories(), 3)

    def test_skip_bad_goes_on_and_counts(self):
        self.init("--space", "mine:2")
        text = (lines({"text": "a"}) + "nonsense\n" + lines({"text": "b", "vector": [0, 0]})
                + "\n" + lines({"text": "c"}))
        done = run("put", self.palace, "--skip-bad", "--json", stdin=text)
        self.assertEqual(done.returncode, DONE, done.stderr)
        summary = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual((summary["stored"], summary["skipped"]), (2, 2))
        self.assertIn(b"line 2", done.stderr)
        self.assertIn(b"line 3", done.stderr)

    def test_a_line_beyond_all_measure_is_refused_without_being_held(self):
        self.init()
        text = b'{"text":"' + b"x" * (40 << 20) + b'"}\n' + lines({"text": "after"}).encode()
        self.refused(FAILED, "put", self.palace, stdin=text, says="line 1 .*16 MiB")
        self.ok("put", self.palace, "--skip-bad", stdin=text)
        self.assertEqual(self.memories(), 1)


class BadFiles(Cli):
    def files(self):
        return sorted(os.path.join(self.palace, f) for f in os.listdir(self.palace))

    def contents(self):
        found = {}
        for path in self.files():
            with open(path, "rb") as file:
                found[path] = file.read()
        return found

    def test_a_newer_format_is_refused_and_left_alone(self):
        self.init()
        self.put({"text": "a"})
        # The version stands behind the eight bytes of magic of every file, see the format pages.
        for path in self.files():
            if os.path.basename(path).startswith("manifest"):
                with open(path, "r+b") as file:
                    file.seek(8)
                    version = int.from_bytes(file.read(2), "little")
                    file.seek(8)
                    file.write((version + 1).to_bytes(2, "little"))
        before = self.contents()
        for command in (("stat", self.palace), ("put", self.palace)):
            self.refused(FAILED, *command)
        self.assertEqual(self.contents(), before)

    def test_a_flipped_bit_is_found_by_verify_and_scrub(self):
        self.init()
        self.put(*({"text": f"memory number {i}"} for i in range(200)))
        self.ok("compact", self.palace)
        segments = [f for f in self.files() if os.path.basename(f).startswith("seg-")]
        self.assertTrue(segments)
        self.assertIn("whole", self.ok("scrub", self.palace, "--rate", "1000"))
        with open(segments[0], "r+b") as file:
            file.seek(5000)
            byte = file.read(1)[0]
            file.seek(5000)
            file.write(bytes([byte ^ 1]))
        for command in ("verify", "scrub"):
            done = run(command, self.palace, "--json")
            self.assertEqual(done.returncode, NEGATIVE, done.stderr)
            self.assertIn(os.path.basename(segments[0]), done.stdout.decode())
            self.assertIn('"offset":4096', done.stdout.decode())

    def test_no_permission_is_said(self):
        self.init()
        self.put({"text": "kept"})
        before = self.contents()
        options = {}
        if os.geteuid() == 0:  # root may read and write everything; another user may not
            tool = os.path.join(self.work, "aeon")
            shutil.copy(AEON, tool)
            os.chmod(self.work, 0o755)
            os.chmod(self.palace, 0o700)
            options = {"user": 65534, "group": 65534, "extra_groups": []}
        else:
            tool = AEON
            os.chmod(self.palace, 0)
            self.addCleanup(os.chmod, self.palace, 0o700)
        for command in (["stat", self.palace], ["put", self.palace], ["get", self.palace, "1"],
                        ["recall", self.palace, "--text", "a"], ["verify", self.palace]):
            done = subprocess.run([tool, *command], input=b'{"text":"a"}\n', capture_output=True,
                                  timeout=60, **options)
            self.assertEqual(done.returncode, FAILED, (command, done.stderr))
            self.assertRegex(done.stderr.decode(), "ermission")
            self.assertEqual(done.stderr.count(b"\n"), 1)
        os.chmod(self.palace, 0o700)
        self.assertEqual(self.contents(), before)

    def test_a_limit_on_the_size_of_files_is_said_and_loses_nothing(self):
        self.init()
        kept = self.put({"text": "kept"})

        def limited():
            resource.setrlimit(resource.RLIMIT_FSIZE, (264_000, 264_000))

        # Neither the log file in use nor one of the greatest size allowed holds such a line.
        text = lines({"text": "small"}, {"text": "x" * 261_000})
        done = subprocess.run([AEON, "put", self.palace, "--ack"], input=text.encode(),
                              capture_output=True, timeout=60, preexec_fn=limited)
        self.assertEqual(done.returncode, FAILED, done.stderr)
        self.assertRegex(done.stderr.decode(), "space|full|large|limit")
        acknowledged = [json.loads(l)["id"] for l in done.stdout.splitlines()]
        self.ok("verify", self.palace)
        self.objects("get", self.palace, *kept, *acknowledged)
        self.put({"text": "goes on"})

    def test_a_full_disk_is_said_and_loses_nothing(self):
        mount = os.path.join(self.work, "small")
        os.mkdir(mount)
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", mount],
                              capture_output=True)
        if made.returncode != 0:
            self.skipTest("no small file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", mount])
        self.palace = os.path.join(mount, "palace")
        self.init()
        kept = self.put({"text": "kept"})
        with open(os.path.join(mount, "ballast"), "wb") as file:
            free = shutil.disk_usage(mount).free
            file.write(b"\0" * max(0, free - (4 << 20)))
        text = lines(*({"text": f"{i} " + "x" * 50000} for i in range(3000)))
        done = run("put", self.palace, "--ack", stdin=text)
        self.assertEqual(done.returncode, FAILED, done.stderr)
        self.assertRegex(done.stderr.decode(), "space|full")
        acknowledged = [json.loads(l)["id"] for l in done.stdout.splitlines()]
        os.remove(os.path.join(mount, "ballast"))
        self.ok("verify", self.palace)
        self.objects("get", self.palace, *kept, *acknowledged)
        self.put({"text": "goes on"})

    def test_a_closed_reader_is_an_error_not_a_death(self):
        self.init()
        self.put(*({"text": "x" * 5000} for _ in range(200)))
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([AEON, "export", self.palace], stdout=write, stderr=subprocess.PIPE)
        os.close(write)
        self.assertEqual(done.returncode, FAILED, done.stderr)


class Copies(Cli):
    """backup, repair, and what they refuse."""

    def setUp(self):
        super().setUp()
        self.init("--space", "v:2")
        self.put(*({"text": f"number {i} " + "x" * 200, "session": "s", "key": f"k{i}"}
                   for i in range(40)))
        self.copy = os.path.join(self.work, "copy")

    def export(self, palace):
        lines = self.ok("export", palace).splitlines()[1:]  # the first one says the commit
        drop = ("version", "commit_time")
        return [{k: v for k, v in json.loads(l).items() if k not in drop} for l in lines]

    def test_a_backup_is_the_palace_and_is_brought_up_to_date(self):
        self.ok("checkpoint", self.palace)
        first = self.objects("backup", self.palace, self.copy)[0]
        self.assertGreater(first["files_linked"], 0)
        self.assertEqual(self.export(self.copy), self.export(self.palace))
        self.put({"text": "later"})
        second = self.objects("backup", self.palace, self.copy)[0]
        self.assertEqual(second["files_linked"], 0)
        self.assertEqual(second["before"], first["commit"])
        self.assertEqual(self.export(self.copy), self.export(self.palace))
        self.ok("verify", self.copy)
        restored = os.path.join(self.work, "restored")
        shutil.copytree(self.copy, restored)
        self.assertEqual(self.export(restored), self.export(self.palace))

    def test_what_is_no_place_for_a_backup_is_refused(self):
        self.refused(MISUSE, "backup", self.palace, self.palace, says="palace itself")
        self.refused(MISUSE, "backup", self.palace, os.path.join(self.palace, "in"), says="inside")
        link = os.path.join(self.work, "link")
        os.symlink(self.palace, link)
        self.refused(FAILED, "backup", self.palace, link, says="itself")
        self.refused(MISUSE, "backup", self.palace, os.path.join(link, "in"), says="inside")
        full = os.path.join(self.work, "full")
        os.mkdir(full)
        open(os.path.join(full, "file"), "w").close()
        self.refused(MISUSE, "backup", self.palace, full, says="not empty")
        self.assertEqual(os.listdir(full), ["file"])
        other = os.path.join(self.work, "other")
        self.ok("init", other)
        self.refused(FAILED, "backup", self.palace, other, says="another palace")
        self.refused(FAILED, "backup", os.path.join(self.work, "none"), self.copy)
        self.assertFalse(os.path.exists(self.copy))
        self.ok("backup", self.palace, self.copy)
        self.put_into(self.copy, {"text": "of its own"})
        self.refused(MISUSE, "backup", self.palace, self.copy, says="new directory")

    def put_into(self, palace, *objects):
        self.ok("put", palace, stdin=lines(*objects))

    def test_repair_saves_what_is_left(self):
        self.ok("compact", self.palace)
        whole = self.export(self.palace)
        done = self.objects("repair", self.palace, self.copy)[-1]
        self.assertEqual(done["losses"], 0)
        self.assertEqual(self.export(self.copy), whole)
        blob = sorted(n for n in os.listdir(self.palace) if n.startswith("blob-"))[-1]
        with open(os.path.join(self.palace, blob), "r+b") as file:
            file.seek(4096 + 100)
            file.write(b"\xff" * 50)
        saved = os.path.join(self.work, "saved")
        damaged = run("repair", self.palace, saved)
        self.assertEqual(damaged.returncode, NEGATIVE, damaged.stderr)
        self.assertIn(b"lost: ", damaged.stdout)
        self.assertEqual(len(self.export(saved)), len(whole))
        self.ok("verify", saved)
        self.refused(MISUSE, "repair", self.palace, saved, says="not empty")
        self.refused(MISUSE, "repair", self.palace, os.path.join(self.palace, "x"), says="inside")
        self.refused(FAILED, "repair", os.path.join(self.work, "none"), self.work + "/y")


class Histories(Cli):
    """log, tail and walk."""

    def setUp(self):
        super().setUp()
        self.init()
        self.put({"text": "one", "key": "k"}, {"text": "two"}, {"text": "three"})

    def test_log_says_who_and_when(self):
        commits = self.objects("log", self.palace)
        self.assertEqual([c["commit"] for c in commits], sorted((c["commit"] for c in commits),
                                                                reverse=True))
        self.ok("forget", self.palace, 2)
        versions = self.objects("log", self.palace, 2)
        self.assertEqual([v["what"] for v in versions], ["forgotten", "written"])
        self.assertIn("memory 2 forgotten", self.ok("log", self.palace, 2))
        self.refused(NEGATIVE, "log", self.palace, 99, says="99")

    def test_tail_tells_every_commit_once(self):
        before = self.objects("tail", self.palace)
        wrote = [x["id"] for c in before for x in c["changes"] if x["what"] == "wrote"]
        self.assertEqual(wrote, [1, 2, 3])
        self.ok("checkpoint", self.palace)
        after = self.objects("tail", self.palace)
        self.assertEqual(after[:len(before)], before)
        last = after[-1]["commit"]
        self.assertEqual(self.objects("tail", self.palace, "--from", last), [])
        self.refused(MISUSE, "tail", self.palace, "--from", last + 5, says="future")

    def test_tail_follows(self):
        tail = subprocess.Popen([AEON, "tail", self.palace, "--follow", "--json"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(tail.stdout.close)
        self.addCleanup(tail.stderr.close)
        seen = []
        while 3 not in seen:
            seen += [x["id"] for x in json.loads(tail.stdout.readline())["changes"]]
        self.put({"text": "four"})
        while 4 not in seen:
            seen += [x["id"] for x in json.loads(tail.stdout.readline())["changes"]]
        tail.send_signal(signal.SIGINT)
        self.assertEqual(tail.wait(20), DONE)
        self.assertEqual(seen, [1, 2, 3, 4])

    def test_walk(self):
        session = os.path.join(self.work, "line")
        self.ok("init", session)
        self.ok("put", session, stdin=lines(*({"text": f"event {i}", "session": "s"}
                                              for i in range(5))))
        found = self.objects("walk", session, "--from", 1, "--hops", 3)
        self.assertEqual([(f["id"], f["hops"]) for f in found[:-1]], [(2, 1), (3, 2), (4, 3)])
        path = self.objects("walk", session, "--from", 1, "--to", 4, "--hops", 9)
        self.assertEqual([f["id"] for f in path[:-1]], [1, 2, 3, 4])
        ranked = self.objects("walk", session, "--from", 2, "--mode", "ppr", "--way", "both")
        self.assertEqual(ranked[0]["id"], 2)
        self.assertLess(ranked[-1]["error"], 0.01)
        active = self.objects("walk", session, "--from", 2, "--mode", "activation")
        self.assertEqual([f["id"] for f in active[:-1]], [2, 3, 4])
        self.assertEqual(run("walk", session, "--from", 5).returncode, NEGATIVE)
        self.assertIn("event 2", self.ok("walk", session, "--from", 1))
        self.refused(NEGATIVE, "walk", session, "--from", 77, says="77")
        self.refused(MISUSE, "walk", session, "--from", 1, "--mode", "fly")
        self.refused(MISUSE, "walk", session, "--from", 1, "--type", "next:x", says="TYPE")
        self.refused(MISUSE, "walk", session, "--from", 1, "--restart", 1, says="restart")


if __name__ == "__main__":
    AEON = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=1)
