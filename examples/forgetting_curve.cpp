// Forgetting by a curve, after MemoryBank (Zhong et al. 2023) and Ebbinghaus: what is kept of a
// memory falls as exp(-t / S), t the days since it was last used and S its strength, which every
// use doubles. What falls below a threshold is forgotten. Uses are collected and written by one
// commit a day, so that reading stays reading.
#include <cmath>
#include <map>

#include "examples/recipe.hpp"

using namespace recipe;

namespace {

constexpr aeon::TimeNs kDay = aeon::TimeNs{24} * 3600 * 1'000'000'000;
constexpr double kForgotten = 0.05;

struct Curve {
  double strength = 4;  // days
  aeon::TimeNs used = 0;
};

// A memory's curve is kept in its metadata: `strength` in days, and the day of its last use.
std::string metadata_of(const Curve& curve) {
  return "{\"strength\":" + std::to_string(curve.strength) +
         ",\"used\":" + std::to_string(curve.used / kDay) + "}";
}

double number_in(const std::string& metadata, const std::string& name) {
  return std::atof(metadata.c_str() + metadata.find('"' + name + '"') + name.size() + 3);
}

Curve curve_of(const aeon::Memory& memory) {
  return {number_in(memory.metadata, "strength"),
          static_cast<aeon::TimeNs>(number_in(memory.metadata, "used")) * kDay};
}

double retention(const Curve& curve, aeon::TimeNs now) {
  const double days = static_cast<double>(now - curve.used) / static_cast<double>(kDay);
  return std::exp(-days / curve.strength);
}

// The end of a day: what was used is stronger, what has faded is forgotten.
void end_day(aeon::Palace& palace, const std::map<aeon::MemoryId, int>& uses, aeon::TimeNs now) {
  const aeon::Snapshot snapshot = palace.snapshot();
  std::vector<aeon::MemoryId> ids;
  must(snapshot.list(0, 1000, ids));
  aeon::Batch batch;
  for (const aeon::MemoryId id : ids) {
    const aeon::Memory memory = get(snapshot, id);
    Curve curve = curve_of(memory);
    if (uses.contains(id)) {
      curve = {curve.strength * 2, now};
      batch.supersede(id, {.content = memory.content, .metadata = metadata_of(curve)});
    } else if (retention(curve, now) < kForgotten) {
      batch.forget(id);
    }
  }
  if (!batch.empty()) must(palace.commit(std::move(batch), aeon::Durability::process));
}

}  // namespace

int main(int argc, char** argv) {
  aeon::Palace palace = new_palace(argc, argv);
  for (const char* text : {"Ada takes her tea without milk.", "The printer is on the second floor.",
                           "Line 4 was closed on Monday."}) {
    remember(palace, {.content = text, .metadata = metadata_of({})});
  }
  for (int day = 1; day <= 60; ++day) {
    std::map<aeon::MemoryId, int> uses;
    if (day % 10 == 5) {
      const auto hits =
          recall(palace.snapshot(), {.text = "tea", .preset = aeon::kWordsPreset, .k = 1});
      for (const aeon::Hit& hit : hits) ++uses[hit.id];
    }
    end_day(palace, uses, day * kDay);
  }
  const aeon::Snapshot now = palace.snapshot();
  std::vector<aeon::MemoryId> ids;
  must(now.list(0, 10, ids));
  std::printf("kept after 60 days: %zu of 3\n", ids.size());
  for (const aeon::MemoryId id : ids) std::printf("  %s\n", get(now, id).content.c_str());
  return ids.size() == 1 && get(now, ids[0]).content.starts_with("Ada") ? 0 : 1;
}
