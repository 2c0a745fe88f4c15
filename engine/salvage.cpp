#include "engine/salvage.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "engine/apply.hpp"
#include "engine/control.hpp"
#include "engine/engine_state.hpp"
#include "engine/find_row.hpp"
#include "engine/record.hpp"
#include "storage/manifest_salvage.hpp"
#include "storage/visible_cursor.hpp"
#include "wal/log_file.hpp"

namespace aeon::engine {

namespace {

std::string commits_text(CommitNumber first, CommitNumber last) {
  if (last == 0) return "unknown commits";
  return first == last ? fmt::format("commit {}", first)
                       : fmt::format("commits {} to {}", first, last);
}

}  // namespace

void Salvage::lose(std::string file, std::uint64_t offset, std::uint64_t bytes, std::string what) {
  losses.push_back({std::move(file), offset, bytes, std::move(what)});
}

Result<std::unique_ptr<Salvage>> Salvage::open(storage::Os& os, const std::string& directory) {
  std::unique_ptr<Salvage> salvage(new Salvage(os, directory));
  AEON_ASSIGN(salvage->state_, storage::salvage_manifest(os, directory));
  AEON_TRY(salvage->find_palace());
  AEON_TRY(salvage->choose_files());
  salvage->open_segments();
  salvage->open_blobs();
  salvage->load_spaces();
  AEON_TRY(salvage->read_logs());
  AEON_TRY(salvage->build_view());
  return salvage;
}

Status Salvage::find_palace() {
  if (state_) {
    palace_ = state_->palace;
    return {};
  }
  AEON_ASSIGN(const auto names, os_.list_directory(directory_));
  for (const std::string& name : names) {
    std::optional<storage::PalaceUuid> palace;
    if (storage::file_number(name, "seg") != 0 || storage::file_number(name, "blob") != 0) {
      palace = storage::Segment::palace_of(os_, directory_ + "/" + name);
    } else if (const std::uint64_t log = storage::file_number(name, "log"); log != 0) {
      palace = wal::palace_of_log(os_, directory_, log);
    }
    if (!palace) continue;
    palace_ = *palace;
    return {};
  }
  return fail(
      Errc::not_a_palace,
      fmt::format("{} holds no palace: nothing in it can be read as a part of one", directory_));
}

// The manifest's list counts while everything newer than it is missing, too: a list that lost its
// newest record names files that were given up since.
Status Salvage::choose_files() {
  AEON_ASSIGN(const auto names, os_.list_directory(directory_));
  bool newest = state_.has_value();
  for (const std::string& name : names) {
    const std::uint64_t number =
        std::max(storage::file_number(name, "seg"), storage::file_number(name, "blob"));
    newest = newest && number < state_->next_file;
  }
  if (!newest) {
    choose_by_heads(names);
    return {};
  }
  for (const storage::SegmentInfo& info : state_->segments) {
    segment_files_.push_back({info.number, info});
  }
  for (const storage::BlobFileInfo& blob : state_->blobs) blob_files_.push_back(blob.file.number);
  return {};
}

// Of segments that hold the same commits the one that holds more of them counts: it was merged from
// the others. Of two that hold the same the newer one was written to leave something out.
void Salvage::choose_by_heads(const std::vector<std::string>& names) {
  struct Range {
    std::uint64_t number, first, last;
  };
  std::vector<Range> ranges;
  for (const std::string& name : names) {
    if (const std::uint64_t blob = storage::file_number(name, "blob")) blob_files_.push_back(blob);
    const std::uint64_t number = storage::file_number(name, "seg");
    if (number == 0) continue;
    const auto segment = storage::Segment::open_damaged(os_, directory_, palace_,
                                                        storage::FileKind::segment, number);
    const storage::SegmentInfo info = segment ? (*segment)->info() : storage::SegmentInfo{};
    ranges.push_back({number, info.first_commit, info.last_commit});
  }
  std::ranges::sort(ranges, [](const Range& a, const Range& b) {
    const std::uint64_t left = a.last - a.first;
    const std::uint64_t right = b.last - b.first;
    return left != right ? left > right : a.number > b.number;
  });
  std::vector<Range> kept;
  for (const Range& range : ranges) {
    const bool held =
        range.last != 0 && std::ranges::any_of(kept, [&](const Range& other) {
          return other.last != 0 && other.first <= range.first && range.last <= other.last;
        });
    if (held) continue;
    kept.push_back(range);
    segment_files_.push_back({range.number, std::nullopt});
  }
}

void Salvage::open_segments() {
  for (const Candidate& file : segment_files_) {
    std::string trouble;
    auto segment = SegmentView::open_damaged(os_, directory_, palace_, file.number, trouble);
    const std::string path = directory_ + "/" + storage::file_name("seg", file.number);
    if (!segment) {
      lose(path, 0, 0,
           fmt::format("{}: everything that {} brought is lost", segment.error().message,
                       file.named ? commits_text(file.named->first_commit, file.named->last_commit)
                                  : "its commits"));
      continue;
    }
    if (!trouble.empty()) lose(path, 0, 0, trouble + ": the vectors that it holds are lost");
    segments_.push_back(std::move(*segment));
  }
  const auto last_of = [this](const SegmentView& segment) {
    for (const Candidate& file : segment_files_) {
      if (file.named && file.number == segment.segment().info().number) {
        return file.named->last_commit;
      }
    }
    if (segment.segment().info().last_commit != 0) return segment.segment().info().last_commit;
    const auto headers = segment.headers();
    return headers && !headers->empty() ? headers->back().commit : 0;
  };
  std::ranges::sort(segments_, {}, [&](const auto& segment) {
    return std::pair(last_of(*segment), segment->segment().info().number);
  });
  for (const auto& segment : segments_) settled_ = std::max(settled_, last_of(*segment));
  for (const Candidate& file : segment_files_) {
    if (file.named) settled_ = std::max(settled_, file.named->last_commit);
  }
}

void Salvage::open_blobs() {
  for (const std::uint64_t number : blob_files_) {
    auto segment =
        storage::Segment::open_damaged(os_, directory_, palace_, storage::FileKind::blob, number);
    Status opened;
    if (!segment) {
      opened = std::unexpected(segment.error());
    } else {
      auto file = std::make_shared<BlobFile>();
      file->info.file = (*segment)->info();
      auto reader = storage::BlobReader::open(std::move(*segment));
      if (reader) {
        file->reader = std::move(*reader);
        blobs_.emplace(number, std::move(file));
      } else {
        opened = std::unexpected(reader.error());
      }
    }
    if (!opened) {
      lose(directory_ + "/" + storage::file_name("blob", number), 0, 0,
           fmt::format("{}: the contents that it holds are lost", opened.error().message));
    }
  }
}

// A space whose definition is lost keeps its rows: dimension and precision stand with them.
void Salvage::load_spaces() {
  const View settled(segments_, blobs_, {std::make_shared<Tail>(settled_ + 1)}, settled_);
  std::map<std::uint32_t, SpaceInfo> found;
  std::string prefix;
  storage::begin_key(prefix, storage::Table::spaces);
  storage::VisibleCursor cursor(settled.runs(), UINT64_MAX);
  cursor.seek(prefix);
  for (;;) {
    if (!cursor.valid()) {
      if (cursor.status()) break;
      cursor.skip_damage();
      continue;
    }
    storage::KeyDecoder key(cursor.user_key());
    key.u8();
    SpaceInfo info;
    info.number = key.u32();
    if (key.ok() && decode_space(cursor.value(), info.spec)) found[info.number] = std::move(info);
    cursor.next();
  }
  std::map<std::uint32_t, const PartitionEntry*> rows;
  for (const auto& segment : segments_) {
    for (const PartitionView& partition : segment->partitions()) {
      rows[partition.entry().space] = &partition.entry();
    }
  }
  std::uint32_t last = 0;
  if (!found.empty()) last = found.rbegin()->first;
  if (!rows.empty()) last = std::max(last, rows.rbegin()->first);
  for (std::uint32_t number = 1; number <= std::min(last, kMaxSpaces); ++number) {
    if (const auto at = found.find(number); at != found.end()) {
      catalog_.add(std::move(at->second));
      continue;
    }
    SpaceInfo info;
    info.number = number;
    info.spec.name = fmt::format("lost-space-{}", number);
    info.spec.metric = Metric::l2;  // takes any vector
    if (const auto at = rows.find(number); at != rows.end()) {
      info.spec.dimension = at->second->dimension;
      info.spec.precision = static_cast<Precision>(at->second->precision);
    }
    lose(directory_, 0, 0,
         fmt::format("space {}: its name, metric and model are lost; {}", number,
                     info.spec.dimension == 0
                         ? "it had no settled vectors"
                         : fmt::format("its vectors are kept in \"{}\", by l2", info.spec.name)));
    catalog_.add(std::move(info));
  }
}

Status Salvage::read_logs() {
  AEON_ASSIGN(const auto numbers, wal::list_logs(os_, directory_));
  EngineState engine;
  const bool known = state_ && decode_engine_state(state_->engine_state, engine);
  CommitNumber highest = settled_;
  std::map<CommitNumber, wal::SalvagedFrame> frames;
  for (const std::uint64_t number : numbers) {
    const std::string path = wal::log_path(directory_, number);
    const std::uint64_t salt =
        known && engine.position.log == number ? engine.position.file_salt : 0;
    auto log = wal::salvage_log(os_, {directory_, palace_}, number, salt);
    if (!log) {
      if (log.error().code == Errc::newer_format) return std::unexpected(log.error());
      lose(path, 0, 0, fmt::format("{}: the commits that it holds are lost", log.error().message));
      continue;
    }
    highest = std::max(highest, log->highest);
    if (log->strange_to != log->strange_from) {
      lose(path, log->strange_from, log->strange_to - log->strange_from,
           "these bytes are no whole commit; what they held is lost, if it was ever acknowledged");
    }
    for (wal::SalvagedFrame& frame : log->frames) {
      if (frame.header.commit > settled_) frames.emplace(frame.header.commit, std::move(frame));
    }
  }
  if (known && !std::ranges::binary_search(numbers, engine.position.log)) {
    lose(wal::log_path(directory_, engine.position.log), 0, 0,
         fmt::format("the file is missing: the commits after {} that it held are lost", settled_));
  }
  for (auto& [commit, frame] : frames) frames_.push_back(std::move(frame));
  note_gaps(std::max(highest, written_once()));
  return {};
}

// What the processes that shared the palace had written: they kept it in the control file, which
// nothing depends on. After a power loss it may be more than was ever durable.
CommitNumber Salvage::written_once() const {
  const auto file = os_.open_file(directory_ + "/control", storage::OpenMode::read);
  if (!file) return 0;
  std::array<std::byte, sizeof(ControlBlock)> bytes{};
  const auto got = (*file)->read_at(bytes, 0);
  const auto at = [&](std::size_t offset) {
    return storage::load<std::uint64_t>(bytes.data() + offset);
  };
  const bool known = got && *got == bytes.size() && at(offsetof(ControlBlock, magic)) != 0 &&
                     at(offsetof(ControlBlock, palace)) == palace_.low;
  return known ? at(offsetof(ControlBlock, written)) : 0;
}

void Salvage::note_gaps(CommitNumber highest) {
  CommitNumber next = settled_ + 1;
  std::string before = directory_;
  std::uint64_t offset = 0;
  const auto gap = [&](CommitNumber until) {
    if (next > until) return;
    lose(before, offset, 0,
         fmt::format("{} can't be read in the log and {} lost", commits_text(next, until),
                     next == until ? "is" : "are"));
  };
  for (const wal::SalvagedFrame& frame : frames_) {
    gap(frame.header.commit - 1);
    next = frame.header.commit + 1;
    before = wal::log_path(directory_, frame.log);
    offset = frame.offset;
  }
  gap(highest);
}

// A commit that does not fit what is left is passed over; then everything is applied anew, since a
// tail that took half a record is of no use.
Status Salvage::build_view() {
  std::set<CommitNumber> left_out;
  for (;;) {
    AEON_ASSIGN(const CommitNumber failed, apply_all(left_out));
    if (failed == 0) return {};
    left_out.insert(failed);
    lose(directory_, 0, 0, fmt::format("commit {} needs what is lost and is lost with it", failed));
  }
}

// Stands for spaces up to that number of which nothing is known.
void Salvage::make_space(std::uint32_t number) {
  while (catalog_.count() < std::min(number, kMaxSpaces)) {
    SpaceInfo info;
    info.number = catalog_.count() + 1;
    info.spec.name = fmt::format("lost-space-{}", info.number);
    lose(directory_, 0, 0,
         fmt::format("space {}: its definition is lost, with all its vectors", info.number));
    catalog_.add(std::move(info));
  }
}

// The payload without the rows of spaces of which nothing is known, so that what else it holds can
// be applied.
std::string Salvage::fitted(const wal::SalvagedFrame& frame) {
  std::string payload;
  storage::Encoder encoder(payload);
  RecordReader reader(frame.payload);
  OperationKind kind{};
  std::string_view body;
  std::uint32_t defined = 0;  // the newest space that the payload itself makes
  while (reader.next(kind, body)) {
    RowName name;
    std::string_view rest;
    VersionOperation version;
    EndOperation end;
    std::uint32_t number = 0;
    SpaceSpec spec;
    bool drop = false;
    const auto know = [this](const std::vector<RowName>& rows) {
      for (const RowName& row : rows) make_space(row.space);
    };
    if (kind == OperationKind::space && parse_space(body, number, spec) && number != 0) {
      if (number - 1 > defined) make_space(number - 1);
      defined = std::max(defined, number);
    } else if (kind == OperationKind::version && parse_version(body, version)) {
      know(version.ended);
    } else if (kind == OperationKind::end && parse_end(body, end)) {
      know(end.ended);
    } else if ((kind == OperationKind::row || kind == OperationKind::links) &&
               parse_row_name(body, name, rest)) {
      if (name.space > defined) make_space(name.space);
      const SpaceInfo* space = catalog_.at(name.space);
      drop = name.space > defined && (space == nullptr || space->spec.dimension == 0);
    }
    if (drop) continue;
    encoder.fixed(static_cast<std::uint8_t>(kind));
    encoder.bytes(body);
  }
  return reader.ok() ? payload : frame.payload;
}

Result<CommitNumber> Salvage::apply_all(const std::set<CommitNumber>& left_out) {
  view_ = std::make_unique<View>(segments_, blobs_,
                                 std::vector{std::make_shared<Tail>(settled_ + 1)}, settled_);
  Counters counters;
  EngineState engine;
  if (state_ && decode_engine_state(state_->engine_state, engine)) counters = engine.counters;
  counters.next_node.resize(std::max<std::size_t>(counters.next_node.size(), catalog_.count()));
  for (const wal::SalvagedFrame& frame : frames_) {
    if (left_out.contains(frame.header.commit)) continue;
    const std::string payload = fitted(frame);
    counters.next_node.resize(std::max<std::size_t>(counters.next_node.size(), catalog_.count()));
    const auto applied = apply({*view_, catalog_, counters}, frame.header, payload);
    if (applied) continue;
    if (applied.error().code != Errc::damaged) return std::unexpected(applied.error());
    return frame.header.commit;
  }
  next_id_ = std::max<MemoryId>(next_id_, counters.next_id);
  return CommitNumber{0};
}

Status Salvage::read_row(RowName name, std::uint32_t tenant, CommitNumber version, MemoryId id,
                         std::span<float> values) {
  Status read = engine::read_row(reading(), name, tenant, version, id, values);
  if (read) return read;
  if (!has_rows_) index_rows();
  const auto space = rows_.find(name.space);
  if (space == rows_.end()) return read;
  const auto at = space->second.find({id, version});
  if (at == space->second.end()) return read;
  bool damaged = false;
  const RowBlock block = at->second.partition->bare_row(at->second.row, damaged);
  const bool fits = block.count == 1 && block.dimension == values.size();
  if (fits && stored_values(block, 0, values)) return {};
  return read;
}

// Rows say themselves whose they are.
void Salvage::index_rows() {
  has_rows_ = true;
  for (const auto& segment : segments_) {
    for (const PartitionView& partition : segment->partitions()) {
      auto& rows = rows_[partition.entry().space];
      for (std::uint32_t row = 0; row < partition.rows(); ++row) {
        const std::byte* packed = partition.packed(row);
        if (packed == nullptr) continue;
        const RowHead head = head_of(packed);
        rows[{head.id, head.born}] = {&partition, row};
      }
    }
  }
}

}  // namespace aeon::engine
