#include "storage/placement.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>
#include <thread>

#include <sched.h>

#include "storage/arena.hpp"
#include "storage/os_memory.hpp"

using namespace aeon::storage;
using Node = Topology::Node;

namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
constexpr std::size_t kPage = 4096;
using Numbers = std::vector<std::uint32_t>;

Node node(std::uint32_t number, std::uint64_t gib, Numbers processors, bool online = true) {
  return {number, online, gib * kGiB, std::move(processors)};
}

}  // namespace

TEST_CASE("one node, or none that is known, is left to the system") {
  for (const Topology& topology : {Topology{}, Topology{{node(0, 8, {0, 1})}}}) {
    const Placement plan = plan_placement(topology);
    CHECK(plan.empty());
    CHECK(plan.processors_of(3).empty());
  }
}

TEST_CASE("memory is spread over all nodes, and workers take them in turn") {
  const Placement two = plan_placement({{node(0, 8, {0, 1}), node(1, 8, {2, 3})}});
  CHECK(two.memory_nodes == Numbers{0, 1});
  CHECK(two.processors_of(0) == Numbers{0, 1});
  CHECK(two.processors_of(1) == Numbers{2, 3});
  CHECK(two.processors_of(2) == Numbers{0, 1});
  const Placement four =
      plan_placement({{node(0, 8, {0}), node(1, 64, {1}), node(2, 8, {2}), node(3, 1, {3})}});
  CHECK(four.memory_nodes == Numbers{0, 1, 2, 3});
  CHECK(four.processors_of(7) == Numbers{3});
}

TEST_CASE("nodes without memory, without processors or offline have no part in the plan") {
  const Node bare = node(1, 0, {4, 5});
  const Node far = node(2, 256, {});
  const Node off = node(3, 8, {6, 7}, false);
  SECTION("two are left") {
    const Placement plan =
        plan_placement({{node(0, 8, {0, 1}), bare, far, off, node(8, 8, {8, 9})}});
    CHECK(plan.memory_nodes == Numbers{0, 8});
    CHECK(plan.processors_of(0) == Numbers{0, 1});
    CHECK(plan.processors_of(1) == Numbers{8, 9});
  }
  SECTION("one is left") { CHECK(plan_placement({{node(0, 8, {0, 1}), bare, far, off}}).empty()); }
  SECTION("none is left") { CHECK(plan_placement({{bare, far, off}}).empty()); }
}

TEST_CASE("a plan that the system refuses changes nothing but the note") {
  // Nodes that no machine has.
  MemoryPlacement placement(plan_placement({{node(1021, 8, {0}), node(1022, 8, {1})}}));
  CHECK(placement.note() == "planned over memory nodes 1021, 1022");
  auto memory = OsMemory::reserve(64 * kPage, kPage, placement);
  REQUIRE(memory);
  REQUIRE(memory->commit(0, 64 * kPage));
  std::fill_n(memory->data(), 64 * kPage, std::byte{1});
  INFO(placement.note());
  CHECK(placement.note().find("mbind: ") != std::string::npos);
  MemoryPlacement nowhere(plan_placement({{node(1, 8, {1022}), node(2, 8, {1023})}}));
  std::thread([&] { nowhere.place_worker(0); }).join();
  INFO(nowhere.note());
  CHECK(nowhere.note().find("sched_setaffinity: ") != std::string::npos);
}

TEST_CASE("a worker stays on its processors") {
  cpu_set_t before;
  REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
  std::uint32_t cpu = 0;
  while (!CPU_ISSET(cpu, &before)) ++cpu;
  MemoryPlacement placement(plan_placement({{node(0, 8, {cpu}), node(1, 8, {cpu})}}));
  cpu_set_t after;
  std::thread([&] {
    placement.place_worker(5);
    (void)::sched_getaffinity(0, sizeof after, &after);
  }).join();
  CHECK(CPU_COUNT(&after) == 1);
  CHECK(CPU_ISSET(cpu, &after));
  CHECK(placement.note() == "planned over memory nodes 0, 1");
}

TEST_CASE("pages lie where the plan for this machine says") {
  const Placement& plan = machine_placement().plan();
  Arena arena(64 * kPage);
  std::byte* const data = arena.allocate(64 * kPage, kPage);
  REQUIRE(data != nullptr);
  std::fill_n(data, 64 * kPage, std::byte{1});
  const auto nodes = nodes_of_pages({data, 64 * kPage});
  if (!nodes) {
    WARN("not proved: " << nodes.error().message);
    return;
  }
  REQUIRE(nodes->size() == 64);
  std::set<int> used(nodes->begin(), nodes->end());
  REQUIRE(*used.begin() >= 0);
  WARN(read_topology().nodes.size()
       << " memory nodes, pages on " << used.size() << " of them; " << machine_placement().note());
  if (plan.empty()) return;
  const bool refused = machine_placement().note().find("mbind") != std::string::npos;
  if (!refused) CHECK(used == std::set<int>(plan.memory_nodes.begin(), plan.memory_nodes.end()));
}
