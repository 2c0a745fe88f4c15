#include "graph/trace.hpp"

#include <limits>

namespace aeon::graph {

void EdgeCursor::reset(const Instant& instant, std::uint64_t node, Way way, std::uint32_t type,
                       Edges shown) {
  cursor_.reset(instant.runs, instant.commit);
  way_ = way;
  shown_ = shown;
  malformed_ = false;
  auto key = storage::begin_key(
      prefix_, way == Way::out ? storage::Table::edges_out : storage::Table::edges_in);
  key.u64(node);
  if (type != 0) key.u32(type);
  cursor_.seek(prefix_);
  settle();
}

void EdgeCursor::next() {
  cursor_.next();
  settle();
}

// To the next entry that is to be shown.
void EdgeCursor::settle() {
  for (valid_ = false; cursor_.valid(); cursor_.next()) {
    const DecodedEdge decoded = decode_edge(cursor_.value());
    storage::KeyDecoder key(cursor_.user_key());
    key.u8();
    const std::uint64_t near = key.u64();
    edge_.type = key.u32();
    const std::uint64_t far = key.u64();
    if (!decoded.ok || !key.ok()) {
      malformed_ = true;
      return;
    }
    stands_ = decoded.edge.has_value();
    if (!stands_ && shown_ == Edges::standing) continue;
    edge_.from = way_ == Way::out ? near : far;
    edge_.to = way_ == Way::out ? far : near;
    edge_.record = decoded.edge.value_or(EdgeRecord{});
    edge_.commit = cursor_.commit();
    valid_ = true;
    return;
  }
}

Status EdgeCursor::status() const {
  if (malformed_) return fail(Errc::damaged, "an edge record does not decode; run aeon verify");
  return cursor_.status();
}

Result<std::uint64_t> step_on_line(const Instant& instant, std::uint64_t id, Way way) {
  const EdgeCursor cursor(instant, id, way, kNextType);
  AEON_TRY(cursor.status());
  return cursor.valid() ? cursor.other_end() : 0;
}

TimelineCursor::TimelineCursor(const Instant& instant, std::uint32_t tenant, std::uint32_t session,
                               std::int64_t since, std::int64_t until)
    : cursor_(instant.runs, instant.commit), until_(until) {
  std::string prefix;
  storage::begin_key(prefix, storage::Table::events).u32(tenant).u32(session);
  std::string from;
  event_key(from, tenant, session, since, 0);
  cursor_.seek(prefix, from);
  settle();
}

void TimelineCursor::next() {
  cursor_.next();
  settle();
}

// To the next entry that is an event still standing at that time.
void TimelineCursor::settle() {
  for (valid_ = false; cursor_.valid(); cursor_.next()) {
    storage::KeyDecoder key(cursor_.user_key());
    key.u8();
    key.u32();
    key.u32();
    event_.time = key.i64();
    event_.id = key.u64();
    const bool ends = event_.time >= until_ && until_ != std::numeric_limits<std::int64_t>::max();
    if (!key.ok() || ends) return;
    if (cursor_.value().empty()) continue;
    valid_ = true;
    return;
  }
}

}  // namespace aeon::graph
