// Thoughts instead of turns, after Think-in-Memory (Liu et al. 2023): what is kept is not what was
// said but what was concluded of it. New thoughts are inserted beside those like them; one that is
// refuted is forgotten; those that say the same of the same are merged into one that names its
// sources. The paper's model decides what refutes what; here the caller does.
#include "examples/recipe.hpp"

using namespace recipe;

namespace {

std::string about_json(const std::string& about, const std::string& more = "") {
  std::string json = "{\"about\":\"";
  json.append(about).append("\"").append(more).append("}");
  return json;
}

aeon::MemoryId think(aeon::Palace& palace, const std::string& about, const std::string& thought) {
  return remember(palace, {.kind = "thought", .content = thought, .metadata = about_json(about)});
}

// All thoughts about something, nearest to the question first.
std::vector<aeon::Hit> thoughts(const aeon::Snapshot& snapshot, const std::string& about,
                                const std::string& question) {
  const std::string filter = about_json(about);
  return recall(snapshot,
                {.space = "text", .text = question, .k = 100, .kind = "thought", .filter = filter});
}

// One commit: the merged thought, where it comes from, and the end of those it replaces. They stay
// readable as of before, so the sources can be followed there.
void merge(aeon::Palace& palace, const std::vector<aeon::Hit>& replaced, const std::string& about,
           const std::string& thought) {
  aeon::Batch batch;
  std::string sources = ",\"merged\":[";
  for (const aeon::Hit& hit : replaced) {
    if (sources.back() != '[') sources += ',';
    sources += std::to_string(hit.id);
    batch.forget(hit.id, hit.version);  // nothing happens if one of them changed meanwhile
  }
  batch.remember(
      {.kind = "thought", .content = thought, .metadata = about_json(about, sources + "]")});
  must(palace.commit(std::move(batch)));
}

}  // namespace

int main(int argc, char** argv) {
  aeon::Palace palace = new_palace(argc, argv);
  think(palace, "Ada", "Ada likes tea better than coffee.");
  think(palace, "Ada", "Ada drinks her tea without milk.");
  const aeon::MemoryId wrong = think(palace, "Ada", "Ada lives in Lyon.");
  think(palace, "Bob", "Bob is afraid of dogs.");

  aeon::Batch batch;
  batch.forget(wrong);  // she moved
  const auto ack = must(palace.commit(std::move(batch)));
  merge(palace, thoughts(palace.snapshot(), "Ada", "tea"), "Ada",
        "Ada prefers tea, without milk, to coffee.");

  const aeon::Snapshot now = palace.snapshot();
  std::vector<aeon::MemoryId> ids;
  must(now.list(0, 10, ids));
  std::printf("thoughts left: %zu\n", ids.size());
  for (const aeon::MemoryId id : ids) {
    const aeon::Memory memory = get(now, id);
    std::printf("  %s %s\n", memory.content.c_str(), memory.metadata.c_str());
  }
  const aeon::Snapshot before = must(palace.snapshot_at(ack.commit));
  return ids.size() == 2 && thoughts(before, "Ada", "tea").size() == 2 ? 0 : 1;
}
