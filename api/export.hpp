// A palace as JSON lines, and back: what is visible at one instant, readable by any tool.
// History, forgotten memories and access figures are not part of it. An import gives new versions
// and commit times; everything else comes back bit for bit.
#pragma once

#include <functional>
#include <string_view>
#include <unordered_map>

#include "api/export_line.hpp"
#include "engine/palace.hpp"

namespace aeon::api {

// Takes one line without its end; an error stops the export and is returned.
using LineSink = std::function<Status(std::string_view)>;

struct ExportReport {
  std::uint64_t memories = 0;
  std::uint64_t edges = 0;
};

// Writes the header, tenants, memories by id, and edges by origin. Uses constant memory. Where an
// event's successor is forgotten, the `next` edge leads to the one after it, as follow() does.
// Errors: those of reading the snapshot and of the sink.
[[nodiscard]] Result<ExportReport> export_palace(const Snapshot& snapshot, const LineSink& sink);

struct ImportReport {
  std::uint64_t memories = 0;
  std::uint64_t edges = 0;
  std::uint64_t commits = 0;
  bool kept_ids = false;
};

// Feeds the lines of an export into a palace. Into a palace that never held a memory, ids are
// kept; else each memory gets a new id, and map() tells which. Not thread-safe; the palace must
// outlive it.
class Importer {
 public:
  // Errors: those of stats().
  [[nodiscard]] static Result<Importer> start(Palace& palace);

  // Takes the next line. What came before an error stays. Errors: those of parse_export_line() and
  // of Palace::commit(); invalid_json where the first line is no header; already_exists where a
  // space of that name differs from the exported one.
  [[nodiscard]] Status line(std::string_view text);
  // Commits what is pending. Must be called once, after the last line.
  [[nodiscard]] Result<ImportReport> finish();
  // Exported id to the id here; empty when ids were kept.
  [[nodiscard]] const std::unordered_map<MemoryId, MemoryId>& map() const noexcept { return map_; }

 private:
  explicit Importer(Palace& palace) : palace_(&palace) {}
  Status take(ExportHeader&& header);
  Status take(CreateTenant&& tenant);
  Status take(MemoryLine&& line, std::size_t bytes);
  Status take(Edge&& edge, std::size_t bytes);
  Status flush();
  Result<MemoryId> here(MemoryId exported) const;

  Palace* palace_;
  bool has_header_ = false;
  ImportReport report_;
  Batch batch_;
  std::size_t batch_bytes_ = 0;
  std::vector<MemoryId> batch_ids_;  // as exported, in order of remember()
  std::unordered_map<MemoryId, MemoryId> map_;
};

}  // namespace aeon::api
