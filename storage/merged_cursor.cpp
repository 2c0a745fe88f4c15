#include "storage/merged_cursor.hpp"

#include <cassert>
#include <utility>

#include "storage/key_order.hpp"

namespace aeon::storage {

void MergedCursor::reset(const RunSet& set) {
  count_ = set.sources().size();
  if (inputs_.size() < count_) inputs_.resize(count_);
  heap_.clear();
  heap_.reserve(count_);
  failed_ = false;
  for (std::size_t i = 0; i < count_; ++i) {
    const RunSet::Source& source = set.sources()[i];
    const auto* const tail = std::get_if<const RunTail*>(&source);
    inputs_[i].is_tail = tail != nullptr;
    if (tail != nullptr) {
      inputs_[i].tail = RunTail::Cursor(**tail);
    } else {
      inputs_[i].run.reset(std::get<RunReader>(source));
    }
  }
}

std::string_view MergedCursor::value() const noexcept {
  const Input& input = inputs_[heap_.front()];
  return input.is_tail ? input.tail.value() : input.run.value();
}

Status MergedCursor::status() const {
  if (!failed_) return {};
  return inputs_[failed_input_].run.status();
}

// Takes note of where the input stands; false when it stands at no entry.
bool MergedCursor::settle(Input& input) {
  const bool valid = input.is_tail ? input.tail.valid() : input.run.valid();
  if (valid) input.key = input.is_tail ? input.tail.key() : input.run.key();
  return valid;
}

bool MergedCursor::before(std::uint32_t a, std::uint32_t b) const noexcept {
  const int order = compare_keys(inputs_[a].key, inputs_[b].key);
  return order != 0 ? order < 0 : a < b;
}

void MergedCursor::sift_down(std::size_t at) noexcept {
  for (;;) {
    std::size_t least = at;
    for (std::size_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap_.size(); ++child) {
      if (before(heap_[child], heap_[least])) least = child;
    }
    if (least == at) return;
    std::swap(heap_[at], heap_[least]);
    at = least;
  }
}

void MergedCursor::find_failure() noexcept {
  failed_ = false;
  for (std::size_t i = 0; i < count_ && !failed_; ++i) {
    if (inputs_[i].is_tail || inputs_[i].run.status()) continue;
    failed_ = true;
    failed_input_ = i;
  }
}

// Moves every input and orders them anew.
template <typename Move>
void MergedCursor::place(Move move) {
  heap_.clear();
  for (std::size_t i = 0; i < count_; ++i) {
    Input& input = inputs_[i];
    if (input.is_tail) {
      move(input.tail);
    } else {
      move(input.run);
    }
    if (settle(input)) heap_.push_back(static_cast<std::uint32_t>(i));
  }
  for (std::size_t at = heap_.size() / 2; at-- > 0;) sift_down(at);
  find_failure();
}

void MergedCursor::seek_first() {
  place([](auto& cursor) { cursor.seek_first(); });
}

void MergedCursor::seek(std::string_view key) {
  place([key](auto& cursor) { cursor.seek(key); });
}

// Moves the input at that place of the heap to its next entry.
void MergedCursor::advance(std::size_t at) {
  Input& input = inputs_[heap_[at]];
  if (input.is_tail) {
    input.tail.next();
  } else {
    input.run.next();
  }
  if (!settle(input)) {
    if (!input.is_tail && !input.run.status() && !failed_) {
      failed_ = true;
      failed_input_ = heap_[at];
    }
    heap_[at] = heap_.back();
    heap_.pop_back();
  }
  sift_down(at);
}

void MergedCursor::next() {
  assert(valid());
  // Copies of the current entry in older sources stand right below the top of the heap.
  const std::string_view current = key();
  for (std::size_t child = 1; child <= 2 && child < heap_.size();) {
    if (inputs_[heap_[child]].key == current) {
      advance(child);
    } else {
      ++child;
    }
  }
  advance(0);
}

void MergedCursor::skip_damage() {
  assert(failed_);
  Input& input = inputs_[failed_input_];
  input.run.skip_block();
  if (settle(input)) {
    heap_.push_back(static_cast<std::uint32_t>(failed_input_));
    for (std::size_t at = heap_.size() / 2; at-- > 0;) sift_down(at);
  }
  find_failure();
}

}  // namespace aeon::storage
