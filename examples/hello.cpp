// Remember two sentences, recall one: the ten lines of the README.
#include <cstdio>

#include "api/aeon.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  auto palace = aeon::Palace::create(argv[1], {{.name = "text",
                                                .dimension = aeon::kLexicalDimension,
                                                .model = std::string(aeon::kLexicalModel)}});
  if (!palace) return std::fprintf(stderr, "%s\n", palace.error().message.c_str()), 1;
  aeon::Batch batch;
  batch.remember({.content = "Ada keeps the spare key under the blue flower pot."});
  batch.remember({.content = "The train to Lyon leaves at ten past nine."});
  if (auto ack = palace->commit(std::move(batch)); !ack) return 1;  // on the disk from here on
  aeon::Answer answer;
  aeon::Memory memory;
  const aeon::Snapshot now = palace->snapshot();
  if (!now.recall({.text = "where is the key", .k = 1}, answer)) return 1;
  for (const aeon::Hit& hit : answer.hits) {
    if (now.get(hit.id, memory)) std::printf("%.3f  %s\n", hit.score, memory.content.c_str());
  }
  return answer.hits.size() == 1 ? 0 : 1;
}
