#include "tests/model/batch_maker.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

namespace aeon::test {

namespace {

constexpr const char* kWords[] = {"key",  "flower", "pot",   "train", "Lyon", "leaves",
                                  "nine", "blue",   "under", "spare", "Ada",  "ten"};
constexpr const char* kTenants[] = {"acme", "zoo"};
constexpr const char* kKinds[] = {"fact", "event", "note"};
constexpr const char* kTypes[] = {"refers_to", "mentions", "next", "likes"};

}  // namespace

std::vector<SpaceSpec> BatchMaker::spaces() {
  std::vector<SpaceSpec> specs = {
      {.name = "c", .dimension = 8, .metric = Metric::cosine, .model = ""},
      {.name = "l",
       .dimension = 5,
       .metric = Metric::l2,
       .precision = Precision::float32,
       .model = "m"},
      {.name = "d",
       .dimension = 16,
       .metric = Metric::dot,
       .precision = Precision::int8,
       .model = ""}};
  if (pick(2) == 0) {
    specs.push_back(
        {.name = "text", .dimension = kLexicalDimension, .model = std::string(kLexicalModel)});
  }
  return specs;
}

Batch BatchMaker::next(const Model& model) {
  Batch batch;
  made_ = 0;
  const unsigned operations = pick(6) == 0 ? 1 + pick(12) : 1 + pick(3);
  for (unsigned i = 0; i < operations; ++i) add_good(model, batch);
  if (settings_.refused_in != 0 && pick(settings_.refused_in) == 0) add_bad(model, batch);
  return batch;
}

// What is good by itself; two changes of one memory may still have the batch refused.
void BatchMaker::add_good(const Model& model, Batch& batch) {
  const bool full = model.memories.size() > settings_.memories;
  const unsigned choice = pick(100);
  if (choice < 3 && model.spaces.size() < 12) {
    if (choice == 0 && model.lexical() == nullptr) {
      batch.create_space({.name = fmt::format("lexical{}", random_() % 1'000'000),
                          .dimension = kLexicalDimension,
                          .model = std::string(kLexicalModel)});
    } else {
      batch.create_space({.name = fmt::format("s{}", random_() % 1'000'000),
                          .dimension = 1 + pick(40),
                          .metric = static_cast<Metric>(1 + pick(3)),
                          .precision = static_cast<Precision>(1 + pick(3)),
                          .model = pick(2) == 0 ? "" : "m"});
    }
  } else if (choice < 6) {
    batch.create_tenant(kTenants[pick(2)]);
  } else if (choice < 16 && !model.memories.empty()) {
    batch.supersede(any_of(model.memories).first, revision(model));
  } else if (choice < (full ? 55 : 24) && !model.memories.empty()) {
    const MemoryId id = any_of(model.memories).first;
    if (settings_.erase_in != 0 && pick(settings_.erase_in) == 0) {
      batch.erase(id);
    } else {
      batch.forget(id);
    }
    constexpr TimeNs kKeep[] = {0, 0, 1'000'000, kDefaultHistory, kEndOfTime};
    if (settings_.erase_in != 0 && pick(40) == 0) batch.set_history(kKeep[pick(5)]);
  } else if (choice < 65 && !model.memories.empty()) {
    add_edge(model, batch);
  } else {
    ++made_;
    batch.remember(memory(model));
  }
}

// A memory of the batch, or one that was there.
MemoryRef BatchMaker::anyone(const Model& model) {
  if (made_ > 0 && (model.memories.empty() || pick(2) == 0)) return {0, pick(made_)};
  return model.memories.empty() ? MemoryRef{1, 0} : MemoryRef::of(any_of(model.memories).first);
}

void BatchMaker::add_edge(const Model& model, Batch& batch) {
  if (pick(3) == 0 && !model.edges.empty()) {
    const auto& [from, type, to] = any_of(model.edges).first;
    batch.unlink(MemoryRef::of(from), MemoryRef::of(to), type);
    return;
  }
  NewEdge edge;
  edge.from = anyone(model);
  edge.to = anyone(model);
  const ModelMemory* from = model.find(edge.from.id);
  const ModelMemory* to = model.find(edge.to.id);
  // Between tenants it is refused, which is to happen now and then only.
  const bool crosses = from != nullptr && to != nullptr && from->memory.tenant != to->memory.tenant;
  if (crosses && pick(10) != 0) return;
  edge.type = kTypes[pick(4)];
  if (pick(2) == 0) edge.weight = static_cast<float>(pick(1000)) / 7;
  if (pick(3) == 0) edge.valid_from = pick(100);
  if (pick(3) == 0) edge.valid_to = 100 + pick(100);
  batch.link(edge);
}

TimeNs BatchMaker::time() {
  const unsigned choice = pick(40);
  if (choice == 0) return kBeginningOfTime;
  return choice == 1 ? kEndOfTime : static_cast<TimeNs>(pick(1000));
}

std::string BatchMaker::content() {
  std::string text;
  unsigned words = pick(4) == 0 ? 20 + pick(100) : pick(8);
  if (pick(settings_.large_in) == 0) words = 8000;
  for (unsigned i = 0; i < words; ++i) text.append(kWords[pick(12)]).append(1, " .-"[pick(3)]);
  return words == 0 && pick(2) == 0 ? "... !" : text;
}

NewVector BatchMaker::vector(const SpaceSpec& spec) {
  std::normal_distribution<float> normal;
  NewVector vector{spec.name, std::vector<float>(spec.dimension), spec.model};
  const unsigned shape = pick(20);
  const float scale = shape == 0 ? 1e-12F : shape == 1 ? 1e12F : 1.0F;
  for (float& value : vector.values) value = scale * normal(random_);
  // Copies of each other, for ties; and zero, where the metric allows it.
  if (shape == 2) std::ranges::fill(vector.values, 0.25F);
  if (shape == 3 && spec.metric != Metric::cosine) std::ranges::fill(vector.values, 0.0F);
  return vector;
}

NewMemory BatchMaker::plain(const Model& model) {
  NewMemory memory;
  memory.kind = kKinds[pick(3)];
  memory.content = content();
  if (pick(5) == 0) {
    memory.content_type = ContentType::bytes;
    memory.content.append("\xff\0\x80", 3);
  }
  if (pick(2) == 0) {
    memory.metadata = fmt::format(R"({{"page": {}, "tag": "{}"}})", pick(9), "abc"[pick(3)]);
  }
  for (const SpaceSpec& spec : model.spaces) {
    if (pick(2) == 0) memory.vectors.push_back(vector(spec));
  }
  std::ranges::shuffle(memory.vectors, random_);
  if (settings_.times || pick(3) != 0) memory.event_time = time();
  if (pick(4) == 0) memory.valid_from = pick(100);
  if (pick(4) == 0) memory.valid_to = 100 + pick(100);
  // Far off: what expires by itself is tested elsewhere.
  if (pick(6) == 0) memory.expires = 4'000'000'000'000'000'000 + static_cast<TimeNs>(pick(1000));
  if (pick(3) == 0) memory.importance = static_cast<float>(pick(101)) / 100;
  memory.embed = pick(4) != 0;
  return memory;
}

NewMemory BatchMaker::memory(const Model& model) {
  NewMemory memory = plain(model);
  if (!model.tenants.empty() && pick(3) == 0) memory.tenant = any_of(model.tenants);
  if (pick(2) == 0) memory.session.assign(1, static_cast<char>('p' + pick(4)));
  if (pick(50) == 0) memory.wanted_id = model.next_id + 100 + pick(1000);
  if (pick(2) == 0) return memory;
  memory.key = fmt::format("k{}", pick(12));
  const MemoryId owner = model.find_key(memory.tenant, memory.key);
  // Whoever revises a memory through its key says its session right, or nothing.
  if (owner != 0 && !memory.session.empty()) memory.session = model.find(owner)->memory.session;
  const unsigned mode = pick(8);
  if (mode == 0 && owner == 0) memory.mode = PutMode::if_absent;
  if (mode == 1) {
    memory.mode = PutMode::if_version;
    memory.expected_version = owner == 0 ? 0 : model.find(owner)->memory.version;
  }
  return memory;
}

NewMemory BatchMaker::revision(const Model& model) { return plain(model); }

void BatchMaker::add_bad(const Model& model, Batch& batch) {
  switch (pick(3)) {
    case 0: return add_bad_memory(model, batch);
    case 1: return add_bad_vector(model, batch);
    default: return add_bad_reference(model, batch);
  }
}

void BatchMaker::add_bad_memory(const Model& model, Batch& batch) {
  NewMemory bad = memory(model);
  switch (pick(12)) {
    case 0: bad.key.assign(1025, 'k'); break;
    case 1: bad.key.clear(), bad.mode = PutMode::if_absent; break;
    case 2: bad.content = "a\xff", bad.content_type = ContentType::text; break;
    case 3: bad.metadata = "[1]"; break;
    case 4: bad.metadata = R"({"page": )"; break;
    case 5: bad.importance = pick(2) == 0 ? 1.5F : std::numeric_limits<float>::quiet_NaN(); break;
    case 6: bad.valid_from = 300, bad.valid_to = 2; break;
    case 7: bad.kind.clear(); break;
    case 8: bad.tenant = "nobody"; break;
    case 9: bad.session.assign(256, 's'); break;
    case 10: bad.content.assign(262'145, 'a'); break;
    default: bad.key = "k\xff"; break;
  }
  batch.remember(std::move(bad));
}

void BatchMaker::add_bad_vector(const Model& model, Batch& batch) {
  NewMemory bad = memory(model);
  const SpaceSpec& spec = model.spaces[pick(model.spaces.size())];
  bad.vectors = {vector(spec)};
  std::vector<float>& values = bad.vectors[0].values;
  switch (pick(8)) {
    case 0: values.push_back(1); break;
    case 1: values[pick(values.size())] = std::numeric_limits<float>::quiet_NaN(); break;
    case 2: values[pick(values.size())] = -std::numeric_limits<float>::infinity(); break;
    case 3: std::ranges::fill(values, spec.metric == Metric::cosine ? 0.0F : 1e20F); break;
    case 4: std::ranges::fill(values, 1e-20F); break;
    case 5: bad.vectors[0].space = "nowhere"; break;
    case 6: bad.vectors[0].model = "another"; break;
    default: bad.vectors.push_back(vector(spec)); break;
  }
  batch.remember(std::move(bad));
}

// What names something that is not there, or not as it says.
void BatchMaker::add_bad_reference(const Model& model, Batch& batch) {
  const MemoryId unknown = model.next_id + 50;
  const MemoryId known = model.memories.empty() ? unknown : any_of(model.memories).first;
  switch (pick(14)) {
    case 0: batch.forget(unknown); break;
    case 1: batch.supersede(unknown, revision(model)); break;
    case 2: batch.supersede(known, revision(model), model.commit + 7); break;
    case 3: batch.forget(known), batch.forget(known); break;
    case 4: batch.link({.from = anyone(model), .to = MemoryRef::of(unknown), .type = "x"}); break;
    case 5: batch.link({.from = anyone(model), .to = {0, made_ + 3}, .type = "x"}); break;
    case 6: batch.unlink(anyone(model), anyone(model), "never"); break;
    case 7: batch.create_space(model.spaces[pick(model.spaces.size())]); break;
    case 8: batch.create_space({.name = "huge", .dimension = pick(2) == 0 ? 0U : 4097U}); break;
    case 9: batch.link({.from = anyone(model), .to = anyone(model), .type = ""}); break;
    case 10: {
      NewMemory again = plain(model);
      again.wanted_id = known;
      batch.remember(std::move(again));
      break;
    }
    case 11: {
      NewMemory moved = revision(model);
      moved.session = "elsewhere";
      batch.supersede(known, std::move(moved));
      break;
    }
    case 12: {
      NewMemory renamed = revision(model);
      renamed.key = "another";
      batch.supersede(known, std::move(renamed));
      break;
    }
    default: {
      NewMemory absent = plain(model);
      absent.mode = PutMode::if_absent;
      absent.key = "k1";
      batch.remember(absent);
      batch.remember(absent);
      break;
    }
  }
}

}  // namespace aeon::test
