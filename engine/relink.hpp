// New neighbours for rows that lost some: when a merge leaves rows out, whoever was linked to them
// is linked to what lay behind them.
//
// Candidates are the neighbours that are left and those of the rows that went, through any number
// of rows that went; a row that lost many also looks through its own cluster and the nearest two
// clusters, as a new row would (half of a graph gone leaves little to go by). From them neighbours
// are chosen by the rule for new rows (linking.hpp), the links that are left stay, and a new
// neighbour takes the row in where it has room. A row to which only rows led that went is taken in
// by its nearest neighbour in place of the farthest one there, so that every row stays within
// reach. Similar in spirit to the local repair of FreshDiskANN (Singh et al. 2021).
//
// Cost: a few microseconds for a row that lost few links, about 20 for one that lost many.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "engine/grouping.hpp"
#include "engine/links.hpp"
#include "engine/partition_writer.hpp"

namespace aeon::engine {

// A partition in the order in which its rows are written.
struct LinkedRows {
  const PartitionRows* rows = nullptr;
  std::span<const RowPlace> order;
  const Grouping* grouping = nullptr;  // null: one cluster
};

// `partitions` are all of one space. `links` are the space's, by node; lists that change are
// pointed at `lists`, rows that had none get one. `gone`, by node, are the lists of rows that are
// left out. `whole`: what is not in `partitions` is nowhere.
void relink(std::span<const LinkedRows> partitions, bool whole, std::vector<NodeLinks>& links,
            std::span<const NodeLinks> gone, std::deque<LinkList>& lists);

}  // namespace aeon::engine
