#include "engine/linking.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "engine/distance.hpp"
#include "engine/link_choice.hpp"
#include "engine/scorer.hpp"
#include "engine/seeds.hpp"
#include "engine/walk.hpp"
#include "simd/kernels.hpp"

namespace aeon::engine {

namespace {

constexpr std::uint32_t kSeedPages = 4;

struct Candidate {
  float distance = 0;  // from the new row
  NodeName name = 0;
  const std::byte* packed = nullptr;
};

// The rows of a batch that go to one space and tenant, in order, as packed rows.
struct Mates {
  std::uint32_t space = 0;  // number; 0: the batch makes the space
  std::uint32_t tenant = 0;
  bool is_new = false;  // the tenant has no rows yet
  Metric metric = Metric::cosine;
  std::uint32_t dimension = 0;
  std::vector<std::unique_ptr<std::byte[]>> rows;
  std::vector<NodeName> names;
};

class Linker {
 public:
  Linker(const Reading& reading, Mates& mates)
      : reading_(reading), mates_(mates), kernels_(simd::kernels()) {
    if (mates.space == 0) return;
    map_.open(reading, mates.space);
    figures_ = partition_figures(reading, mates.space, mates.tenant);
    largest_norm_ = figures_.largest_norm;
  }

  void link(NodeName name, PreparedRow& prepared) {
    const QuantisedRow& row = prepared.row;
    std::vector<PreparedLink>& links = prepared.links;
    new_row_ = pack(row);
    new_name_ = name;
    largest_norm_ = std::max(largest_norm_, row.norm);
    gather(row);
    choose_links(near_, chosen_, hidden_, [this](const Candidate& a, const Candidate& b) {
      return between(a.packed, b.packed);
    });
    // Where nothing is nearer than chance, whoever comes next to this place must be able to find
    // it.
    prepared.landmark = near_.empty() || is_far(near_.front());
    std::vector<NodeName> own;
    for (const Candidate& candidate : chosen_) own.push_back(candidate.name);
    links.clear();
    for (const Candidate& candidate : chosen_) {
      links.push_back(weigh(candidate));
      if (links.back().kind != LinkChange::Kind::none) change(links.back());
    }
    const bool reachable = std::ranges::any_of(
        links, [](const PreparedLink& link) { return link.kind != LinkChange::Kind::none; });
    if (!reachable && !links.empty()) force(links, own);
    lists_[name] = std::move(own);
  }

 private:
  const std::byte* pack(const QuantisedRow& row) {
    auto packed = std::make_unique<std::byte[]>(packed_stride(mates_.dimension));
    const RowHead head{row.scale, row.norm, row.error, row.sum, 0, 0};
    std::memcpy(packed.get(), &head, sizeof head);
    std::memcpy(packed.get() + sizeof head, row.codes.data(), row.codes.size());
    mates_.rows.push_back(std::move(packed));
    return mates_.rows.back().get();
  }

  [[nodiscard]] bool is_far(const Candidate& nearest) const {
    const std::int32_t dot =
        kernels_.dot_i8(codes_of(new_row_), codes_of(nearest.packed), mates_.dimension);
    return figures_.spread.is_chance(
        spread_distance(mates_.metric, head_of(new_row_), head_of(nearest.packed), dot), 1,
        static_cast<double>(figures_.rows), mates_.metric);
  }

  // The nearest kBeam rows, settled ones and mates, into near_.
  void gather(const QuantisedRow& row) {
    near_.clear();
    codes_.assign(row.codes.data(), row.codes.size());
    if (mates_.space != 0 && !mates_.is_new && figures_.rows != 0) {
      const Distance distance(mates_.metric, row.scale, row.norm, largest_norm_);
      walk_.begin(map_, codes_, distance, {.rank = kBeam, .copies = kCopies});
      bool damaged = false;  // fewer links then
      const auto pages = seeds_.choose(reading_, mates_.space, mates_.tenant,
                                       Promises(codes_, row.scale, row.norm, mates_.metric),
                                       kSeedPages, Ranking::by_district, damaged);
      scan_seeds(reading_, mates_.space, mates_.tenant, pages, false, walk_, damaged);
      (void)walk_.run();  // has no bound to give up at
      for (const Walk::Neighbour& found : walk_.found()) {
        near_.push_back({distance_to(found.packed), found.node, found.packed});
      }
    }
    for (std::size_t i = 0; i + 1 < mates_.rows.size(); ++i) {
      const std::byte* mate = mates_.rows[i].get();
      near_.push_back({distance_to(mate), mates_.names[i], mate});
    }
    keep_nearest(near_);
  }

  // What a neighbour does about the new row.
  PreparedLink weigh(const Candidate& neighbour) {
    PreparedLink link{neighbour.name, 0, LinkChange::Kind::append};
    const std::vector<NodeName>& list = list_of(neighbour.name);
    if (list.size() < kMaxLinks) return link;
    link.kind = LinkChange::Kind::none;
    bool found = false;
    float farthest = 0;
    fetch(list);
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (rows_[i] == nullptr) {  // leads nowhere any more
        link.kind = LinkChange::Kind::replace;
        link.victim = list[i];
        return link;
      }
      const float from_neighbour = between(neighbour.packed, rows_[i]);
      const float from_new = distance_to(rows_[i]);
      if (from_neighbour <= neighbour.distance && from_new <= neighbour.distance) {
        link.kind = LinkChange::Kind::none;
        return link;
      }
      if (from_neighbour < neighbour.distance) continue;
      // Of those it hides the farthest; where it hides none, the farthest of all.
      const bool hides = from_new <= from_neighbour;
      if (link.kind == LinkChange::Kind::replace && (found && !hides)) continue;
      if (hides == found && from_neighbour <= farthest) continue;
      link.kind = LinkChange::Kind::replace;
      link.victim = list[i];
      farthest = from_neighbour;
      found = found || hides;
    }
    return link;
  }

  // Everybody refused the new row: the nearest takes it in place of its farthest, to which the new
  // row then leads.
  void force(std::vector<PreparedLink>& links, std::vector<NodeName>& own) {
    PreparedLink& link = links.front();
    const std::vector<NodeName>& list = list_of(link.neighbour);
    fetch(list);
    std::size_t victim = 0;
    float farthest = -1;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const float distance = rows_[i] == nullptr ? 0 : between(chosen_.front().packed, rows_[i]);
      if (distance > farthest && list[i] != new_name_) {
        victim = i;
        farthest = distance;
      }
    }
    link.kind = LinkChange::Kind::replace;
    link.victim = list[victim];
    if (std::ranges::find(own, link.victim) == own.end()) {
      own.push_back(link.victim);
      links.push_back({link.victim, 0, LinkChange::Kind::none});
    }
    change(links.front());
  }

  // The links of a node as the batch has left them so far.
  const std::vector<NodeName>& list_of(NodeName name) {
    const auto known = lists_.find(name);
    if (known != lists_.end()) return known->second;
    std::vector<NodeName>& list = lists_[name];
    std::uint32_t nodes[kMaxLinks];
    const std::size_t count = map_.links(static_cast<std::uint32_t>(name), nodes);
    list.assign(nodes, nodes + count);
    return list;
  }
  void change(const PreparedLink& link) {
    std::vector<NodeName>& list = lists_[link.neighbour];
    if (link.kind == LinkChange::Kind::append) {
      list.push_back(new_name_);
    } else {
      std::ranges::replace(list, link.victim, new_name_);
    }
  }

  // The packed rows of a list into rows_, null where there is none.
  void fetch(const std::vector<NodeName>& list) {
    rows_.clear();
    for (const NodeName name : list) {
      const std::byte* packed = packed_of(name);
      rows_.push_back(packed);
      if (packed == nullptr) continue;
      for (std::size_t at = 0; at < sizeof(RowHead) + mates_.dimension; at += 64) {
        __builtin_prefetch(packed + at);
      }
    }
  }
  const std::byte* packed_of(NodeName name) {
    if (name < kInBatch) return map_.packed(static_cast<std::uint32_t>(name));
    const auto at = std::ranges::lower_bound(mates_.names, name);
    return at != mates_.names.end() && *at == name
               ? mates_.rows[static_cast<std::size_t>(at - mates_.names.begin())].get()
               : nullptr;
  }

  float distance_to(const std::byte* packed) const { return between(new_row_, packed); }
  float between(const std::byte* a, const std::byte* b) const {
    return distance_between(mates_.metric, head_of(a), head_of(b),
                            kernels_.dot_i8(codes_of(a), codes_of(b), mates_.dimension),
                            largest_norm_);
  }

  // Big buffers are kept between batches of a thread.
  static inline thread_local Walk walk_;
  static inline thread_local Seeds seeds_;

  const Reading& reading_;
  Mates& mates_;
  const simd::Kernels& kernels_;
  NodeMap map_;
  PartitionFigures figures_;
  float largest_norm_ = 0;
  simd::Int8Query codes_;  // of the new row
  const std::byte* new_row_ = nullptr;
  NodeName new_name_ = 0;
  std::vector<Candidate> near_;
  std::vector<Candidate> chosen_;
  std::vector<Candidate> hidden_;
  std::vector<const std::byte*> rows_;
  std::unordered_map<NodeName, std::vector<NodeName>> lists_;
};

// Hands every row of a batch to the linker of its space and tenant.
class BatchLinker {
 public:
  BatchLinker(const Reading& reading, PreparedBatch& batch) : reading_(reading), batch_(batch) {}

  void run() {
    const auto operations = batch_.batch.operations();
    for (std::size_t i = 0; i < operations.size(); ++i) {
      if (const auto* space = std::get_if<SpaceSpec>(&operations[i])) {
        made_[space->name] = space;
      }
      if (batch_.rows[i].empty()) continue;
      const Owner owner = owner_of(operations[i]);
      for (PreparedRow& row : batch_.rows[i]) {
        // Rows of a space get their numbers in this order.
        const NodeName name = kInBatch + ordinals_[row.space]++;
        if (Group* group = group_of(row.space, owner)) {
          group->mates.names.push_back(name);
          group->linker->link(name, row);
        }
      }
    }
  }

 private:
  // Whose rows they are. A name that has no number yet is known by its text.
  struct Owner {
    std::uint32_t tenant = 0;
    std::string new_tenant;
    bool unknown = false;
  };
  struct Group {
    Mates mates;
    std::unique_ptr<Linker> linker;
  };

  Owner owner_of(const Batch::Operation& operation) const {
    Owner owner;
    if (const auto* memory = std::get_if<NewMemory>(&operation)) {
      const auto number = reading_.number_of(NameClass::tenant, 0, memory->tenant);
      owner.unknown = !number;
      if (number) owner.tenant = *number;
      if (owner.tenant == 0) owner.new_tenant = memory->tenant;
    } else if (const auto* supersede = std::get_if<Supersede>(&operation)) {
      Reading::Version version;
      const auto visible = reading_.try_version(supersede->id, version);
      owner.unknown = !visible || !*visible;  // the commit will say so
      if (!owner.unknown) owner.tenant = version.record.tenant;
    }
    return owner;
  }

  Group* group_of(const std::string& space, const Owner& owner) {
    if (owner.unknown) return nullptr;
    auto& group = groups_[space + '\0' + std::to_string(owner.tenant) + '\0' + owner.new_tenant];
    if (group != nullptr) return group.get();
    const SpaceInfo* info = reading_.catalog.find(space, reading_.commit);
    const auto made = made_.find(space);
    const SpaceSpec* spec = info != nullptr       ? &info->spec
                            : made != made_.end() ? made->second
                                                  : nullptr;
    if (spec == nullptr) return nullptr;
    group = std::make_unique<Group>();
    Mates& mates = group->mates;
    mates.space = info == nullptr ? 0 : info->number;
    mates.tenant = owner.tenant;
    mates.is_new = !owner.new_tenant.empty();
    mates.metric = spec->metric;
    mates.dimension = spec->dimension;
    group->linker = std::make_unique<Linker>(reading_, mates);
    return group.get();
  }

  const Reading& reading_;
  PreparedBatch& batch_;
  std::unordered_map<std::string, const SpaceSpec*> made_;
  std::unordered_map<std::string, std::uint32_t> ordinals_;
  std::unordered_map<std::string, std::unique_ptr<Group>> groups_;
};

}  // namespace

void link_rows(const Reading& reading, PreparedBatch& batch) {
  const bool any = std::ranges::any_of(batch.rows, [](const auto& rows) { return !rows.empty(); });
  if (any) BatchLinker(reading, batch).run();
}

}  // namespace aeon::engine
