#include "engine/walk.hpp"

#include <algorithm>
#include <limits>

#include "simd/kernels.hpp"

namespace aeon::engine {

namespace {

constexpr auto kFarther = [](const auto& a, const auto& b) { return a.distance > b.distance; };

// How many of the scanned rows a walk sets out from: enough to know a limit and to begin at several
// places. The others are met again if they are near.
constexpr std::size_t starts_for(std::uint32_t rank) {
  return std::max<std::size_t>(24, 2 * std::size_t{rank});
}

// Keeps the `most` least distances in a max-heap; false when this one is not among them.
bool keep_least(std::vector<float>& heap, std::uint32_t most, float distance) {
  if (heap.size() == most) {
    if (distance >= heap.front()) return false;
    std::ranges::pop_heap(heap);
    heap.back() = distance;
  } else {
    heap.push_back(distance);
  }
  std::ranges::push_heap(heap);
  return true;
}

void prefetch_row(const std::byte* packed, std::size_t bytes) noexcept {
  for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(packed + at);
}

}  // namespace

Walk::Walk() {
  constexpr std::size_t kOrdinaryRows = 4096;
  starts_.reserve(4 * starts_for(kMaxK) + kStep);
  open_.reserve(kOrdinaryRows);
  known_.reserve(kMostNominees);
  nearest_.reserve(kMaxK);
  wide_.reserve(kMaxK);
  found_.reserve(kOrdinaryRows);
}

void Walk::begin(NodeMap& map, const simd::Int8Query& codes, const Distance& distance,
                 const WalkLimits& limits) {
  map_ = &map;
  codes_ = &codes;
  distance_ = &distance;
  limits_ = limits;
  limit_ = std::numeric_limits<float>::infinity();
  last_distance_ = -1;
  followed_ = 0;
  under_way_ = false;
  improved_ = false;
  idle_ = 0;
  scanned_ = 0;
  walked_ = 0;
  visited_.clear();
  cut_ = std::numeric_limits<float>::infinity();
  starts_.clear();
  known_.clear();
  open_.clear();
  nearest_.clear();
  wide_.clear();
  found_.clear();
}

void Walk::scan(const RowBlock& block) {
  std::int32_t sums[kStep];
  std::int32_t dots[kStep];
  for (std::uint32_t first = 0; first < block.count; first += kStep) {
    const std::uint32_t count = std::min(kStep, block.count - first);
    for (std::uint32_t i = 0; i < count; ++i) sums[i] = block.sums[first + i];
    simd::kernels().dot_i8_rows(*codes_, {block.codes + first * block.stride, block.stride, count},
                                sums, dots);
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t row = first + i;
      const float distance = (*distance_)(block.scales[row], block.norms[row], dots[i]);
      if (distance > cut_) continue;
      starts_.push_back(
          {distance, block.nodes[row],
           reinterpret_cast<const std::byte*>(block.codes + row * block.stride) - sizeof(RowHead)});
    }
    if (starts_.size() >= 4 * starts_for(limits_.rank)) tighten();
  }
  scanned_ += block.count;
}

// As expand(), of rows that no link led to. Those that are no more are passed over.
void Walk::scan(std::span<const Nominee> rows) {
  for (std::size_t first = 0; first < rows.size(); first += kMaxLinks) {
    const auto part = rows.subspan(first, std::min(kMaxLinks, rows.size() - first));
    Neighbour found[kMaxLinks];
    std::size_t count = 0;
    for (const Nominee& row : part) map_->prefetch_row(row.node);
    for (const Nominee& row : part) {
      const std::byte* packed = map_->packed(row.node);
      if (packed == nullptr) continue;
      prefetch_row(packed, sizeof(RowHead) + codes_->length);
      found[count++] = {0, row.node, packed};
    }
    compare(std::span(found).first(count));
    for (const Neighbour& row : std::span(found).first(count)) {
      known_.push_back(row.packed);
      if (row.distance <= cut_) starts_.push_back(row);
    }
    scanned_ += count;
  }
}

bool Walk::knows(const RowBlock& block) const noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(block.codes);
  const auto end = begin + block.count * block.stride;
  return std::ranges::any_of(known_, [&](const std::byte* packed) {
    const auto at = reinterpret_cast<std::uintptr_t>(codes_of(packed));
    return at >= begin && at < end;
  });
}

// Fills in the distances of at most kMaxLinks rows.
void Walk::compare(std::span<Neighbour> rows) {
  std::int32_t sums[kMaxLinks];
  std::int32_t dots[kMaxLinks];
  const std::int8_t* codes[kMaxLinks];
  for (std::size_t i = 0; i < rows.size(); ++i) {
    sums[i] = head_of(rows[i].packed).sum;
    codes[i] = codes_of(rows[i].packed);
  }
  simd::kernels().dot_i8_at(*codes_, codes, sums, rows.size(), dots);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const RowHead head = head_of(rows[i].packed);
    rows[i].distance = (*distance_)(head.scale, head.norm, dots[i]);
  }
}

// Keeps the nearest of the starts so far.
void Walk::tighten() {
  const std::size_t kept = std::min(starts_.size(), starts_for(limits_.rank));
  if (kept == starts_.size()) return;
  const auto last = starts_.begin() + static_cast<std::ptrdiff_t>(kept);
  std::ranges::nth_element(starts_, last, {}, &Neighbour::distance);
  cut_ = last->distance;
  starts_.erase(last, starts_.end());
}

void Walk::set_out() {
  tighten();
  for (const Neighbour& start : starts_) {
    // A tail's sample holds rows that may be met again as themselves.
    if (start.distance <= limit_ && visited_.insert(start.node)) consider(start);
  }
}

bool Walk::run() {
  set_out();
  under_way_ = true;
  while (!open_.empty() && open_.front().distance <= limit_) {
    if (walked_ > limits_.most_rows) return false;
    const Step step = open_.front();
    std::ranges::pop_heap(open_, kFarther);
    open_.pop_back();
    if (is_one_more_copy(step.distance)) continue;
    if (!open_.empty()) map_->prefetch_links(open_.front().node);  // the next, more often than not
    if (followed_ == 1 && ++idle_ > patience()) break;             // copies count once
    expand(step.node);
  }
  return true;
}

// Passes over the neighbours, so that the memory of all of them is on its way before the first is
// needed.
void Walk::expand(std::uint32_t node) {
  std::uint32_t nodes[kMaxLinks];
  Neighbour rows[kMaxLinks];
  std::size_t count = 0;
  const std::size_t linked = map_->links(node, nodes);
  const std::size_t bytes = sizeof(RowHead) + codes_->length;
  std::size_t fresh = 0;
  for (std::size_t i = 0; i < linked; ++i) {
    if (!visited_.insert(nodes[i])) continue;
    map_->prefetch_row(nodes[i]);
    nodes[fresh++] = nodes[i];
  }
  for (std::size_t i = 0; i < fresh; ++i) {
    const std::byte* packed = map_->packed(nodes[i]);
    if (packed == nullptr) continue;
    prefetch_row(packed, bytes);
    rows[count++] = {0, nodes[i], packed};
  }
  const auto met = std::span(rows).first(count);
  compare(met);
  walked_ += count;
  for (const Neighbour& row : met) {
    if (row.distance <= limit_) consider(row);
  }
}

void Walk::consider(const Neighbour& row) {
  map_->prefetch_links(row.node);  // followed soon, if at all
  open_.push_back({row.distance, row.node});
  std::ranges::push_heap(open_, kFarther);
  if (!map_->is_visible(head_of(row.packed), row.node)) return;
  found_.push_back(row);
  count(row.distance);
}

// Rows leave the heap by distance, so copies come one after another.
bool Walk::is_one_more_copy(float distance) {
  if (distance != last_distance_) {
    last_distance_ = distance;
    followed_ = 0;
  }
  return ++followed_ > limits_.copies;
}

bool Walk::is_counted_copy(float distance) const {
  return limits_.copies < limits_.rank &&
         std::ranges::count(nearest_, distance) >= static_cast<std::ptrdiff_t>(limits_.copies);
}

void Walk::count(float distance) {
  if (is_counted_copy(distance)) return;
  const bool nearer = keep_least(nearest_, limits_.rank, distance);
  const bool wider = limits_.width > limits_.rank && keep_least(wide_, limits_.width, distance);
  if (nearer) idle_ = 0;
  improved_ = improved_ || (nearer && under_way_);
  if ((nearer || wider) && nearest_.size() == limits_.rank) set_limit();
}

void Walk::set_limit() {
  const float distance = nearest_.front();
  limit_ = distance * (1 + limits_.slack);
  if (limits_.width > limits_.rank) {
    limit_ = wide_.size() < limits_.width ? std::numeric_limits<float>::infinity()
                                          : std::max(limit_, wide_.front());
  }
  if (limits_.blur != nullptr) limit_ += limits_.blur->of(distance);
}

}  // namespace aeon::engine
