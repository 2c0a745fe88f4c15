// Salvages what is readable of a damaged palace into a new one. Memories, edges and names are read
// from the salvage's view in order and committed as new, with their ids; the new palace begins its
// own history. It is made under another name and gets its own when it is complete.
#include <algorithm>
#include <map>
#include <new>
#include <set>

#include <fmt/format.h>

#include "engine/control.hpp"
#include "engine/copy_place.hpp"
#include "engine/no_memory.hpp"
#include "engine/palace.hpp"
#include "engine/salvage.hpp"
#include "engine/text/language.hpp"
#include "graph/trace.hpp"
#include "storage/visible_cursor.hpp"

namespace aeon {

using engine::NameClass;
using engine::Reading;

namespace {

constexpr std::size_t kBatchOperations = 256;
constexpr std::size_t kBatchBytes = std::size_t{2} << 20;

class Rebuilder {
 public:
  Rebuilder(engine::Salvage& salvage, Palace& palace, RepairReport& report)
      : salvage_(salvage), reading_(salvage.reading()), palace_(palace), report_(report) {}

  Status run() {
    read_names();
    AEON_TRY(keep_history_policy());
    AEON_TRY(create_spaces());
    AEON_TRY(create_tenants());
    AEON_TRY(copy_memories());
    AEON_TRY(copy_edges());
    return keep_ids_used();
  }

 private:
  using Name = std::pair<std::uint32_t, std::string>;  // parent, name

  // Calls `take` for every readable entry that begins with the table, at its newest; what lies in
  // damaged blocks is passed over, after `damaged` was told of it.
  template <typename Take, typename Damaged>
  Status scan(storage::Table table, Take take, Damaged damaged) {
    std::string prefix;
    storage::begin_key(prefix, table);
    storage::VisibleCursor cursor(reading_.view.runs(), UINT64_MAX);
    cursor.seek(prefix);
    for (;;) {
      if (cursor.valid()) {
        AEON_TRY(take(cursor));
        cursor.next();
        continue;
      }
      const Status status = cursor.status();
      if (status) return {};
      damaged(status.error().message);
      cursor.skip_damage();
    }
  }

  Status keep_history_policy() {
    std::string key;
    engine::setting_key(key, engine::Setting::history);
    storage::LookupScratch scratch;
    const auto found = reading_.find(key, scratch);
    if (!found) {
      salvage_.lose(
          "", 0, 0,
          fmt::format("{}: the history policy is lost, if one was set", found.error().message));
      return {};
    }
    if (!*found) return {};
    storage::Decoder value((*found)->value);
    const TimeNs keep = value.fixed<TimeNs>();
    if (!value.ok()) return {};
    Batch batch;
    batch.set_history(keep);
    AEON_TRY(palace_.commit(std::move(batch), Durability::process));
    return {};
  }

  // Names stand twice; each table fills the holes of the other.
  void read_names() {
    const auto ignore = [](const std::string&) {};
    (void)scan(
        storage::Table::names_by_id,
        [&](const storage::VisibleCursor& cursor) -> Status {
          storage::KeyDecoder key(cursor.user_key());
          key.u8();
          const std::uint8_t kind = key.u8();
          const std::uint32_t number = key.u32();
          storage::Decoder value(cursor.value());
          const auto parent = static_cast<std::uint32_t>(value.varint());
          if (key.ok() && value.ok()) names_[{kind, number}] = {parent, std::string(value.rest())};
          return {};
        },
        ignore);
    (void)scan(
        storage::Table::names,
        [&](const storage::VisibleCursor& cursor) -> Status {
          storage::KeyDecoder key(cursor.user_key());
          key.u8();
          const std::uint8_t kind = key.u8();
          const std::uint32_t parent = key.u32();
          std::string name = key.text();
          storage::Decoder value(cursor.value());
          const auto number = static_cast<std::uint32_t>(value.varint());
          if (key.ok() && value.ok()) names_.try_emplace({kind, number}, parent, std::move(name));
          return {};
        },
        ignore);
  }

  std::string name_of(NameClass kind, std::uint32_t number) {
    if (number == 0) return {};
    static constexpr const char* kWords[] = {"", "tenant", "session", "kind", "edge-type"};
    const auto name = std::pair(static_cast<std::uint8_t>(kind), number);
    const auto at = names_.find(name);
    if (at != names_.end()) return at->second.second;
    const char* word = kWords[static_cast<std::size_t>(kind)];
    const std::string made = fmt::format("lost-{}-{}", word, number);
    salvage_.lose(
        "", 0, 0,
        fmt::format("the name of {} {} is lost; it is called \"{}\"", word, number, made));
    names_[name] = {0, made};
    return made;
  }

  Status create_spaces() {
    Batch batch;
    for (std::uint32_t number = 1; number <= salvage_.spaces(); ++number) {
      const SpaceSpec& spec = reading_.catalog.at(number)->spec;
      if (spec.dimension != 0) batch.create_space(spec);
    }
    if (batch.empty()) return {};
    AEON_TRY(palace_.commit(std::move(batch), Durability::process));
    return {};
  }

  Status create_tenants() {
    Batch batch;
    for (const auto& [name, value] : names_) {
      if (name.first == static_cast<std::uint8_t>(NameClass::tenant)) {
        batch.create_tenant(value.second);
      }
      if (batch.operations().size() < kBatchOperations) continue;
      AEON_TRY(palace_.commit(std::move(batch), Durability::process));
      batch = Batch();
    }
    if (batch.empty()) return {};
    AEON_TRY(palace_.commit(std::move(batch), Durability::process));
    return {};
  }

  Status copy_memories() {
    std::string hole;  // damage met since the last memory
    MemoryId last = 0;
    const auto note_hole = [&](const std::string& until) {
      if (hole.empty()) return;
      salvage_.lose("", 0, 0,
                    fmt::format("{}: memories after {} {} may be lost, or be older than they were",
                                hole, last, until));
      hole.clear();
    };
    engine::VersionRecord record;
    AEON_TRY(scan(
        storage::Table::versions,
        [&](const storage::VisibleCursor& cursor) -> Status {
          storage::KeyDecoder key(cursor.user_key());
          key.u8();
          const MemoryId id = key.u64();
          if (!key.ok()) return {};
          note_hole(fmt::format("and before {}", id));
          last = id;
          highest_ = std::max(highest_, id);
          if (!engine::decode_version(cursor.value(), record)) {
            salvage_.lose("", 0, 0, fmt::format("memory {}: its record does not decode", id));
            return {};
          }
          return record.live ? copy_memory(id, cursor.commit(), record) : Status{};
        },
        [&](const std::string& message) {
          if (hole.empty()) hole = message;
        }));
    note_hole("or all of them");
    return flush_memories();
  }

  Status copy_memory(MemoryId id, CommitNumber version, const engine::VersionRecord& record) {
    NewMemory memory;
    memory.tenant = name_of(NameClass::tenant, record.tenant);
    if (record.tenant != 0 && !tenants_.contains(record.tenant)) {
      Batch batch;
      batch.create_tenant(memory.tenant);
      AEON_TRY(flush_memories());
      AEON_TRY(palace_.commit(std::move(batch), Durability::process));
      tenants_.insert(record.tenant);
    }
    memory.session = name_of(NameClass::session, record.session);
    memory.kind = name_of(NameClass::kind, record.kind);
    memory.key = key_of(id, record);
    memory.content_type = record.content_type;
    memory.metadata = record.metadata;
    memory.event_time = record.event_time;
    memory.valid_from = record.valid_from;
    memory.valid_to = record.valid_to;
    memory.expires = record.expires;
    memory.importance = record.importance;
    if (record.document) {
      memory.language =
          engine::language_name(static_cast<engine::Language>(record.document->language));
    }
    memory.wanted_id = id;
    memory.embed = false;
    AEON_TRY(add_content(id, record, memory));
    add_vectors(id, version, record, memory);
    bytes_ += memory.content.size() + memory.metadata.size() + 64;
    for (const NewVector& vector : memory.vectors) bytes_ += vector.values.size() * 8;
    memories_.push_back(std::move(memory));
    const bool full = memories_.size() >= kBatchOperations || bytes_ >= kBatchBytes;
    return full ? flush_memories() : Status{};
  }

  // An older version of a memory may hold a key that has gone to another one since.
  std::string key_of(MemoryId id, const engine::VersionRecord& record) {
    std::string key(record.key);
    if (key.empty()) return key;
    const auto owner = reading_.key_owner(record.tenant, key);
    const bool others = owner && *owner != 0 && *owner != id;
    if (!others && keys_.insert({record.tenant, key}).second) return key;
    salvage_.lose("", 0, 0,
                  fmt::format("memory {}: its key belongs to another memory and is dropped", id));
    return {};
  }

  Status add_content(MemoryId id, const engine::VersionRecord& record, NewMemory& memory) {
    const Status read = reading_.read_content(record, memory.content);
    if (!read) {
      memory.content = record.content;
      salvage_.lose("", 0, 0,
                    fmt::format("memory {}: its content is lost but for the first {} bytes ({})",
                                id, memory.content.size(), read.error().message));
    }
    if (memory.content.size() <= kMaxInlineBytes) return {};
    AEON_ASSIGN(memory.payload, palace_.store_payload(memory.content_type, memory.content));
    memory.content.clear();
    return {};
  }

  void add_vectors(MemoryId id, CommitNumber version, const engine::VersionRecord& record,
                   NewMemory& memory) {
    for (const engine::RowName& name : record.rows) {
      const engine::SpaceInfo* space = reading_.catalog.at(name.space);
      NewVector vector;
      Status read;
      if (space == nullptr || space->spec.dimension == 0) {
        read = fail(Errc::damaged, fmt::format("space {} is lost", name.space));
      } else {
        vector.space = space->spec.name;
        vector.model = space->spec.model;
        vector.values.resize(space->spec.dimension);
        read = salvage_.read_row(name, record.tenant, version, id, vector.values);
      }
      if (read) {
        ++report_.vectors;
        memory.vectors.push_back(std::move(vector));
        continue;
      }
      salvage_.lose("", 0, 0,
                    fmt::format("memory {}: its vector in space {} is lost ({})", id,
                                space == nullptr ? fmt::format("{}", name.space) : space->spec.name,
                                read.error().message));
    }
  }

  // What the palace refuses is left out by itself, not with its batch.
  Status flush_memories() {
    if (memories_.empty()) return {};
    Batch batch;
    for (const NewMemory& memory : memories_) batch.remember(memory);
    auto ack = palace_.commit(std::move(batch), Durability::process);
    if (ack) {
      for (const NewMemory& memory : memories_) ids_.insert(ids_.end(), memory.wanted_id);
    } else {
      for (NewMemory& memory : memories_) {
        const MemoryId id = memory.wanted_id;
        Batch single;
        single.remember(std::move(memory));
        ack = palace_.commit(std::move(single), Durability::process);
        if (ack) {
          ids_.insert(ids_.end(), id);
        } else if (ack.error().code == Errc::disk_full || ack.error().code == Errc::read_only) {
          return std::unexpected(ack.error());
        } else {
          salvage_.lose("", 0, 0, fmt::format("memory {}: {}", id, ack.error().message));
        }
      }
    }
    memories_.clear();
    bytes_ = 0;
    return {};
  }

  // Each edge stands at both its ends; what one table lost the other may have, and the newer of the
  // two counts.
  Status copy_edges() {
    std::vector<std::string> out_damage;
    std::vector<std::string> in_damage;
    std::string key;
    storage::LookupScratch scratch;
    AEON_TRY(scan(
        storage::Table::edges_out,
        [&](const storage::VisibleCursor& cursor) -> Status {
          const auto [from, type, to] = parts_of(cursor.user_key());
          graph::edge_in_key(key, to, type, from);
          const auto mirror = reading_.find(key, scratch);
          const bool newer = mirror && *mirror && (*mirror)->commit > cursor.commit();
          return add_edge(from, type, to, newer ? (*mirror)->value : cursor.value());
        },
        [&](const std::string& message) { out_damage.push_back(message); }));
    AEON_TRY(scan(
        storage::Table::edges_in,
        [&](const storage::VisibleCursor& cursor) -> Status {
          const auto [to, type, from] = parts_of(cursor.user_key());
          graph::edge_out_key(key, from, type, to);
          const auto mirror = reading_.find(key, scratch);
          if (mirror && *mirror) return {};
          return add_edge(from, type, to, cursor.value());
        },
        [&](const std::string& message) { in_damage.push_back(message); }));
    if (!out_damage.empty() && !in_damage.empty()) {
      for (const auto* side : {&out_damage, &in_damage}) {
        for (const std::string& message : *side) {
          salvage_.lose("", 0, 0,
                        fmt::format("{}: edges whose other record is damaged, too, are "
                                    "lost",
                                    message));
        }
      }
    }
    return flush_edges();
  }

  struct EdgeParts {
    std::uint64_t near = 0;
    std::uint32_t type = 0;
    std::uint64_t far = 0;
  };
  static EdgeParts parts_of(std::string_view user_key) {
    storage::KeyDecoder key(user_key);
    key.u8();
    EdgeParts parts;
    parts.near = key.u64();
    parts.type = key.u32();
    parts.far = key.u64();
    return parts;
  }

  Status add_edge(MemoryId from, std::uint32_t type, MemoryId to, std::string_view value) {
    const graph::DecodedEdge decoded = graph::decode_edge(value);
    if (!decoded.ok) {
      salvage_.lose("", 0, 0,
                    fmt::format("the edge from {} to {} does not decode and is lost", from, to));
      return {};
    }
    if (!decoded.edge || !is_there(from) || !is_there(to)) return {};
    NewEdge& edge = edges_.emplace_back();
    edge.from = MemoryRef::of(from);
    edge.to = MemoryRef::of(to);
    edge.type = type == graph::kNextType ? "next" : name_of(NameClass::edge_type, type);
    edge.weight = decoded.edge->weight;
    edge.valid_from = decoded.edge->valid_from;
    edge.valid_to = decoded.edge->valid_to;
    return edges_.size() < kBatchOperations ? Status{} : flush_edges();
  }

  [[nodiscard]] bool is_there(MemoryId id) const { return std::ranges::binary_search(ids_, id); }

  Status flush_edges() {
    if (edges_.empty()) return {};
    Batch batch;
    for (const NewEdge& edge : edges_) batch.link(edge);
    auto ack = palace_.commit(std::move(batch), Durability::process);
    for (std::size_t i = 0; !ack && i < edges_.size(); ++i) {
      Batch single;
      single.link(edges_[i]);
      const auto alone = palace_.commit(std::move(single), Durability::process);
      if (alone) continue;
      if (alone.error().code == Errc::disk_full || alone.error().code == Errc::read_only) {
        return std::unexpected(alone.error());
      }
      salvage_.lose("", 0, 0,
                    fmt::format("the edge from {} to {}: {}", edges_[i].from.id, edges_[i].to.id,
                                alone.error().message));
    }
    report_.edges += edges_.size();
    edges_.clear();
    return {};
  }

  // An id that was given once is not given again, whoever had it.
  Status keep_ids_used() {
    report_.memories = ids_.size();
    const MemoryId last = std::max(highest_, salvage_.next_id() - 1);
    if (last == 0 || (!ids_.empty() && ids_.back() >= last)) return {};
    NewMemory holder;
    holder.wanted_id = last;
    holder.embed = false;
    Batch batch;
    batch.remember(std::move(holder));
    AEON_TRY(palace_.commit(std::move(batch), Durability::process));
    Batch forget;
    forget.forget(last);
    AEON_TRY(palace_.commit(std::move(forget), Durability::process));
    return {};
  }

  engine::Salvage& salvage_;
  const Reading reading_;
  Palace& palace_;
  RepairReport& report_;
  std::map<std::pair<std::uint8_t, std::uint32_t>, Name> names_;
  std::set<std::uint32_t> tenants_;
  std::set<std::pair<std::uint32_t, std::string>> keys_;
  std::vector<MemoryId> ids_;  // in the new palace, ascending
  MemoryId highest_ = 0;       // that was ever there
  std::vector<NewMemory> memories_;
  std::size_t bytes_ = 0;
  std::vector<NewEdge> edges_;
};

// Keeps others from writing meanwhile, as far as that is possible without writing.
Result<std::unique_ptr<storage::File>> keep_alone(storage::Os& os, const std::string& directory) {
  const std::string path = directory + "/control";
  if (!os.exists(path)) return nullptr;
  auto file = os.open_file(path, storage::OpenMode::read_write);
  if (!file) return nullptr;
  const auto alone = (*file)->try_lock(static_cast<std::uint64_t>(engine::LockByte::presence),
                                       storage::LockMode::exclusive);
  if (!alone || *alone) return file;
  return fail(
      Errc::busy,
      fmt::format("{} is open in a process; close it there before it is repaired", directory));
}

Result<RepairReport> repair_into(const std::string& directory, const std::string& target,
                                 const OpenOptions& options) {
  storage::Os& os = options.os != nullptr ? *options.os : storage::real_os();
  AEON_TRY(engine::check_copy_place(os, directory, target));
  if (os.exists(target)) {
    AEON_ASSIGN(const auto names, os.list_directory(target));
    if (!names.empty()) {
      return fail(Errc::already_exists,
                  fmt::format("{} is not empty; name a new directory to repair into", target));
    }
  }
  const std::string work = target + ".repairing";
  if (os.exists(work)) {
    return fail(Errc::already_exists,
                fmt::format("{} is left of a repair that was cut off; remove it first", work));
  }
  AEON_ASSIGN(const auto alone, keep_alone(os, directory));
  AEON_ASSIGN(const auto salvage, engine::Salvage::open(os, directory));
  RepairReport report;
  {
    OpenOptions quiet;
    quiet.background = false;
    quiet.os = options.os;
    AEON_ASSIGN(Palace palace, Palace::create(work, {}, quiet));
    AEON_TRY(Rebuilder(*salvage, palace, report).run());
    AEON_TRY(palace.checkpoint());
    AEON_TRY(palace.close());
  }
  AEON_TRY(os.rename(work, target));
  AEON_TRY(os.sync_directory(engine::directory_above(target)));
  report.losses = std::move(salvage->losses);
  return report;
}

}  // namespace

Result<RepairReport> Palace::repair(const std::string& directory, const std::string& target,
                                    OpenOptions options) try {
  if (directory.empty() || target.empty()) {
    return fail(Errc::invalid_argument, "repair needs the paths of two directories");
  }
  return repair_into(directory, engine::without_last_slash(target), options);
} catch (const std::bad_alloc&) {
  return engine::no_memory();
}

}  // namespace aeon
