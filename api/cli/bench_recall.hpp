// What brings back the right memory: questions with known evidence, asked of a palace in several
// ways. `aeon bench dialogue` reads conversations (bench_dialogue.cpp), `aeon bench passages` texts
// that a question needs more than one of (bench_passages.cpp); both end up here.
//
// Every way is asked every question twice, and timed the second time. Recall at k is the share of a
// question's evidence among the first k memories, averaged over questions; every memory that is
// returned counts, whatever channel it came by.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/palace.hpp"

namespace aeon::cli {

struct RecallBench {
  std::string file;
  std::string directory;          // where to make a palace; empty: the system's for temporary files
  bool one_store = false;         // all conversations in one tenant, instead of one each
  bool settle = true;             // checkpoint before asking
  std::string graph = "triples";  // passages: what links them: triples, mentions or none
};

struct Question {
  std::string text;
  std::string tenant;
  std::string category;
  std::vector<MemoryId> evidence;  // not empty
};

// One way to ask.
struct Way {
  std::string name;
  Preset preset;
  std::string space;         // by the vector that the built-in embedder makes of the text...
  bool with_vector = false;  // ...alone, or together with the text's words
};

// What is asked of what; `memories` is a figure for the lines.
struct RecallQuestions {
  std::string bench;
  std::string file;
  std::uint64_t memories = 0;
  double load_us = 0;  // a memory
  std::vector<Question> questions;
};

using Print = std::function<void(const std::string&)>;

// A line for each way and category, and for all categories together. Errors: those of recalls.
[[nodiscard]] Status ask_all(const Palace& palace, const RecallQuestions& questions,
                             const std::vector<Way>& ways, const Print& print);

// A palace in a folder for the time being, with the built-in embedder's space "text".
[[nodiscard]] Status with_palace(const RecallBench& bench,
                                 const std::function<Status(Palace&)>& use);

[[nodiscard]] Status bench_dialogue(const RecallBench& bench, const Print& print);
[[nodiscard]] Status bench_passages(const RecallBench& bench, const Print& print);

}  // namespace aeon::cli
