// aeon put: memories from JSON lines, or from text files cut into passages.
#include <CLI/CLI.hpp>
#include <memory>

#include <fmt/format.h>

#include "api/cli/command.hpp"
#include "api/cli/files.hpp"
#include "api/cli/interrupt.hpp"
#include "api/cli/options.hpp"
#include "api/cli/put_batch.hpp"
#include "api/cli/put_text.hpp"
#include "api/json_line.hpp"

namespace aeon::cli {
namespace {

constexpr const char* kFields =
    "Fields of a line: text | bytes (base64), key, tenant, session, kind, time, valid_from, "
    "valid_to, expires (RFC 3339 or ns), importance, metadata {}, vector [..] with model, vectors "
    "{SPACE: [..]}, mode (upsert, if_absent, if_version) with expected_version, edges [{to: ID | "
    "{key: ..}, type, weight, valid_from, valid_to}], mentions [NAME], triples [[SUBJECT, "
    "RELATION, "
    "OBJECT]], find_mentions.";

struct Options {
  std::string directory;
  std::string jsonl;
  std::vector<std::string> text;
  std::string tenant;
  std::string session;
  bool mentions = false;
  PutOptions put;
};

// Commits what came so far before it waits for more, so that a slow producer gets its
// acknowledgements at once and a fast one full batches.
Status put_lines(const Options& options, PutBatch& batch) {
  AEON_ASSIGN(LineReader reader, LineReader::open(options.jsonl.empty() ? "-" : options.jsonl));
  while (output_works()) {
    if (!batch.empty() && !reader.ready()) AEON_TRY(batch.flush());
    std::string_view text;
    auto more = reader.next(text);
    if (!more && more.error().code != Errc::too_large) return std::unexpected(more.error());
    if (more && !*more) break;
    api::MemoryLine line;
    line.memory.tenant = options.tenant;
    line.memory.session = options.session;
    line.memory.find_mentions = options.mentions;
    Status parsed;
    if (!more) {
      parsed = std::unexpected(more.error());
    } else if (text.find_first_not_of(" \t") == std::string_view::npos) {
      continue;
    } else {
      parsed = api::parse_memory(text, line);
    }
    if (parsed) {
      AEON_TRY(batch.add(std::move(line), reader.place(), text.size()));
      continue;
    }
    AEON_TRY(batch.flush());  // the lines before a malformed one are kept
    AEON_TRY(batch.bad(parsed.error(), reader.place()));
  }
  return batch.flush();
}

void summarise(const Chosen& chosen, const Options& options, const PutCounts& counts) {
  const std::string level = durability_name(options.put.durability);
  if (chosen.json) {
    api::JsonLine line;
    line.add("stored", counts.stored).add("skipped", counts.skipped);
    line.add("commits", counts.commits).add("last_commit", counts.last_commit);
    line.add("durability", level).add("interrupted", interrupted());
    return print(std::move(line).finish());
  }
  const std::string sentence = fmt::format(
      "{}stored {} memories in {} commits at durability {}, skipped {}",
      interrupted() ? "interrupted; " : "", counts.stored, counts.commits, level, counts.skipped);
  options.put.ack ? note(sentence) : print(sentence);
}

int run(const Chosen& chosen, const Options& options) {
  if (!options.jsonl.empty() && !options.text.empty()) {
    return report(chosen, {Errc::invalid_argument, 0, "give --jsonl or --text, not both"});
  }
  auto palace = Palace::open(options.directory);
  if (!palace) return report(chosen, palace.error());
  PutBatch batch(*palace, options.put);
  const TextSource source{options.text, options.tenant, options.session, options.mentions};
  std::uint64_t skipped_files = 0;
  const Status status = options.text.empty() ? put_lines(options, batch)
                                             : put_text(*palace, source, batch, skipped_files);
  if (!status) {
    const PutCounts& counts = batch.counts();
    const Error error{
        status.error().code, status.error().os_errno,
        fmt::format("{} ({} memories were stored before)", status.error().message, counts.stored)};
    return report(chosen, error, kFailed);
  }
  if (auto closed = palace->close(); !closed) return report(chosen, closed.error());
  summarise(chosen, options, batch.counts());
  const bool nothing = batch.counts().stored == 0 && skipped_files > 0;
  return nothing ? kFailed : kDone;
}

}  // namespace

void add_put(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, chosen, "put", "store memories");
  command->footer(kFields);
  add_directory(*command, options->directory);
  command->add_option("--jsonl", options->jsonl, "a memory a line from FILE, or - for stdin")
      ->option_text("FILE|-");
  command
      ->add_option("--text", options->text,
                   "passages of these files, and of .md, .txt and .jsonl files in these folders")
      ->option_text("PATH...");
  add_durability(*command, options->put.durability);
  command->add_flag("--ack", options->put.ack,
                    "print {\"id\":..,\"commit\":..} for each memory once it is durable");
  command->add_flag("--skip-bad", options->put.skip_bad, "go on after a line that is refused");
  command->add_option("--batch", options->put.batch, "memories a commit holds at most")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1024}));
  command->add_option("--tenant", options->tenant, "of lines that name none");
  command->add_option("--session", options->session, "of lines that name none");
  command->add_flag("--mentions", options->mentions,
                    "link memories to the names in their texts and titles (docs/graph_recall.md)");
  command->callback(
      [&chosen, options] { chosen.run = [&chosen, options] { return run(chosen, *options); }; });
}

}  // namespace aeon::cli
