// aeon export, aeon import: a palace as JSON lines, and back.
#include <CLI/CLI.hpp>
#include <memory>

#include <fmt/format.h>

#include "api/cli/command.hpp"
#include "api/cli/files.hpp"
#include "api/cli/interrupt.hpp"
#include "api/cli/options.hpp"
#include "api/export.hpp"
#include "api/json_line.hpp"

namespace aeon::cli {
namespace {

struct Options {
  std::string directory;
  std::string file;
  std::string map;
};

int run_export(const Chosen& chosen, const Options& options) {
  auto palace = Palace::open(options.directory, look_only());
  if (!palace) return report(chosen, palace.error());
  const Snapshot snapshot = palace->snapshot();
  const auto done = api::export_palace(snapshot, [](std::string_view line) -> Status {
    print(line);
    if (output_works() && !interrupted()) return {};
    return fail(Errc::io_error,
                "the export stopped in the middle; its reader closed or it was "
                "interrupted");
  });
  if (!done) return report(chosen, done.error());
  note(fmt::format("exported {} memories and {} edges as of commit {}", done->memories, done->edges,
                   snapshot.commit()));
  return kDone;
}

Status feed(const std::string& file, api::Importer& importer) {
  AEON_ASSIGN(LineReader reader, LineReader::open(file));
  while (true) {
    std::string_view line;
    auto more = reader.next(line);
    Status status;
    if (!more) {
      status = std::unexpected(more.error());
    } else if (!*more) {
      break;
    } else {
      status = importer.line(line);
    }
    if (!status) {
      return fail(status.error().code,
                  fmt::format("{}: {}", reader.place(), status.error().message));
    }
  }
  if (!interrupted()) return {};
  return fail(Errc::io_error, "the import was interrupted; what was committed before is there");
}

std::string map_text(const api::Importer& importer) {
  std::string text;
  for (const auto& [exported, here] : importer.map()) {
    api::JsonLine line;
    line.add("exported", exported).add("id", here);
    text += std::move(line).finish() + '\n';
  }
  return text;
}

Result<api::ImportReport> import_file(const Options& options, Palace& palace) {
  AEON_ASSIGN(api::Importer importer, api::Importer::start(palace));
  AEON_TRY(feed(options.file, importer));
  AEON_ASSIGN(const api::ImportReport done, importer.finish());
  if (!options.map.empty()) AEON_TRY(write_new_file(options.map, map_text(importer)));
  AEON_TRY(palace.close());
  return done;
}

int run_import(const Chosen& chosen, const Options& options) {
  auto palace = Palace::open(options.directory);
  if (!palace) return report(chosen, palace.error());
  const auto done = import_file(options, *palace);
  if (!done) return report(chosen, done.error(), kFailed);
  if (chosen.json) {
    api::JsonLine line;
    line.add("memories", done->memories).add("edges", done->edges);
    line.add("commits", done->commits).add("kept_ids", done->kept_ids);
    print(std::move(line).finish());
  } else {
    print(fmt::format("imported {} memories and {} edges; ids were {}", done->memories, done->edges,
                      done->kept_ids ? "kept" : "given anew"));
    if (!done->kept_ids && options.map.empty()) {
      note("the palace held memories before, so ids changed; --map FILE writes which became which");
    }
  }
  return kDone;
}

}  // namespace

void add_export(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, chosen, "export", "write everything visible as JSON lines");
  add_directory(*command, options->directory);
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return run_export(chosen, *options); };
  });
}

void add_import(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = add_command(app, chosen, "import", "take in what `aeon export` wrote");
  add_directory(*command, options->directory);
  command->add_option("FILE", options->file, "the export, or - for stdin")->required();
  command->add_option("--map", options->map, "write which id became which to this new file");
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return run_import(chosen, *options); };
  });
}

}  // namespace aeon::cli
