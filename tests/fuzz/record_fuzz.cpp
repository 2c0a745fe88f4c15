// A commit's payload of arbitrary bytes, applied to a tail that holds something already: refused as
// damaged or carried out, and then readable and settled, never a crash. The first byte says how
// many payloads the input is cut into.
#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "engine/apply.hpp"
#include "engine/search.hpp"
#include "engine/settle.hpp"
#include "storage/codec.hpp"
#include "storage/visible_cursor.hpp"
#include "tests/sim/sim_os.hpp"

using namespace aeon;
using namespace aeon::engine;

namespace {

constexpr std::uint32_t kDimension = 4;

void read_all(const Reading& reading) {
  std::string prefix;
  storage::begin_key(prefix, storage::Table::versions);
  storage::VisibleCursor cursor(reading.view.runs(), reading.commit);
  Reading::Version version;
  for (cursor.seek(prefix); cursor.valid(); cursor.next()) {
    storage::KeyDecoder key(cursor.user_key());
    key.u8();
    (void)reading.try_version(key.u64(), version);
  }
  const float vector[kDimension] = {1, 2, 3, 4};
  VectorSearch search;
  search.space = reading.catalog.at(1);
  search.vector = vector;
  Answer answer;
  (void)search_rows(reading, search, answer);
  search.recall = 0.9F;
  (void)search_rows(reading, search, answer);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::size_t pieces = 1 + data[0] % 4;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  Catalog catalog;
  catalog.add({1, 1, {.name = "v", .dimension = kDimension, .model = ""}});
  Counters counters;
  counters.next_node = {0};
  const auto tail = std::make_shared<Tail>(2);
  const View view({}, {}, {tail}, 1);
  CommitNumber commit = 1;
  for (std::size_t i = 0; i < pieces; ++i) {
    const std::size_t begin = rest.size() * i / pieces;
    const std::size_t end = rest.size() * (i + 1) / pieces;
    wal::CommitHeader header;
    header.commit = commit + 1;
    // After an error the target is used no further: what was applied before is still whole.
    if (!apply({view, catalog, counters}, header, rest.substr(begin, end - begin))) return 0;
    ++commit;
    read_all({view, catalog, commit});
  }
  if (commit == 1) return 0;
  tail->freeze(counters);
  const std::shared_ptr<Tail> tails[] = {tail};
  SettleSources sources = sources_of(tails, catalog);
  test::SimOs os(1);
  if (!os.make_directory("/p")) std::abort();
  (void)write_settled(os, "/p", {1, 2}, 1, sources);
  return 0;
}
