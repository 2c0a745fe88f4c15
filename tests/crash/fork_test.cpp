// A child that was forked with an open palace: it may look, and it may not harm.
#include <catch2/catch.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <optional>

#include "engine/palace.hpp"
#include "tests/support/temp_directory.hpp"

using namespace aeon;

namespace {

Result<Ack> remember(Palace& palace, const std::string& text) {
  Batch batch;
  NewMemory memory;
  memory.content = text;
  batch.remember(std::move(memory));
  return palace.commit(std::move(batch), Durability::process);
}

// What the child finds, as its exit code: 0 when all is as promised.
int in_child(Palace& palace) {
  const auto refused = remember(palace, "from the child");
  if (refused || refused.error().code != Errc::closed) return 1;
  if (palace.checkpoint() || palace.fresh_snapshot()) return 2;
  Memory memory;
  if (!palace.snapshot().get(1, memory) || memory.content != "before") return 3;
  if (!palace.close()) return 4;
  return 0;
}

}  // namespace

TEST_CASE(
    "a forked child reads, is refused everything else, and leaves its parent's palace alone") {
  for (const bool background : {false, true}) {
    CAPTURE(background);
    const test::TempDirectory scratch;
    OpenOptions options;
    options.background = background;
    std::optional<Palace> palace = Palace::create(scratch / "palace", {}, options).value();
    REQUIRE(remember(*palace, "before").has_value());
    for (int round = 0; round < 20; ++round) {
      const pid_t child = fork();
      REQUIRE(child >= 0);
      if (child == 0) {
        const int found = in_child(*palace);
        palace.reset();
        _exit(found);
      }
      for (int i = 0; i < 20; ++i) REQUIRE(remember(*palace, "from the parent").has_value());
      int status = 0;
      REQUIRE(waitpid(child, &status, 0) == child);
      REQUIRE(WIFEXITED(status));
      REQUIRE(WEXITSTATUS(status) == 0);
    }
    auto other = Palace::open(scratch / "palace").value();
    CHECK(other.stats().value().memories == 401);
    REQUIRE(remember(other, "from another").has_value());
    REQUIRE(remember(*palace, "and again").has_value());
    CHECK(palace->verify().value().damage.empty());
  }
}
