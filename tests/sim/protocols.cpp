#include "tests/sim/protocols.hpp"

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <set>

#include "storage/epoch_domain.hpp"
#include "storage/held_pointer.hpp"
#include "storage/published_count.hpp"
#include "storage/run_tail_insert.hpp"
#include "storage/sequence.hpp"
#include "tests/sim/sim_atomics.hpp"

namespace aeon::test {

namespace {

using Record = Plain<int>;

// What an object of the library would be: found by an atomic pointer, destroyed by the epochs.
struct Object {
  Record record{"object"};
};

void destroy(void* object) noexcept { static_cast<Object*>(object)->record.destroy(); }

// Domains, and at the end the slots that the process keeps between them.
template <typename Atomics>
class Domains {
 public:
  using Domain = storage::BasicEpochDomain<Atomics>;
  Domains() = default;
  ~Domains() {
    first.reset();
    second.reset();
    auto& all = storage::epoch_domain::Shared<Atomics>::all_slots;
    for (auto* slot = all.load(std::memory_order_relaxed); slot != nullptr;) {
      auto* const next = slot->next;
      delete slot;
      slot = next;
    }
    all.store(nullptr, std::memory_order_relaxed);
  }
  Domains(const Domains&) = delete;
  Domains& operator=(const Domains&) = delete;

  std::optional<Domain> first{std::in_place};
  std::optional<Domain> second{std::in_place};
};

// A place that points to an object, which writers replace.
template <typename Atomics>
struct Stage : Domains<Atomics> {
  typename Atomics::template Atomic<Object*> place{nullptr};
  std::vector<std::unique_ptr<Object>> objects;  // all there ever were

  Stage() { place.store(make(), std::memory_order_relaxed); }
  Object* make() {
    objects.push_back(std::make_unique<Object>());
    objects.back()->record.set(1);
    return objects.back().get();
  }
  void look() { (void)place.load(std::memory_order_acquire)->record.get(); }
  void replace() {
    Object* const old = place.exchange(make(), std::memory_order_acq_rel);
    (void)old->record.get();
    this->first->retire(old, destroy, 1);
  }
};

// Two sections a reader, the second with a section inside.
template <typename Atomics>
void read_and_replace(Machine& machine) {
  Stage<Atomics> stage;
  for (int reader = 0; reader < 2; ++reader) {
    machine.spawn([&] {
      {
        const auto guard = stage.first->enter();
        stage.look();
      }
      const auto outer = stage.first->enter();
      Object* const object = stage.place.load(std::memory_order_acquire);
      {
        const auto inner = stage.first->enter();
        stage.look();
      }
      (void)object->record.get();
    });
  }
  machine.spawn([&] {
    for (int i = 0; i < 2; ++i) {
      stage.replace();
      stage.first->try_reclaim();
    }
  });
  machine.run();
}

template <typename Atomics>
void two_writers(Machine& machine) {
  Stage<Atomics> stage;
  machine.spawn([&] {
    const auto guard = stage.first->enter();
    stage.look();
  });
  for (int writer = 0; writer < 2; ++writer) {
    machine.spawn([&] {
      stage.replace();
      stage.first->try_reclaim();
    });
  }
  machine.run();
}

// The slot of a thread that ended goes to one that reads another domain.
template <typename Atomics>
void two_domains(Machine& machine) {
  Stage<Atomics> stage;
  machine.spawn([&] {
    const auto guard = stage.first->enter();
    stage.look();
  });
  machine.spawn([&] {
    {
      const auto other = stage.second->enter();
    }
    const auto guard = stage.first->enter();
    stage.look();
  });
  machine.spawn([&] {
    stage.replace();
    stage.first->try_reclaim();
    stage.first->try_reclaim();
  });
  machine.run();
}

// Readers that get no slot.
template <typename Atomics>
void counted_readers(Machine& machine) {
  Stage<Atomics> stage;
  for (int reader = 0; reader < 2; ++reader) {
    machine.spawn([&] {
      Atomics::template local<storage::EpochThread<Atomics>>().ended = true;
      const auto outer = stage.first->enter();
      {
        const auto inner = stage.first->enter();
      }
      stage.look();
    });
  }
  machine.spawn([&] {
    stage.replace();
    stage.first->try_reclaim();
    stage.first->try_reclaim();
  });
  machine.run();
}

// Held objects. What they are made of stays until the end of the run, so that a hold that comes too
// late finds a destroyed record and not somebody else's memory.
template <typename Atomics>
struct Held {
  explicit Held(Record& record) : record_(record) { record_.set(1); }
  ~Held() { record_.destroy(); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  static void operator delete(void* memory) { graveyard().insert(memory); }
  // A set: what is deleted twice is found out by its record, and freed once.
  static std::set<void*>& graveyard() {
    static std::set<void*> memory;
    return memory;
  }
  static void bury() {
    for (void* memory : graveyard()) ::operator delete(memory);
    graveyard().clear();
  }

  [[nodiscard]] const storage::BasicHoldCount<Atomics>& holds() const noexcept { return holds_; }
  [[nodiscard]] int look() const { return record_.get(); }

 private:
  storage::BasicHoldCount<Atomics> holds_;
  Record& record_;
};

template <typename Atomics>
void hold_and_publish(Machine& machine) {
  using Pointer = storage::BasicHeldPointer<Held<Atomics>, Atomics>;
  std::vector<std::unique_ptr<Record>> records;
  {
    Domains<Atomics> domains;
    Pointer newest;
    const auto publish = [&] {
      records.push_back(std::make_unique<Record>("held object"));
      newest.publish(std::make_unique<Held<Atomics>>(*records.back()), *domains.first);
    };
    publish();
    for (int reader = 0; reader < 2; ++reader) {
      machine.spawn([&] {
        const Held<Atomics>* const object = newest.hold(*domains.first);
        (void)object->look();
        newest.drop(object);
      });
    }
    machine.spawn([&] {
      for (int i = 0; i < 2; ++i) {
        publish();
        domains.first->try_reclaim();
        newest.sweep();
      }
    });
    machine.run();
    newest.clear();
  }
  Held<Atomics>::bury();
}

// Rows in chunks, as engine/row_tail.hpp keeps them.
template <typename Atomics>
struct Rows {
  static constexpr std::size_t kChunk = 2;
  struct Chunk {
    std::array<Record, kChunk> rows{Record{"row"}, Record{"row"}};
    Plain<Chunk*> next{"chunk link"};
  };
  std::vector<std::unique_ptr<Chunk>> chunks;
  Plain<Chunk*> first{"first chunk"};
  storage::BasicPublishedCount<std::uint64_t, Atomics> count;

  void append(int value) {
    const std::uint64_t row = count.own();
    if (row % kChunk == 0) {
      chunks.push_back(std::make_unique<Chunk>());
      if (chunks.size() == 1) {
        first.set(chunks.back().get());
      } else {
        chunks[chunks.size() - 2]->next.set(chunks.back().get());
      }
    }
    chunks.back()->rows[row % kChunk].set(value);
    count.publish_next();
  }
  // How many rows have a value of at most `commit`.
  [[nodiscard]] int seen(int commit) const {
    int found = 0;
    std::uint64_t left = count.load();
    const Chunk* chunk = left == 0 ? nullptr : first.get();
    while (left > 0) {
      const std::uint64_t rows = std::min<std::uint64_t>(left, kChunk);
      for (std::uint64_t i = 0; i < rows; ++i) found += chunk->rows[i].get() <= commit ? 1 : 0;
      left -= rows;
      if (left > 0) chunk = chunk->next.get();
    }
    return found;
  }
};

template <typename Atomics>
void append_rows(Machine& machine) {
  Rows<Atomics> rows;
  typename Atomics::template Atomic<int> visible{0};
  for (int reader = 0; reader < 2; ++reader) {
    machine.spawn([&] {
      const int commit = visible.load(std::memory_order_acquire);
      if (rows.seen(commit) != commit) machine.fail("a committed row is missing");
    });
  }
  machine.spawn([&] {
    for (int commit = 1; commit <= 3; ++commit) {
      rows.append(commit);
      visible.store(commit, std::memory_order_release);
    }
  });
  machine.run();
}

// A view as a snapshot reads it: what is settled, and tails after it.
template <typename Atomics>
struct View : Held<Atomics> {
  View(Record& record, int settled_commits, std::vector<std::shared_ptr<Rows<Atomics>>> rows)
      : Held<Atomics>(record), settled(settled_commits), tails(std::move(rows)) {}
  static void operator delete(void* memory) { Held<Atomics>::graveyard().insert(memory); }
  [[nodiscard]] int commits(int commit) const {
    int found = std::min(settled, commit);
    for (const auto& tail : tails) found += tail->seen(commit);
    return found;
  }
  const int settled;
  const std::vector<std::shared_ptr<Rows<Atomics>>> tails;
};

enum class Order : std::uint8_t { commit_first, view_first };

// Commits 1 to 3 with a rotation after the second, which is settled at last.
template <typename Atomics>
void snapshot(Machine& machine, Order order) {
  using Tails = std::vector<std::shared_ptr<Rows<Atomics>>>;
  using Pointer = storage::BasicHeldPointer<View<Atomics>, Atomics>;
  std::vector<std::unique_ptr<Record>> records;
  std::vector<Tails> kept;  // a view's memory may be read after its end
  {
    Domains<Atomics> domains;
    Pointer newest;
    typename Atomics::template Atomic<int> visible{0};
    const auto publish = [&](int settled, Tails tails) {
      records.push_back(std::make_unique<Record>("view"));
      kept.push_back(tails);
      newest.publish(std::make_unique<View<Atomics>>(*records.back(), settled, std::move(tails)),
                     *domains.first);
      domains.first->try_reclaim();
      newest.sweep();
    };
    const auto first = std::make_shared<Rows<Atomics>>();
    const auto second = std::make_shared<Rows<Atomics>>();
    publish(0, {first});
    machine.spawn([&] {
      int commit = visible.load(std::memory_order_acquire);
      const View<Atomics>* const view = newest.hold(*domains.first);
      if (order == Order::view_first) commit = visible.load(std::memory_order_acquire);
      (void)view->look();
      if (view->commits(commit) != commit) machine.fail("a snapshot lacks a commit");
      newest.drop(view);
    });
    machine.spawn([&] {
      for (int commit = 1; commit <= 2; ++commit) {
        first->append(commit);
        visible.store(commit, std::memory_order_release);
      }
      publish(0, {first, second});
      second->append(3);
      visible.store(3, std::memory_order_release);
      publish(2, {second});
    });
    machine.run();
    newest.clear();
  }
  Held<Atomics>::bury();
}

// Keys out of order, so that links of every kind are set; each value leads to a record.
template <typename Atomics>
void insert_keys(Machine& machine) {
  constexpr std::array<const char*, 4> kKeys = {"c", "a", "d", "b"};
  storage::BasicRunTail<Atomics> tail(1 << 16);
  std::array<Record, 4> records{Record{"c"}, Record{"a"}, Record{"d"}, Record{"b"}};
  typename Atomics::template Atomic<std::uint64_t> visible{0};
  using Cursor = typename storage::BasicRunTail<Atomics>::Cursor;
  const auto record_at = [](const Cursor& cursor) {
    Record* record = nullptr;
    std::memcpy(&record, cursor.value().data(), sizeof record);
    return record;
  };
  machine.spawn([&] {
    const std::uint64_t count = visible.load(std::memory_order_acquire);
    Cursor cursor(tail);
    std::uint64_t met = 0;
    std::string_view before;
    for (cursor.seek_first(); cursor.valid(); cursor.next()) {
      if (cursor.key() <= before) machine.fail("keys out of order");
      before = cursor.key();
      (void)record_at(cursor)->get();
      ++met;
    }
    if (met < count) machine.fail("a visible key is not met");
  });
  machine.spawn([&] {
    const std::uint64_t count = visible.load(std::memory_order_acquire);
    for (std::uint64_t i = 0; i < count; ++i) {
      Cursor cursor(tail);
      cursor.seek(kKeys[i]);
      if (!cursor.valid() || cursor.key() != kKeys[i]) {
        machine.fail("a visible key is not found");
        return;
      }
      (void)record_at(cursor)->get();
    }
  });
  machine.spawn([&] {
    for (std::size_t i = 0; i < kKeys.size(); ++i) {
      records[i].set(1);
      Record* const record = &records[i];
      const auto* const value = reinterpret_cast<const char*>(&record);
      if (!tail.insert(kKeys[i], {value, sizeof record})) machine.fail("an insert failed");
      visible.store(i + 1, std::memory_order_release);
    }
  });
  machine.run();
}

// Two writers, of which one may find the other at work, and readers that copy two words.
template <typename Atomics>
void copy_words(Machine& machine) {
  using Sequence = storage::BasicSequence<Atomics>;
  Sequence sequence;
  typename Sequence::Word first{0};
  typename Sequence::Word second{0};
  for (int reader = 0; reader < 2; ++reader) {
    machine.spawn([&] {
      const auto before = sequence.begin_read();
      if (!before) return;
      const std::uint64_t one = Sequence::read(first);
      const std::uint64_t other = Sequence::read(second);
      if (sequence.valid(*before) && one != other) machine.fail("a torn copy passes for valid");
    });
  }
  for (std::uint64_t writer = 1; writer <= 2; ++writer) {
    machine.spawn([&, writer] {
      if (!sequence.try_begin_write()) return;
      Sequence::write(first, writer);
      Sequence::write(second, writer);
      sequence.end_write();
    });
  }
  machine.run();
}

using Raised = SimAtomics<true>;
using Plainly = SimAtomics<false>;

}  // namespace

const std::vector<Protocol>& protocols() {
  static const std::vector<Protocol> all = {
      {"epoch", read_and_replace<Raised>},
      {"epoch without a process fence", read_and_replace<Plainly>},
      {"epoch, two writers", two_writers<Raised>},
      {"epoch, two domains", two_domains<Raised>},
      {"epoch, readers without a slot", counted_readers<Raised>},
      {"held pointer", hold_and_publish<Raised>},
      {"rows", append_rows<Raised>},
      {"snapshot", [](Machine& machine) { snapshot<Raised>(machine, Order::commit_first); }},
      {"run tail", insert_keys<Raised>},
      {"sequence", copy_words<Raised>},
  };
  return all;
}

Scenario snapshot_in_the_wrong_order() {
  return [](Machine& machine) { snapshot<Raised>(machine, Order::view_first); };
}

}  // namespace aeon::test
