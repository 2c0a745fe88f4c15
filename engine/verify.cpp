// verify: every byte under its checksum, every commit in its chain, every index in agreement.
#include <algorithm>
#include <unordered_map>

#include <fmt/format.h>

#include "engine/engine_state.hpp"
#include "engine/find_row.hpp"
#include "engine/store.hpp"
#include "engine/words/word_verifier.hpp"
#include "graph/trace.hpp"
#include "storage/merged_cursor.hpp"
#include "storage/visible_cursor.hpp"
#include "wal/padding.hpp"

namespace aeon::engine {

namespace {

// Checks one view at one commit. What does not hold is added to the report; what can't be read at
// all stops the check it belongs to, not the others.
class Verifier {
 public:
  // What the active tail keeps for its writer alone, copied while no writer ran.
  struct TailParts {
    std::vector<wal::CommitHeader> headers;
    std::vector<const RowTail*> rows;
  };
  Verifier(const Reading& reading, const TailParts& tails, VerifyReport& report)
      : reading_(reading), tails_(tails), report_(report), words_(reading) {}

  void run(storage::PalaceUuid palace) {
    check_segments();
    check_blobs();
    check_headers(palace);
    check_versions();
    check_rows();
    for (std::string& what : words_.check_index()) add(std::move(what));
    check_keys();
    check_edges(storage::Table::edges_out, graph::Way::out);
    check_edges(storage::Table::edges_in, graph::Way::in);
    check_events();
  }

 private:
  void add(std::string file, std::uint64_t offset, std::uint64_t bytes, std::string what) {
    report_.damage.push_back({std::move(file), offset, bytes, std::move(what)});
  }
  void add(std::string what) { add("", 0, 0, std::move(what)); }

  void scrub(const storage::Segment& segment, std::string_view holds) {
    ++report_.files;
    report_.bytes += segment.info().bytes;
    for (const std::uint64_t page : segment.scrub()) {
      add(segment.path(), page * storage::kPageBytes, storage::kPageBytes,
          fmt::format("a page of {} does not match its checksum", holds));
    }
  }

  void check_segments() {
    for (const auto& segment : reading_.view.segments()) {
      scrub(segment->segment(), "settled memories");
    }
  }

  void check_blobs() {
    std::string scratch;
    for (const auto& [number, blob] : reading_.view.blobs()) {
      scrub(blob->reader->segment(), "contents");
      storage::BlobCursor cursor(*blob->reader);
      for (;;) {
        const auto ref = cursor.next();
        if (ref && !*ref) break;
        Status status;
        if (!ref) {
          status = std::unexpected(ref.error());
        } else {
          status = blob->reader->verify(**ref, scratch);
        }
        if (!status)
          add(blob->reader->segment().path(), ref ? (*ref)->offset : 0, 0, status.error().message);
      }
    }
  }

  void check_headers(storage::PalaceUuid palace) {
    storage::Hash128 chain = wal::genesis_chain(palace);
    CommitNumber next = 1;
    const auto follow = [&](std::span<const wal::CommitHeader> headers, const std::string& file) {
      for (const wal::CommitHeader& header : headers) {
        if (header.commit > reading_.commit) return;
        if (header.commit != next || !wal::follows(chain, header)) {
          add(file, 0, 0, fmt::format("the header of commit {} does not follow the chain", next));
          return;
        }
        chain = header.chain;
        ++next;
        ++report_.commits;
      }
    };
    for (const auto& segment : reading_.view.segments()) {
      const SegmentHistory& history = segment->history();
      if (history.anchor_commit >= next) {
        next = history.anchor_commit + 1;
        chain = history.anchor_chain;
      }
      const auto headers = segment->headers();
      if (headers) {
        follow(*headers, segment->segment().path());
      } else {
        add(segment->segment().path(), 0, 0, headers.error().message);
      }
    }
    follow(tails_.headers, "the log");
    if (next != reading_.commit + 1) {
      add(fmt::format("{} of {} commit headers are there", next - 1, reading_.commit));
    }
  }

  // Every visible version: record, content, rows, key, event.
  void check_versions() {
    std::string prefix;
    storage::begin_key(prefix, storage::Table::versions);
    storage::VisibleCursor cursor(reading_.view.runs(), reading_.commit);
    for (cursor.seek(prefix); cursor.valid(); cursor.next()) {
      storage::KeyDecoder key(cursor.user_key());
      key.u8();
      const MemoryId id = key.u64();
      if (!decode_version(cursor.value(), record_)) {
        add(fmt::format("memory {}: its version record does not decode", id));
      } else if (record_.live) {
        ++report_.memories;
        check_version(id, cursor.commit());
      }
    }
    note(cursor.status());
  }

  void check_version(MemoryId id, CommitNumber version) {
    if (const Status content = reading_.read_content(record_, content_); !content) {
      add(fmt::format("memory {}: {}", id, content.error().message));
    } else if (std::string wrong = words_.check_version(id, version, record_, content_);
               !wrong.empty()) {
      add(std::move(wrong));
    }
    for (const RowName& name : record_.rows) {
      ++rows_named_;
      const SpaceInfo* space = reading_.catalog.at(name.space);
      if (space == nullptr) {
        add(fmt::format("memory {}: a row lies in unknown space {}", id, name.space));
        continue;
      }
      values_.resize(space->spec.dimension);
      const Status row = read_row(reading_, name, record_.tenant, version, id, values_);
      if (!row) add(fmt::format("memory {}: {}", id, row.error().message));
      bool damaged = false;
      if (reading_.ended_at(name.space, name.node, damaged) != 0 || damaged) {
        add(fmt::format("memory {}: its row {} of space {} is marked as ended", id, name.node,
                        name.space));
      }
    }
    if (!record_.key.empty()) {
      const auto owner = reading_.key_owner(record_.tenant, record_.key);
      if (!owner || *owner != id) add(fmt::format("memory {}: its key does not lead to it", id));
    }
    if (record_.session != 0) {
      graph::event_key(key_, record_.tenant, record_.session, record_.event_time, id);
      const auto event = reading_.find(key_, scratch_);
      if (!event || !*event || (*event)->value.empty()) {
        add(fmt::format("memory {}: its session's line does not have it", id));
      }
    }
  }

  // Every row that is alive belongs to a visible version; check_version looked from the other side,
  // so that equal counts mean the same set.
  void check_rows() {
    std::uint64_t alive = 0;
    bool damaged = false;
    const auto visit = [&](std::uint32_t space, const RowBlock& block) {
      for (std::uint32_t i = 0; i < block.count; ++i) {
        if (block.born[i] > reading_.commit) continue;
        if (reading_.ended_at(space, block.nodes[i], damaged) == 0) ++alive;
      }
    };
    for (const auto& segment : reading_.view.segments()) {
      segment->for_each_block(damaged, [&](std::uint32_t space, std::uint32_t,
                                           const RowBlock& rows) { visit(space, rows); });
    }
    for (const RowTail* rows : tails_.rows) {
      rows->for_each_block([&](const RowBlock& block) { visit(rows->space(), block); });
    }
    if (damaged || alive != rows_named_) {
      add(fmt::format("{} rows are alive, {} are named by memories", alive, rows_named_));
    }
  }

  // Every key that is held leads to a visible memory that says it has it.
  void check_keys() {
    std::string prefix;
    storage::begin_key(prefix, storage::Table::keys);
    storage::VisibleCursor cursor(reading_.view.runs(), reading_.commit);
    Reading::Version version;
    for (cursor.seek(prefix); cursor.valid(); cursor.next()) {
      if (cursor.value().empty() || cursor.value() == kErasedKey) continue;
      storage::KeyDecoder key(cursor.user_key());
      key.u8();
      const std::uint32_t tenant = key.u32();
      const std::string name = key.text();
      const MemoryId id = storage::Decoder(cursor.value()).varint();
      const auto visible = reading_.try_version(id, version);
      if (!visible || !*visible || version.record.key != name || version.record.tenant != tenant) {
        add(fmt::format("a key leads to memory {}, which does not have it", id));
      }
    }
    note(cursor.status());
  }

  // Both directions of an edge say the same.
  void check_edges(storage::Table table, graph::Way way) {
    std::string prefix;
    storage::begin_key(prefix, table);
    storage::VisibleCursor cursor(reading_.view.runs(), reading_.commit);
    for (cursor.seek(prefix); cursor.valid(); cursor.next()) {
      storage::KeyDecoder key(cursor.user_key());
      key.u8();
      const std::uint64_t near = key.u64();
      const std::uint32_t type = key.u32();
      const std::uint64_t far = key.u64();
      if (way == graph::Way::out) {
        graph::edge_in_key(key_, far, type, near);
      } else {
        graph::edge_out_key(key_, far, type, near);
      }
      const auto mirror = reading_.find(key_, scratch_);
      if (!mirror || !*mirror || (*mirror)->value != cursor.value()) {
        add(fmt::format("the edge between memories {} and {} differs between its ends", near, far));
      }
    }
    note(cursor.status());
  }

  // An event that stands belongs to a memory of that session.
  void check_events() {
    std::string prefix;
    storage::begin_key(prefix, storage::Table::events);
    storage::VisibleCursor cursor(reading_.view.runs(), reading_.commit);
    Reading::Version version;
    for (cursor.seek(prefix); cursor.valid(); cursor.next()) {
      if (cursor.value().empty()) continue;
      storage::KeyDecoder key(cursor.user_key());
      key.u8();
      key.u32();
      const std::uint32_t session = key.u32();
      const TimeNs time = key.i64();
      const MemoryId id = key.u64();
      const auto visible = reading_.try_version(id, version);
      const bool agrees =
          visible &&
          (!*visible || (version.record.session == session && version.record.event_time == time));
      if (!agrees)
        add(fmt::format("an event of session {} does not agree with memory {}", session, id));
    }
    note(cursor.status());
  }

  void note(const Status& status) {
    if (!status) add(status.error().message);
  }

  const Reading& reading_;
  const TailParts& tails_;
  VerifyReport& report_;
  WordVerifier words_;
  VersionRecord record_;
  std::string content_;
  std::string key_;
  std::vector<float> values_;
  storage::LookupScratch scratch_;
  std::uint64_t rows_named_ = 0;
};

}  // namespace

// Reads the log as recovery would. Other processes are kept from
// appending meanwhile, so that a group on its way is not taken for damage.
Status Store::verify_log(VerifyReport& report) {
  const bool writes = control_ != nullptr && read_only_reason_.empty();
  if (writes) AEON_TRY(take_turn());
  // Another process may have settled and retired what the manifest named a moment ago.
  Status status;
  for (;;) {
    const std::uint64_t sequence = manifest_.state().sequence;
    status = read_log(report);
    if (status ||
        (status.error().code != Errc::missing_file && status.error().code != Errc::too_old &&
         status.error().code != Errc::not_found)) {
      break;
    }
    AEON_TRY(manifest_.refresh());
    if (manifest_.state().sequence == sequence) break;
  }
  if (writes) end_turn();
  return status;
}

Status Store::read_log(VerifyReport& report) {
  AEON_ASSIGN(const auto numbers, wal::list_logs(os_, directory_));
  for (const std::uint64_t number : numbers) {
    if (number < manifest_.state().first_log) continue;
    AEON_ASSIGN(const auto file,
                os_.open_file(wal::log_path(directory_, number), storage::OpenMode::read));
    AEON_ASSIGN(const std::uint64_t bytes, file->size());
    ++report.files;
    report.bytes += bytes;
  }
  // Frames before the settled commit are needed no more, and those that were never synced may
  // have been lost to a power cut.
  EngineState engine;
  if (!decode_engine_state(manifest_.state().engine_state, engine)) {
    return fail(Errc::damaged, "the manifest's engine state does not decode");
  }
  AEON_ASSIGN(const auto reader, wal::LogReader::open(os_, log_place_, engine.position));
  std::vector<wal::FrameSpan> frames;
  for (;;) {
    AEON_ASSIGN(const auto frame, reader->next(UINT64_MAX));
    if (!frame) break;
    frames.push_back({frame->log, frame->offset,
                      frame->offset + wal::kFrameHeaderBytes + frame->payload.size()});
  }
  AEON_ASSIGN(const auto stray, wal::find_stray_bytes(os_, log_place_, engine.position, frames));
  for (const wal::StrayByte& byte : stray) {
    report.damage.push_back({wal::log_path(directory_, byte.log), byte.offset, 1,
                             "a byte that carries nothing is not zero; no commit is harmed"});
  }
  AEON_ASSIGN(const wal::LogEnd end, reader->examine_end());
  if (end.kind == wal::LogEndKind::damaged || end.kind == wal::LogEndKind::torn) {
    report.damage.push_back(
        {wal::log_path(directory_, end.position.log), end.position.offset, end.bytes_cut,
         end.message.empty() ? "bytes after the last commit belong to none" : end.message});
  }
  return {};
}

Result<VerifyReport> Store::verify() {
  VerifyReport report;
  AEON_TRY(catch_up());
  CommitNumber commit = 0;
  const View* held = nullptr;
  Verifier::TailParts tails;
  {
    const storage::MutexLock lock(write_mutex_);
    commit = visible();
    held = hold_view();
    for (const auto& tail : held->tails()) {
      tails.headers.insert(tails.headers.end(), tail->headers().begin(), tail->headers().end());
      const auto rows = tail->partitions();
      tails.rows.insert(tails.rows.end(), rows.begin(), rows.end());
    }
  }
  const Reading reading{*held, catalog_, commit};
  Verifier(reading, tails, report).run(palace_);
  drop_view(held);
  const storage::MutexLock lock(write_mutex_);
  const Status log = verify_log(report);
  if (!log) report.damage.push_back({directory_, 0, 0, log.error().message});
  if (damaged_log_) report.damage.push_back({directory_, 0, 0, read_only_reason_});
  // A torn append behind the last record is no damage: the crash that tore it never acknowledged
  // it. Were the palace closed since, its closing frame would tell of a record that is missing.
  const auto manifest = storage::Manifest::open(os_, directory_, true);
  if (!manifest) {
    report.damage.push_back({directory_, 0, 0, manifest.error().message});
  }
  return report;
}

}  // namespace aeon::engine
