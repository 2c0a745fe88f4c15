// Three tiers, up and down, after G-Memory (Zhang et al. 2025): what happened (events of a
// session), the tasks that it belonged to, and insights drawn from several tasks. A new task finds
// tasks like it, goes up to their insights and down to what was done.
#include "examples/recipe.hpp"

using namespace recipe;

namespace {

// A task and what was done for it, in order.
aeon::MemoryId store_task(aeon::Palace& palace, const std::string& task,
                          const std::vector<std::string>& steps) {
  aeon::Batch batch;
  const aeon::MemoryRef top = batch.remember({.kind = "task", .content = task});
  for (const std::string& step : steps) {
    const aeon::MemoryRef event =
        batch.remember({.session = task, .kind = "event", .content = step});
    batch.link({.from = top, .to = event, .type = "summarises"});
  }
  return must(palace.commit(std::move(batch))).ids[0];
}

void store_insight(aeon::Palace& palace, const std::string& insight,
                   const std::vector<aeon::MemoryId>& tasks) {
  aeon::Batch batch;
  const aeon::MemoryRef top = batch.remember({.kind = "insight", .content = insight});
  for (const aeon::MemoryId task : tasks) {
    batch.link({.from = top, .to = aeon::MemoryRef::of(task), .type = "summarises"});
  }
  must(palace.commit(std::move(batch)));
}

void print(const aeon::Snapshot& snapshot, const char* tier,
           const std::vector<aeon::Walked>& found) {
  for (const aeon::Walked& step : found) {
    std::printf("%s: %s\n", tier, get(snapshot, step.id).content.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  aeon::Palace palace = new_palace(argc, argv);
  const aeon::MemoryId celsius =
      store_task(palace, "Convert the oven temperature of the recipe.",
                 {"Read 350 in the recipe.", "Took it for Celsius: the cake burnt."});
  const aeon::MemoryId pounds = store_task(
      palace, "Order flour for the bakery.",
      {"Read 40 on the list.", "Ordered kilograms, pounds were meant.", "Sent half of it back."});
  store_insight(palace, "Ask for the unit when a number comes without one.", {celsius, pounds});

  const aeon::Snapshot now = palace.snapshot();
  const auto tasks = recall(
      now,
      {.text = "order sugar for the bakery", .preset = aeon::kWordsPreset, .k = 1, .kind = "task"});
  if (tasks.size() != 1 || tasks[0].id != pounds) return 1;
  aeon::WalkQuery walk{.from = {&tasks[0].id, 1}, .hops = 1};
  aeon::WalkAnswer up;
  aeon::WalkAnswer down;
  walk.way = aeon::WalkWay::in;
  walk.kind = "insight";
  must(now.reach(walk, up));
  walk.way = aeon::WalkWay::out;
  walk.kind = "event";
  must(now.reach(walk, down));
  print(now, "insight", up.found);
  print(now, "done before", down.found);
  return up.found.size() == 1 && down.found.size() == 3 ? 0 : 1;
}
