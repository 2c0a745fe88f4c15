// Notes that link and evolve, after A-MEM (Xu et al. 2025): a new note is linked to the notes most
// like it, and those learn from it that they belong together. The paper has a language model write
// tags; here the caller brings them.
#include <set>

#include "examples/recipe.hpp"

using namespace recipe;

namespace {

struct Note {
  std::string text;
  std::string tag;
};

constexpr float kAlike = 0.1F;  // cosine of the built-in embedder

// One commit: the note, its links, and what its neighbours learn.
aeon::MemoryId add(aeon::Palace& palace, const Note& note) {
  const aeon::Snapshot now = palace.snapshot();
  const auto alike = recall(now, {.space = "text", .text = note.text, .k = 3});
  aeon::Batch batch;
  const aeon::MemoryRef added =
      batch.remember({.content = note.text, .metadata = "{\"tags\":[\"" + note.tag + "\"]}"});
  for (const aeon::Hit& hit : alike) {
    if (hit.score < kAlike) continue;
    batch.link({.from = added,
                .to = aeon::MemoryRef::of(hit.id),
                .type = "refers_to",
                .weight = hit.score});
    aeon::Memory old = get(now, hit.id);
    if (old.metadata.find('"' + note.tag + '"') != std::string::npos) continue;
    old.metadata.insert(old.metadata.find(']'), ",\"" + note.tag + "\"");
    // Nothing is written when somebody else changed it meanwhile: then the whole note is tried
    // anew.
    batch.supersede(hit.id, {.content = old.content, .metadata = old.metadata}, hit.version);
  }
  return must(palace.commit(std::move(batch))).ids[0];
}

}  // namespace

int main(int argc, char** argv) {
  aeon::Palace palace = new_palace(argc, argv);
  add(palace, {"The tomatoes in the greenhouse need water every evening.", "garden"});
  add(palace, {"The greenhouse heater fails when the pump is off.", "repairs"});
  const aeon::MemoryId last =
      add(palace, {"The pump was replaced in March by the plumber.", "repairs"});

  // A question about the plumber finds his note; its links lead to what it has to do with.
  const aeon::Snapshot now = palace.snapshot();
  const auto hits = recall(now, {.text = "plumber", .preset = aeon::kWordsPreset, .k = 1});
  if (hits.size() != 1 || hits[0].id != last) return 1;
  aeon::WalkAnswer walk;
  must(now.reach({.from = {&hits[0].id, 1}, .hops = 2}, walk));
  for (const aeon::Walked& step : walk.found) {
    const aeon::Memory memory = get(now, step.id);
    std::printf("found over a link: %s %s\n", memory.content.c_str(), memory.metadata.c_str());
  }
  return walk.found.empty() ? 1 : 0;
}
