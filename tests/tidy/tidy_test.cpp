// The house rules that a compiler does not check, over every source of the repository. Each rule
// is first shown a bad sample, so that none can fall asleep.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <catch2/catch.hpp>

namespace {

namespace fs = std::filesystem;

struct Source {
  std::string path;  // from the root, with '/'
  std::string text;
};
using Findings = std::vector<std::string>;

const fs::path kRoot = AEON_SOURCE_DIRECTORY;
constexpr std::array<std::string_view, 8> kFolders = {"simd",   "storage", "wal",   "graph",
                                                      "engine", "api",     "tests", "bench"};

// What a folder may include. tests, bench and examples may include everything.
const std::map<std::string, std::vector<std::string>> kBelow = {
    {"simd", {"simd"}},
    {"storage", {"simd", "storage"}},
    {"wal", {"simd", "storage", "wal"}},
    {"graph", {"simd", "storage", "graph"}},
    {"engine", {"simd", "storage", "wal", "graph", "engine"}},
    {"api", {"simd", "storage", "wal", "graph", "engine", "api"}}};

std::string folder_of(const std::string& path) { return path.substr(0, path.find('/')); }

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool is_code(const fs::path& path) {
  return path.extension() == ".cpp" || path.extension() == ".hpp";
}

std::vector<Source> sources() {
  std::vector<Source> found;
  std::vector<std::string> folders(kFolders.begin(), kFolders.end());
  folders.emplace_back("examples");
  for (const std::string& folder : folders) {
    if (!fs::exists(kRoot / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      if (!entry.is_regular_file() || !is_code(entry.path())) continue;
      found.push_back(
          {entry.path().lexically_relative(kRoot).generic_string(), read(entry.path())});
    }
  }
  std::ranges::sort(found, {}, &Source::path);
  return found;
}

// Calls `each(number, line)` for every line.
template <typename Each>
void for_each_line(const std::string& text, Each each) {
  std::size_t number = 0;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    each(++number, text.substr(start, end - start));
    start = end + 1;
  }
}

std::string without_comment(const std::string& line) { return line.substr(0, line.find("//")); }

std::string place(const Source& source, std::size_t line) {
  return fmt::format("{}:{}", source.path, line);
}

Findings upward_includes(const Source& source) {
  static const std::regex include(R"(^\s*#\s*include\s*"([a-z]+)/)");
  Findings findings;
  const auto rule = kBelow.find(folder_of(source.path));
  if (rule == kBelow.end()) return findings;
  for_each_line(source.text, [&](std::size_t number, const std::string& line) {
    std::smatch match;
    if (!std::regex_search(line, match, include)) return;
    if (std::ranges::count(rule->second, match[1].str()) == 0) {
      findings.push_back(
          fmt::format("{}: includes a floor above: {}", place(source, number), line));
    }
  });
  return findings;
}

bool may_call_the_kernel(const std::string& path) {
  const std::string folder = folder_of(path);
  return folder == "tests" || folder == "bench" || path == "storage/real_os.cpp" ||
         path == "storage/os_memory.cpp" || path == "api/cli/files.cpp";
}

Findings system_calls(const Source& source) {
  static const std::regex call(
      R"((^|[^A-Za-z0-9_])::(open|openat|creat|read|pread|write|pwrite|mmap|munmap|msync|madvise|)"
      R"(mprotect|fsync|fdatasync|ftruncate|fallocate|rename|unlink|mkdir|fcntl|syscall)\s*\()"
      R"(|std::(o|i)?fstream|\bfopen\s*\(|std::filebuf)");
  Findings findings;
  if (may_call_the_kernel(source.path)) return findings;
  for_each_line(source.text, [&](std::size_t number, const std::string& line) {
    if (std::regex_search(without_comment(line), call)) {
      findings.push_back(
          fmt::format("{}: calls the system past its door: {}", place(source, number), line));
    }
  });
  return findings;
}

// Spelt in two parts, so that this file does not find itself.
const std::string kSharedMutex = fmt::format("shared_{}", "mutex");
const std::array<std::string, 3> kUnfinished = {
    fmt::format("TO{}", "DO"), fmt::format("FIX{}", "ME"), fmt::format("X{}", "XX")};

Findings waiting_readers(const Source& source) {
  Findings findings;
  if (source.path == "api/cli/bench_guards.cpp") return findings;  // measures it, as a baseline
  for_each_line(source.text, [&](std::size_t number, const std::string& line) {
    if (without_comment(line).find(kSharedMutex) != std::string::npos) {
      findings.push_back(place(source, number) + ": a shared mutex");
    }
  });
  return findings;
}

// An ordered atomic access of the library names its edge, "(n)", in a comment on its line, on the
// line after, or in the four lines before.
Findings unnumbered_edges(const Source& source) {
  static const std::regex ordered("memory_order_(acquire|release|acq_rel|seq_cst)");
  static const std::regex edge(R"(//.*\(\d+\))");
  constexpr std::size_t kBefore = 4;
  const std::string folder = folder_of(source.path);
  if (folder == "tests" || folder == "bench" || folder == "api" || folder == "examples") return {};
  if (source.path == "storage/process_fence.hpp") return {};  // the fences of others' edges
  std::vector<std::string> lines;
  for_each_line(source.text, [&](std::size_t, const std::string& line) { lines.push_back(line); });
  Findings findings;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!std::regex_search(without_comment(lines[i]), ordered)) continue;
    const std::size_t first = i - std::min(i, kBefore);
    const std::size_t count = std::min(i + 2, lines.size()) - first;
    const auto near = std::span(lines).subspan(first, count);
    const auto names_edge = [](const std::string& line) { return std::regex_search(line, edge); };
    if (std::ranges::any_of(near, names_edge)) continue;
    findings.push_back(place(source, i + 1) + ": an ordered access names no edge");
  }
  return findings;
}

Findings unfinished(const Source& source) {
  Findings findings;
  for_each_line(source.text, [&](std::size_t number, const std::string& line) {
    for (const std::string& word : kUnfinished) {
      if (!std::regex_search(line, std::regex("\\b" + word + "\\b"))) continue;
      findings.push_back(place(source, number) + ": says " + word);
    }
  });
  return findings;
}

std::size_t columns(const std::string& line) {
  return static_cast<std::size_t>(std::ranges::count_if(
      line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

Findings long_lines(const Source& source) {
  Findings findings;
  for_each_line(source.text, [&](std::size_t number, const std::string& line) {
    if (columns(line) > 100) {
      findings.push_back(fmt::format("{}: {} columns", place(source, number), columns(line)));
    }
  });
  return findings;
}

// `lists` maps each folder that has a CMakeLists.txt to its text.
Findings unlisted(const Source& source, const std::map<std::string, std::string>& lists) {
  const fs::path path = source.path;
  if (path.extension() != ".cpp") return {};
  for (fs::path folder = path.parent_path();; folder = folder.parent_path()) {
    const auto list = lists.find(folder.generic_string());
    if (list != lists.end()) {
      const std::string name =
          path.lexically_relative(folder.empty() ? "." : folder).generic_string();
      // As a whole word: "a.cpp" is not listed by "data.cpp".
      for (std::size_t at = list->second.find(name); at != std::string::npos;
           at = list->second.find(name, at + 1)) {
        const bool starts = at == 0 || std::string_view(" \t\n(\"/").find(list->second[at - 1]) !=
                                           std::string_view::npos;
        if (starts) return {};
      }
    }
    if (folder.empty()) return {source.path + ": no CMakeLists.txt lists it"};
  }
}

std::map<std::string, std::string> cmake_lists() {
  std::map<std::string, std::string> lists;
  lists[""] = read(kRoot / "CMakeLists.txt");
  for (const std::string_view folder : kFolders) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      if (entry.path().filename() != "CMakeLists.txt") continue;
      lists[entry.path().parent_path().lexically_relative(kRoot).generic_string()] =
          read(entry.path());
    }
  }
  if (fs::exists(kRoot / "examples/CMakeLists.txt")) {
    lists["examples"] = read(kRoot / "examples/CMakeLists.txt");
  }
  return lists;
}

template <typename Rule>
void check_all(Rule rule) {
  std::string all;
  for (const Source& source : sources()) {
    for (const std::string& finding : rule(source)) all += fmt::format("\n  {}", finding);
  }
  INFO(all);
  CHECK(all.empty());
}

}  // namespace

TEST_CASE("includes go downward only") {
  CHECK(upward_includes({"storage/a.cpp", "#include \"engine/b.hpp\"\n"}).size() == 1);
  CHECK(upward_includes({"graph/a.cpp", "\n#include \"wal/b.hpp\"\n"}).size() == 1);
  CHECK(upward_includes({"engine/a.cpp", "#include \"storage/b.hpp\"\n"}).empty());
  CHECK(upward_includes({"simd/a.cpp", "#include \"storage/result.hpp\"\n"}).size() == 1);
  check_all(upward_includes);
}

TEST_CASE("only the doors call the system") {
  for (const char* bad :
       {"int f = ::open(p, 0);", "  ::fsync(f);", "std::ofstream out;", "std::ifstream in(p);",
        "FILE* f = fopen(p, \"r\");", "auto n = ::write (f, p, 1);", "::mmap(nullptr, 1);"}) {
    INFO(bad);
    CHECK(system_calls({"wal/a.cpp", bad}).size() == 1);
    CHECK(system_calls({"storage/real_os.cpp", bad}).empty());
    CHECK(system_calls({"tests/a.cpp", bad}).empty());
  }
  CHECK(system_calls({"api/a.cpp", "auto p = Palace::open(d);  // ::open( it"}).empty());
  check_all(system_calls);
}

TEST_CASE("no reader waits at a shared mutex") {
  CHECK(waiting_readers({"engine/a.hpp", "std::" + kSharedMutex}).size() == 1);
  check_all(waiting_readers);
}

TEST_CASE("every ordered atomic access names its edge") {
  const std::string load = "  return count_.load(std::memory_order_acquire);";
  CHECK(unnumbered_edges({"engine/a.hpp", load}).size() == 1);
  CHECK(unnumbered_edges({"engine/a.hpp", load + "  // (2)"}).empty());
  CHECK(unnumbered_edges({"wal/a.cpp", "// (2) synchronizes-with (1).\n" + load}).empty());
  CHECK(unnumbered_edges({"wal/a.cpp", "// (2)\n\n\n\n\n" + load}).size() == 1);
  CHECK(unnumbered_edges({"engine/a.hpp", "x.load(std::memory_order_relaxed);"}).empty());
  check_all(unnumbered_edges);
}

TEST_CASE("nothing is left for later") {
  for (const std::string& word : kUnfinished) {
    CHECK(unfinished({"wal/a.cpp", word}).size() == 1);
  }
  check_all(unfinished);
}

TEST_CASE("lines have at most 100 columns") {
  CHECK(long_lines({"wal/a.cpp", std::string(101, 'x')}).size() == 1);
  CHECK(long_lines({"wal/a.cpp", std::string(100, 'x')}).empty());
  check_all(long_lines);
}

TEST_CASE("every source is listed in a build") {
  const std::map<std::string, std::string> sample = {{"", ""}, {"wal", "SOURCES\n  data.cpp)"}};
  CHECK(unlisted({"wal/a.cpp", ""}, sample).size() == 1);
  CHECK(unlisted({"wal/data.cpp", ""}, sample).empty());
  CHECK(unlisted({"new/a.cpp", ""}, sample).size() == 1);
  const auto lists = cmake_lists();
  check_all([&](const Source& source) { return unlisted(source, lists); });
}

TEST_CASE("the largest rooms are known") {
  auto all = sources();
  REQUIRE(all.size() > 10);
  std::ranges::sort(all, std::ranges::greater{},
                    [](const Source& source) { return std::ranges::count(source.text, '\n'); });
  for (std::size_t i = 0; i < 10; ++i) {
    fmt::print("{:>5} lines  {}\n", std::ranges::count(all[i].text, '\n'), all[i].path);
  }
}
