// aeon init: a new palace.
#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>

#include <fmt/format.h>

#include "api/cli/command.hpp"
#include "api/cli/options.hpp"
#include "api/export_line.hpp"
#include "api/json_line.hpp"
#include "api/keep_text.hpp"

namespace aeon::cli {
namespace {

struct Options {
  std::string directory;
  std::vector<std::string> spaces;
  bool no_lexical = false;
  std::string history;
};

// NAME:DIM[:METRIC[:PRECISION[:MODEL]]]; the model may hold colons.
Result<SpaceSpec> parse_space(std::string_view text) {
  std::vector<std::string_view> fields;
  std::string_view rest = text;
  while (fields.size() < 4 && rest.find(':') != std::string_view::npos) {
    fields.push_back(rest.substr(0, rest.find(':')));
    rest.remove_prefix(rest.find(':') + 1);
  }
  fields.push_back(rest);
  SpaceSpec space;
  space.name = fields[0];
  const std::string_view dimension = fields.size() > 1 ? fields[1] : "";
  const auto [stop, code] =
      std::from_chars(dimension.data(), dimension.data() + dimension.size(), space.dimension);
  if (space.name.empty() || code != std::errc{} || stop != dimension.data() + dimension.size() ||
      space.dimension < 1 || space.dimension > kMaxDimension) {
    return fail(Errc::invalid_argument,
                fmt::format("--space {} is no space; write NAME:DIM[:METRIC[:PRECISION[:MODEL]]] "
                            "with DIM from 1 to {}",
                            text, kMaxDimension));
  }
  if (fields.size() > 2) {
    AEON_ASSIGN(space.metric, api::parse_metric(fields[2]));
  }
  if (fields.size() > 3) {
    AEON_ASSIGN(space.precision, api::parse_precision(fields[3]));
  }
  if (fields.size() > 4) space.model = fields[4];
  return space;
}

Result<std::vector<SpaceSpec>> all_spaces(const Options& options) {
  std::vector<SpaceSpec> spaces;
  if (!options.no_lexical) {
    spaces.push_back({.name = "text",
                      .dimension = kLexicalDimension,
                      .metric = Metric::cosine,
                      .precision = Precision::float16,
                      .model = std::string(kLexicalModel)});
  }
  for (const std::string& text : options.spaces) {
    AEON_ASSIGN(SpaceSpec space, parse_space(text));
    spaces.push_back(std::move(space));
  }
  return spaces;
}

int run(const Chosen& chosen, const Options& options) {
  auto spaces = all_spaces(options);
  if (!spaces) return report(chosen, spaces.error());
  TimeNs keep = kDefaultHistory;
  if (!options.history.empty()) {
    const auto parsed = api::parse_keep(options.history);
    if (!parsed) return report(chosen, parsed.error());
    keep = *parsed;
  }
  auto palace = Palace::create(options.directory, *spaces, short_lived());
  if (!palace) return report(chosen, palace.error());
  if (!options.history.empty()) {
    Batch batch;
    batch.set_history(keep);
    if (auto ack = palace->commit(std::move(batch)); !ack) return report(chosen, ack.error());
  }
  if (auto closed = palace->close(); !closed) return report(chosen, closed.error());
  std::vector<std::string> lines;
  for (const SpaceSpec& space : *spaces) lines.push_back(api::space_json(space));
  if (chosen.json) {
    api::JsonLine line;
    line.add("created", options.directory).add_raw("spaces", api::json_array(lines));
    print(std::move(line).finish());
    return kDone;
  }
  print(fmt::format("created a palace in {}", options.directory));
  for (const SpaceSpec& space : *spaces) {
    print(fmt::format("  space {}: {} dimensions, {}, {}, model {}", space.name, space.dimension,
                      api::metric_name(space.metric), api::precision_name(space.precision),
                      space.model.empty() ? "unnamed" : space.model));
  }
  return kDone;
}

}  // namespace

void add_init(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, chosen, "init", "create a palace");
  add_directory(*command, options->directory);
  command->add_option("--space", options->spaces,
                      "a vector space NAME:DIM[:METRIC[:PRECISION[:MODEL]]]; METRIC is cosine, "
                      "dot or l2, PRECISION int8, float16 or float32; may be given again");
  command->add_flag("--no-lexical", options->no_lexical,
                    "leave out the space \"text\" that the built-in embedder fills");
  command->add_option("--history", options->history,
                      "how long superseded and forgotten versions stay readable: all, none, or a "
                      "time such as 30d, which is the default");
  command->callback(
      [&chosen, options] { chosen.run = [&chosen, options] { return run(chosen, *options); }; });
}

}  // namespace aeon::cli
