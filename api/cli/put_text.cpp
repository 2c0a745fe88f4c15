#include "api/cli/put_text.hpp"

#include <fmt/format.h>

#include "api/cli/files.hpp"
#include "api/cli/interrupt.hpp"
#include "api/json_line.hpp"
#include "engine/text/passages.hpp"

namespace aeon::cli {
namespace {

constexpr std::size_t kMaxTextFile = 64U << 20;

struct Cut {
  std::string name;
  std::vector<engine::Passage> passages;
};

// Reads and cuts one file. Any error means that this file is left out.
Result<Cut> cut_file(const TextFile& file) {
  if (file.name.size() > kMaxNameBytes) {
    return fail(Errc::too_large, fmt::format("{}: its name is longer than {} bytes; put it from "
                                             "a folder nearer to it",
                                             file.name, kMaxNameBytes));
  }
  AEON_ASSIGN(const std::string text, read_file(file.path, kMaxTextFile));
  auto passages = engine::split_passages(text, engine::document_format_of(file.name));
  if (!passages) {
    return fail(passages.error().code, fmt::format("{}: {}", file.path, passages.error().message));
  }
  return Cut{file.name, std::move(*passages)};
}

api::MemoryLine memory_of(const TextSource& source, const Cut& cut, std::size_t index) {
  const engine::Passage& passage = cut.passages[index];
  api::JsonLine metadata;
  metadata.add("path", cut.name).add("title", passage.title).add("offset", passage.offset);
  api::MemoryLine line;
  line.memory.tenant = source.tenant;
  line.memory.session = source.session.empty() ? cut.name : source.session;
  line.memory.kind = "passage";
  line.memory.find_mentions = source.mentions;
  line.memory.key = fmt::format("{}#{}", cut.name, index);
  line.memory.content = passage.text;
  line.memory.metadata = std::move(metadata).finish();
  return line;
}

// A file that became shorter leaves passages behind that nobody wrote any more.
Status forget_rest(Palace& palace, const TextSource& source, const Cut& cut, Durability level) {
  const Snapshot snapshot = palace.snapshot();
  Batch batch;
  for (std::size_t index = cut.passages.size();; ++index) {
    const auto id = snapshot.find_key(source.tenant, fmt::format("{}#{}", cut.name, index));
    if (id) batch.forget(*id);
    if (!id || batch.operations().size() == kMaxBatchOperations) break;
  }
  if (batch.empty()) return {};
  const auto ack = palace.commit(std::move(batch), level);
  return ack ? Status{} : Status(std::unexpected(ack.error()));
}

Status put_file(Palace& palace, const TextSource& source, const Cut& cut, PutBatch& batch) {
  for (std::size_t i = 0; i < cut.passages.size() && !interrupted(); ++i) {
    AEON_TRY(batch.add(memory_of(source, cut, i), fmt::format("passage {} of {}", i, cut.name),
                       cut.passages[i].text.size()));
  }
  return interrupted() ? Status{} : forget_rest(palace, source, cut, batch.durability());
}

}  // namespace

Status put_text(Palace& palace, const TextSource& source, PutBatch& batch,
                std::uint64_t& skipped_files) {
  std::vector<std::string> unreadable;
  AEON_ASSIGN(const std::vector<TextFile> files, find_text_files(source.paths, unreadable));
  for (const std::string& folder : unreadable) note(fmt::format("cannot list {}", folder));
  skipped_files = unreadable.size();
  for (const TextFile& file : files) {
    if (interrupted() || !output_works()) break;
    const auto cut = cut_file(file);
    if (cut) {
      AEON_TRY(put_file(palace, source, *cut, batch));
    } else {
      ++skipped_files;
      note(fmt::format("skipped {}", cut.error().message));
    }
  }
  AEON_TRY(batch.flush());
  if (skipped_files > 0) note(fmt::format("skipped {} files or folders", skipped_files));
  return {};
}

}  // namespace aeon::cli
