// Hyperedges that grow by merging, after HGMem: a hyperedge ties any number of entities
// together and says what they have to do with each other. It is a memory with `member` edges. Two
// that share a member become one, in one commit, so no reader ever sees both or neither.
#include <set>

#include "examples/recipe.hpp"

using namespace recipe;

namespace {

using Members = std::set<aeon::MemoryId>;

aeon::MemoryId tie(aeon::Palace& palace, const std::string& says, const Members& members) {
  aeon::Batch batch;
  const aeon::MemoryRef edge = batch.remember({.kind = "hyperedge", .content = says});
  for (const aeon::MemoryId member : members) {
    batch.link({.from = edge, .to = aeon::MemoryRef::of(member), .type = "member"});
  }
  return must(palace.commit(std::move(batch))).ids[0];
}

Members members_of(const aeon::Snapshot& snapshot, aeon::MemoryId hyperedge) {
  std::vector<aeon::Edge> edges;
  must(snapshot.neighbours(hyperedge, aeon::Direction::out, "member", 1000, edges));
  Members members;
  for (const aeon::Edge& edge : edges) members.insert(edge.to);
  return members;
}

// Where `a` and `b` were is one that says both; they are readable as of before.
aeon::MemoryId merge(aeon::Palace& palace, aeon::MemoryId a, aeon::MemoryId b) {
  const aeon::Snapshot now = palace.snapshot();
  Members members = members_of(now, a);
  members.merge(members_of(now, b));
  aeon::Batch batch;
  const aeon::MemoryRef merged = batch.remember(
      {.kind = "hyperedge", .content = get(now, a).content + " " + get(now, b).content});
  for (const aeon::MemoryId member : members) {
    batch.link({.from = merged, .to = aeon::MemoryRef::of(member), .type = "member"});
  }
  batch.forget(a, get(now, a).version);  // not if somebody changed it meanwhile
  batch.forget(b, get(now, b).version);
  return must(palace.commit(std::move(batch))).ids[0];
}

}  // namespace

int main(int argc, char** argv) {
  aeon::Palace palace = new_palace(argc, argv);
  const auto entity = [&](const char* name) {
    return remember(palace, {.kind = "entity", .content = name});
  };
  const aeon::MemoryId anna = entity("Anna");
  const aeon::MemoryId ship = entity("the ship Aurora");
  const aeon::MemoryId harbour = entity("the harbour of Riga");
  const aeon::MemoryId letter = entity("the letter of 1911");
  const aeon::MemoryId sailed =
      tie(palace, "Anna sailed on the Aurora to Riga.", {anna, ship, harbour});
  const aeon::MemoryId wrote =
      tie(palace, "Anna describes the crossing in a letter.", {anna, letter});
  merge(palace, sailed, wrote);

  // From the letter over its hyperedge to everything that it has to do with.
  const aeon::Snapshot now = palace.snapshot();
  std::vector<aeon::Edge> in;
  must(now.neighbours(letter, aeon::Direction::in, "member", 10, in));
  if (in.size() != 1) return 1;
  const Members members = members_of(now, in[0].from);
  std::printf("one hyperedge of %zu members: %s\n", members.size(),
              get(now, in[0].from).content.c_str());
  for (const aeon::MemoryId member : members)
    std::printf("  %s\n", get(now, member).content.c_str());
  return members == Members{anna, ship, harbour, letter} ? 0 : 1;
}
