// aeon walk: what is near some memories in the graph.
#include <CLI/CLI.hpp>
#include <memory>

#include <fmt/format.h>

#include "api/cli/command.hpp"
#include "api/cli/options.hpp"
#include "api/cli/show.hpp"
#include "api/json_line.hpp"
#include "api/json_memory.hpp"
#include "api/time_text.hpp"

namespace aeon::cli {
namespace {

struct Options {
  std::string directory;
  std::vector<MemoryId> from;
  MemoryId to = 0;
  std::string mode = "bfs";
  std::string way = "out";
  std::vector<std::string> types;
  std::string valid_at;
  std::string session;
  std::string kind;
  std::string filter;
  CommitNumber as_of = 0;
  WalkQuery query;
};

// "TYPE" or "TYPE:WEIGHT".
Result<TypeWeight> parse_type(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return TypeWeight{text, 1.0F};
  const std::string number(text.substr(colon + 1));
  char* end = nullptr;
  const float weight = std::strtof(number.c_str(), &end);
  if (number.empty() || *end != '\0') {
    return fail(Errc::invalid_argument,
                fmt::format("\"{}\" is no edge type; write TYPE or TYPE:WEIGHT", text));
  }
  return TypeWeight{text.substr(0, colon), weight};
}

Status fill(const Options& options, std::vector<TypeWeight>& types, WalkQuery& query) {
  query = options.query;
  for (const std::string& text : options.types) {
    AEON_ASSIGN(const TypeWeight type, parse_type(text));
    types.push_back(type);
  }
  query.types = types;
  query.from = options.from;
  query.way =
      options.way == "in" ? WalkWay::in : (options.way == "both" ? WalkWay::both : WalkWay::out);
  query.session = options.session;
  query.kind = options.kind;
  query.filter = options.filter;
  if (!options.valid_at.empty()) {
    AEON_ASSIGN(query.valid_at, api::parse_time(options.valid_at));
  }
  return {};
}

Status walk(const Options& options, const Snapshot& snapshot, WalkAnswer& answer) {
  std::vector<TypeWeight> types;
  WalkQuery query;
  AEON_TRY(fill(options, types, query));
  if (options.mode == "activation") return snapshot.activate(query, answer);
  if (options.mode == "ppr") return snapshot.rank(query, answer);
  return options.to == 0 ? snapshot.reach(query, answer) : snapshot.path(options.to, query, answer);
}

void show(const Chosen& chosen, const Walked& walked, const Memory& memory) {
  if (chosen.json) {
    api::JsonLine line;
    line.add("id", walked.id).add("via", walked.via).add("hops", walked.hops);
    line.add("score", walked.score).add_raw("memory", api::memory_json(memory));
    return print(std::move(line).finish());
  }
  print(fmt::format("{:>10.6f}  {} hops  id {}  [{}]", walked.score, walked.hops, memory.id,
                    origin_text(memory)));
  print(fmt::format("      {}", content_text(memory, 154)));
}

int run(const Chosen& chosen, const Options& options) {
  auto palace = Palace::open(options.directory, look_only());
  if (!palace) return report(chosen, palace.error());
  auto snapshot = options.as_of == 0 ? Result<Snapshot>(palace->snapshot())
                                     : palace->snapshot_at(options.as_of);
  if (!snapshot) return report(chosen, snapshot.error());
  WalkAnswer answer;
  if (auto walked = walk(options, *snapshot, answer); !walked) {
    return report(chosen, walked.error());
  }
  Memory memory;
  for (const Walked& walked : answer.found) {
    if (auto got = snapshot->get(walked.id, memory); !got) return report(chosen, got.error());
    show(chosen, walked, memory);
  }
  if (chosen.json) {
    api::JsonLine line;
    line.add("commit", answer.commit).add("edges", answer.edges).add("complete", answer.complete);
    line.add("error", answer.error);
    print(std::move(line).finish());
  } else {
    print(fmt::format("{} memories, {} edges looked at{}; error at most {:.3g}",
                      answer.found.size(), answer.edges,
                      answer.complete ? "" : " (the most that --max-edges allows)", answer.error));
  }
  return answer.found.empty() ? kNegative : kDone;
}

}  // namespace

void add_walk(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, chosen, "walk", "show what is near memories in the graph");
  add_directory(*command, options->directory);
  command->add_option("--from", options->from, "where to start: one or more ids")->required();
  command->add_option("--to", options->to, "bfs: show a shortest path to this memory");
  command->add_option("--mode", options->mode, "bfs (within so many hops), activation or ppr")
      ->check(CLI::IsMember({"bfs", "activation", "ppr"}));
  command->add_option("--way", options->way, "along edges (out), against them (in), or both")
      ->check(CLI::IsMember({"out", "in", "both"}));
  command->add_option("--type", options->types, "only this edge type, TYPE or TYPE:WEIGHT");
  command->add_option("--hops", options->query.hops, "bfs, activation: edges from a start");
  command->add_option("--limit", options->query.limit, "memories at most");
  command->add_option("--max-edges", options->query.max_edges, "edges looked at at most");
  command->add_option("--decay", options->query.decay, "activation: kept at every step");
  command->add_option("--restart", options->query.restart, "ppr: probability to start again");
  command->add_option("--error", options->query.error, "ppr, activation: what is left out");
  command->add_option("--valid-at", options->valid_at, "only what holds at this time");
  command->add_option("--session", options->session, "only this session");
  command->add_option("--kind", options->kind, "only this kind");
  command->add_option("--filter", options->filter, "JSON filter over metadata");
  command->add_option("--as-of", options->as_of, "as the palace was at this commit");
  command->callback(
      [&chosen, options] { chosen.run = [&chosen, options] { return run(chosen, *options); }; });
}

}  // namespace aeon::cli
