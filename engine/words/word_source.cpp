#include "engine/words/word_source.hpp"

#include <algorithm>

namespace aeon::engine {

std::optional<WordSource> source_of(const SegmentView& segment, CommitNumber commit,
                                    bool& damaged) noexcept {
  const WordSegment& words = segment.words();
  if (words.empty()) return {};
  const std::uint32_t limit = words.documents_before(commit, damaged);
  if (limit <= words.first()) return {};
  return WordSource{&segment, nullptr, words.first(), limit};
}

std::optional<WordSource> source_of(const Tail& tail, CommitNumber commit) noexcept {
  const WordTail& words = tail.words();
  if (words.count() == 0) return {};
  const std::uint32_t limit = words.documents_before(commit);
  if (limit <= words.first()) return {};
  return WordSource{nullptr, &tail, words.first(), limit};
}

bool PostingCursor::open(const WordSource& source, std::uint32_t tenant, std::string_view term,
                         bool& damaged) {
  chain_ = nullptr;
  lists_.clear();
  places_.clear();
  block_ = 0;
  unpacked_ = UINT32_MAX;
  looked_at_ = 0;
  return source.tail != nullptr ? open_chain(source.tail->words(), tenant, term)
                                : open_lists(*source.segment, tenant, term, damaged);
}

bool PostingCursor::open_chain(const WordTail& tail, std::uint32_t tenant, std::string_view term) {
  chain_ = tail.find(tenant, term);
  if (chain_ == nullptr) return false;
  std::uint32_t left = chain_->count();
  for (const PostingChain::Chunk* chunk = chain_->first(); left > 0; chunk = chunk->next) {
    const std::uint32_t size = std::min(left, chunk->capacity);
    const Posting* postings = chunk->postings();
    // Relaxed: the count was loaded before, see PostingChain::Chunk.
    places_.push_back({.size = size,
                       .chunk = chunk,
                       .bound = {postings[0].document, postings[size - 1].document,
                                 chunk->most.load(std::memory_order_relaxed),
                                 chunk->shortest.load(std::memory_order_relaxed)}});
    left -= size;
  }
  return true;
}

bool PostingCursor::open_lists(const SegmentView& segment, std::uint32_t tenant,
                               std::string_view term, bool& damaged) {
  thread_local storage::RunCursor cursor;
  thread_local std::string key;
  if (segment.words().empty()) return false;
  term_key(key, tenant, term);
  cursor.reset(segment.run());
  for (cursor.seek(key); cursor.valid() && cursor.key().starts_with(key); cursor.next()) {
    const auto list = PostingList::open(cursor.value());
    if (!list || cursor.key().size() != key.size() + kTermKeyTail) {
      damaged = true;
      continue;
    }
    const auto index = static_cast<std::uint32_t>(lists_.size());
    lists_.push_back(*list);
    if (!list->has_heads()) {
      Place place;
      place.list = index;
      place.size = list->postings();
      unpacked_ = UINT32_MAX;
      if (!list->unpack(0, block_data_)) {
        damaged = true;
        continue;
      }
      place.bound = {block_data_.documents[0], block_data_.documents[block_data_.size - 1],
                     *std::max_element(block_data_.counts.begin(),
                                       block_data_.counts.begin() + block_data_.size),
                     0};
      unpacked_ = static_cast<std::uint32_t>(places_.size());
      places_.push_back(place);
      continue;
    }
    for (std::uint32_t block = 0; block < list->blocks(); ++block) {
      const PostingBlockHead head = list->head(block);
      places_.push_back(
          {.list = index,
           .block = block,
           .size = std::min(kBlockPostings, list->postings() - block * kBlockPostings),
           .bound = {head.first, head.last, head.most, head.shortest}});
    }
  }
  damaged = damaged || !cursor.status();
  return !places_.empty();
}

void PostingCursor::skip_to(std::uint32_t document) noexcept {
  if (!valid() || places_[block_].bound.last >= document) return;
  // Mostly the next one or the one after it; else by halves.
  std::uint32_t step = 1;
  std::uint32_t low = block_ + 1;
  while (low + step < places_.size() && places_[low + step - 1].bound.last < document) {
    low += step;
    step *= 2;
  }
  const auto end =
      places_.begin() + std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(low) + step,
                                                 static_cast<std::ptrdiff_t>(places_.size()));
  const auto at = std::lower_bound(
      places_.begin() + low, end, document,
      [](const Place& place, std::uint32_t wanted) { return place.bound.last < wanted; });
  block_ = static_cast<std::uint32_t>(at - places_.begin());
}

const UnpackedBlock* PostingCursor::unpack(std::uint32_t block, bool& damaged) noexcept {
  if (unpacked_ == block) return &block_data_;
  const Place& place = places_[block];
  looked_at_ += kBlockPostings;
  if (place.chunk != nullptr) {
    const Posting* postings = place.chunk->postings();
    for (std::uint32_t i = 0; i < place.size; ++i) {
      block_data_.documents[i] = postings[i].document;
      block_data_.counts[i] = postings[i].count;
      lengths_[i] = postings[i].length;
    }
    block_data_.size = place.size;
  } else if (!lists_[place.list].unpack(place.block, block_data_)) {
    damaged = true;
    unpacked_ = UINT32_MAX;
    return nullptr;
  }
  unpacked_ = block;
  return &block_data_;
}

}  // namespace aeon::engine
