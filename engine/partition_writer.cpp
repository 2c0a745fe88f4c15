#include "engine/partition_writer.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <random>

#include <fmt/format.h>

#include "engine/distance.hpp"
#include "engine/node_index.hpp"
#include "engine/relink.hpp"
#include "engine/spread.hpp"
#include "simd/kernels.hpp"

namespace aeon::engine {

namespace {

using storage::SectionKind;

// A partition with the order in which its rows are written.
struct Ordered {
  const PartitionRows& rows;
  std::optional<Route> route;
  std::vector<RowPlace> order;
  PartitionEntry entry;
};

// Of pairs of rows taken at random, the same for the same rows.
Spread measure_spread(const PartitionRows& rows, const std::vector<RowPlace>& order) {
  constexpr int kPairs = 1024;
  std::mt19937_64 random(order.size());
  SpreadSums sums;
  const auto pick = [&] { return order[random() % order.size()]; };
  const auto head = [&](RowPlace place) {
    const RowBlock& block = rows.blocks[place.block];
    return RowHead{block.scales[place.row], block.norms[place.row], 0, 0, 0, 0};
  };
  const auto codes = [&](RowPlace place) {
    const RowBlock& block = rows.blocks[place.block];
    return block.codes + place.row * block.stride;
  };
  for (int i = 0; i < kPairs; ++i) {
    const RowPlace a = pick();
    const RowPlace b = pick();
    sums.add(spread_distance(rows.metric, head(a), head(b),
                             simd::kernels().dot_i8(codes(a), codes(b), rows.dimension)));
  }
  return sums.spread(static_cast<double>(order.size()));
}

void note_spread(Ordered& ordered) {
  const Spread spread = measure_spread(ordered.rows, ordered.order);
  ordered.entry.mean_distance = static_cast<float>(spread.mean);
  ordered.entry.distance_deviation = static_cast<float>(spread.deviation);
}

Ordered order_rows(const PartitionRows& rows) {
  Ordered ordered{rows, std::nullopt, {}, {}};
  PartitionEntry& entry = ordered.entry;
  entry.space = rows.space;
  entry.tenant = rows.tenant;
  entry.dimension = rows.dimension;
  entry.precision = static_cast<std::uint32_t>(rows.precision);
  entry.rows = static_cast<std::uint32_t>(rows.rows());
  if (entry.rows >= kRoutedRows) {
    ordered.route = make_route(rows.blocks, rows.metric);
    ordered.order = std::move(ordered.route->grouping.order);
    entry.clusters = static_cast<std::uint32_t>(ordered.route->grouping.groups());
    entry.districts = static_cast<std::uint32_t>(ordered.route->grouping.districts.size());
    entry.reach = ordered.route->reach;
    return ordered;
  }
  for (std::uint32_t b = 0; b < rows.blocks.size(); ++b) {
    for (std::uint32_t row = 0; row < rows.blocks[b].count; ++row)
      ordered.order.push_back({b, row});
  }
  return ordered;
}

class Writer {
 public:
  Writer(storage::SegmentWriter& writer, PartitionSources& sources)
      : writer_(writer), sources_(sources) {}

  Status run() {
    for (const PartitionRows& rows : sources_.partitions) {
      if (rows.rows() > UINT32_MAX) {
        return fail(Errc::too_large, fmt::format("space {}, tenant {}: more than 2^32 rows",
                                                 rows.space, rows.tenant));
      }
      if (rows.rows() == 0) continue;
      ordered_.push_back(order_rows(rows));
      note_spread(ordered_.back());
    }
    if (!sources_.gone.empty()) relink_spaces();
    AEON_TRY(write_rows());
    AEON_TRY(write_columns());
    AEON_TRY(write_cold());
    AEON_TRY(write_routes());
    AEON_TRY(write_directory());
    AEON_TRY(write_places());
    AEON_TRY(write_links());
    AEON_TRY(write_ends());
    return write_index();
  }

 private:
  // Space by space: links never lead into another.
  void relink_spaces() {
    std::map<std::uint32_t, std::vector<NodeLinks>> links;
    std::map<std::uint32_t, std::vector<NodeLinks>> gone;
    for (const NodeLinks& one : sources_.links) links[one.space].push_back(one);
    for (const NodeLinks& one : sources_.gone) gone[one.space].push_back(one);
    for (std::size_t first = 0; first < ordered_.size();) {
      const std::uint32_t space = ordered_[first].entry.space;
      std::vector<LinkedRows> partitions;
      for (; first < ordered_.size() && ordered_[first].entry.space == space; ++first) {
        const Ordered& one = ordered_[first];
        partitions.push_back({&one.rows, one.order, one.route ? &one.route->grouping : nullptr});
      }
      relink(partitions, sources_.whole, links[space], gone[space], relinked_);
    }
    sources_.links.clear();
    for (const auto& [space, lists] : links) {
      sources_.links.insert(sources_.links.end(), lists.begin(), lists.end());
    }
  }

  Status write_rows() {
    AEON_TRY(writer_.begin_section(SectionKind::partition_rows, storage::kPageBytes));
    std::vector<std::byte> packed;
    for (Ordered& partition : ordered_) {
      AEON_TRY(writer_.align(64));
      PartitionEntry& entry = partition.entry;
      entry.rows_offset = writer_.section_offset();
      entry.first_born = UINT64_MAX;
      packed.assign(packed_stride(entry.dimension), std::byte{0});
      for (const RowPlace place : partition.order) {
        const RowBlock& block = partition.rows.blocks[place.block];
        const RowHead head{block.scales[place.row], block.norms[place.row], block.errors[place.row],
                           block.sums[place.row],   block.ids[place.row],   block.born[place.row]};
        std::memcpy(packed.data(), &head, sizeof head);
        std::memcpy(packed.data() + sizeof head, block.codes + place.row * block.stride,
                    entry.dimension);
        AEON_TRY(writer_.append(packed));
        entry.largest_norm = std::max(entry.largest_norm, head.norm);
        entry.first_born = std::min(entry.first_born, head.born);
        entry.last_born = std::max(entry.last_born, head.born);
      }
    }
    return writer_.end_section(ordered_.size());
  }

  Status write_columns() {
    AEON_TRY(writer_.begin_section(SectionKind::partition_columns, storage::kPageBytes));
    for (Ordered& partition : ordered_) {
      AEON_TRY(writer_.align(64));
      partition.entry.columns_offset = writer_.section_offset();
      AEON_TRY(write_column(partition, &RowBlock::exponents));
      AEON_TRY(write_column(partition, &RowBlock::times));
      AEON_TRY(write_column(partition, &RowBlock::nodes));
      AEON_TRY(write_column(partition, &RowBlock::sessions));
      AEON_TRY(write_column(partition, &RowBlock::kinds));
    }
    return writer_.end_section(ordered_.size());
  }

  template <typename T>
  Status write_column(const Ordered& partition, const T* RowBlock::* column) {
    std::vector<T> values;
    values.reserve(partition.order.size());
    for (const RowPlace place : partition.order) {
      values.push_back((partition.rows.blocks[place.block].*column)[place.row]);
    }
    AEON_TRY(writer_.append(std::as_bytes(std::span(values))));
    return writer_.align(64);
  }

  Status write_cold() {
    AEON_TRY(writer_.begin_section(SectionKind::cluster_cold, storage::kPageBytes));
    for (Ordered& partition : ordered_) {
      AEON_TRY(writer_.align(64));
      partition.entry.cold_offset = writer_.section_offset();
      const std::size_t bytes = precise_bytes(partition.rows.precision, partition.rows.dimension);
      if (bytes == 0) continue;
      for (const RowPlace place : partition.order) {
        const std::byte* from = precise_rows(partition.rows.blocks[place.block], place.row, 1);
        if (from == nullptr) {
          return fail(Errc::damaged,
                      "settling rows: a precise row of an older segment is damaged; run aeon "
                      "verify to see where");
        }
        AEON_TRY(writer_.append({from, bytes}));
      }
    }
    return writer_.end_section(ordered_.size());
  }

  Status write_routes() {
    AEON_TRY(writer_.begin_section(SectionKind::partition_routes, storage::kPageBytes));
    for (Ordered& partition : ordered_) {
      AEON_TRY(writer_.align(64));
      partition.entry.route_offset = writer_.section_offset();
      if (!partition.route) continue;
      AEON_TRY(write_route(writer_, *partition.route, partition.rows.dimension));
    }
    return writer_.end_section(ordered_.size());
  }

  Status write_directory() {
    AEON_TRY(writer_.begin_section(SectionKind::partition_directory));
    for (const Ordered& partition : ordered_) {
      AEON_TRY(writer_.append(std::as_bytes(std::span(&partition.entry, 1))));
    }
    return writer_.end_section(ordered_.size());
  }

  // Rows of a space may lie in several partitions; their nodes are told apart by sorting.
  Status write_places() {
    struct Placed {
      std::uint32_t node;
      NodePlace place;
    };
    std::map<std::uint32_t, std::vector<Placed>> by_space;
    for (std::uint32_t p = 0; p < ordered_.size(); ++p) {
      std::vector<Placed>& placed = by_space[ordered_[p].entry.space];
      const auto& order = ordered_[p].order;
      for (std::uint32_t row = 0; row < order.size(); ++row) {
        const RowBlock& block = ordered_[p].rows.blocks[order[row].block];
        placed.push_back({block.nodes[order[row].row], {p, row}});
      }
    }
    AEON_TRY(writer_.begin_section(SectionKind::node_places));
    std::uint64_t items = 0;
    std::vector<std::uint32_t> nodes;
    std::vector<NodePlace> places;
    for (auto& [space, placed] : by_space) {
      std::ranges::sort(placed, {}, &Placed::node);
      nodes.clear();
      places.clear();
      for (const Placed& each : placed) {
        nodes.push_back(each.node);
        places.push_back(each.place);
      }
      AEON_TRY(check_nodes(space, nodes));
      index_of(space).rows = index_nodes(nodes, items, blocks_);
      items += places.size();
      AEON_TRY(writer_.append(std::as_bytes(std::span(places))));
    }
    return writer_.end_section(items);
  }

  Status write_links() {
    AEON_TRY(writer_.begin_section(SectionKind::link_lists, storage::kPageBytes));
    AEON_TRY(index_spaces(sources_.links, &NodeSpace::links));
    for (const NodeLinks& links : sources_.links) {
      AEON_TRY(writer_.append({links.list, sizeof(LinkList)}));
    }
    return writer_.end_section(sources_.links.size());
  }

  Status write_ends() {
    AEON_TRY(writer_.begin_section(SectionKind::cluster_ends));
    AEON_TRY(index_spaces(sources_.ends, &NodeSpace::ends));
    AEON_TRY(writer_.append(std::as_bytes(std::span(sources_.ends))));
    return writer_.end_section(sources_.ends.size());
  }

  // What older files say may be wrong however well their checksums hold.
  [[nodiscard]] Status check_nodes(std::uint32_t space,
                                   std::span<const std::uint32_t> nodes) const {
    const bool ascend = std::ranges::adjacent_find(nodes, std::greater_equal{}) == nodes.end();
    const bool known = space != 0 && space <= sources_.next_node.size();
    const std::uint32_t next = known ? sources_.next_node[space - 1] : kNoNode;
    if (ascend && (nodes.empty() || nodes.back() < next)) return {};
    return fail(Errc::damaged,
                "settling rows: a row number occurs twice or is impossible; run aeon verify");
  }

  // Indexes items that are sorted by (space, node).
  template <typename Item>
  Status index_spaces(const std::vector<Item>& items, NodePart NodeSpace::* part) {
    std::vector<std::uint32_t> nodes;
    for (std::size_t first = 0; first < items.size();) {
      nodes.clear();
      std::size_t last = first;
      for (; last < items.size() && items[last].space == items[first].space; ++last) {
        nodes.push_back(items[last].node);
      }
      AEON_TRY(check_nodes(items[first].space, nodes));
      index_of(items[first].space).*part = index_nodes(nodes, first, blocks_);
      first = last;
    }
    return {};
  }

  Status write_index() {
    AEON_TRY(writer_.begin_section(SectionKind::node_blocks));
    AEON_TRY(writer_.append(std::as_bytes(std::span(blocks_))));
    AEON_TRY(writer_.end_section(blocks_.size()));
    AEON_TRY(writer_.begin_section(SectionKind::node_spaces));
    for (const auto& [number, space] : spaces_) {
      AEON_TRY(writer_.append(std::as_bytes(std::span(&space, 1))));
    }
    return writer_.end_section(spaces_.size());
  }

  NodeSpace& index_of(std::uint32_t space) {
    NodeSpace& index = spaces_[space];
    index.space = space;
    return index;
  }

  storage::SegmentWriter& writer_;
  PartitionSources& sources_;
  std::deque<LinkList> relinked_;
  std::vector<Ordered> ordered_;
  std::vector<NodeBlock> blocks_;
  std::map<std::uint32_t, NodeSpace> spaces_;
};

}  // namespace

std::uint64_t PartitionRows::rows() const noexcept {
  std::uint64_t rows = 0;
  for (const RowBlock& block : blocks) rows += block.count;
  return rows;
}

Status write_partitions(storage::SegmentWriter& writer, PartitionSources& sources) {
  for (PartitionRows& partition : sources.partitions) {
    std::erase_if(partition.blocks, [](const RowBlock& block) { return block.count == 0; });
  }
  return Writer(writer, sources).run();
}

}  // namespace aeon::engine
