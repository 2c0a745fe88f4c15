// Branches and what happens when they disagree, after AMA: an agent that explores works on a
// branch of its own, where facts are kept under keys of the branch. Taking a branch over is one
// commit that holds only if nobody changed the facts meanwhile; what was changed is a conflict, and
// is refreshed: read again, decided, and tried again.
#include <map>

#include "examples/recipe.hpp"

using namespace recipe;

namespace {

std::string key_of(const std::string& branch, const std::string& name) {
  return branch + "/" + name;
}

void set(aeon::Palace& palace, const std::string& branch, const std::string& name,
         const std::string& value) {
  remember(palace, {.key = key_of(branch, name), .content = value});
}

aeon::Memory fact(const aeon::Snapshot& snapshot, const std::string& branch,
                  const std::string& name) {
  return get(snapshot, must(snapshot.find_key("", key_of(branch, name))));
}

// The versions of the trunk's facts that a branch set out from.
using Base = std::map<std::string, aeon::CommitNumber>;

Base branch_off(aeon::Palace& palace, const std::string& branch,
                const std::vector<std::string>& names) {
  const aeon::Snapshot now = palace.snapshot();
  Base base;
  aeon::Batch batch;
  for (const std::string& name : names) {
    const aeon::Memory trunk = fact(now, "trunk", name);
    base[name] = trunk.version;
    batch.remember({.key = key_of(branch, name), .content = trunk.content});
  }
  must(palace.commit(std::move(batch)));
  return base;
}

// All facts of the branch become the trunk's, or none: false when one was changed there.
bool take_over(aeon::Palace& palace, const std::string& branch, const Base& base) {
  const aeon::Snapshot now = palace.snapshot();
  aeon::Batch batch;
  for (const auto& [name, version] : base) {
    batch.remember({.key = key_of("trunk", name),
                    .mode = aeon::PutMode::if_version,
                    .expected_version = version,
                    .content = fact(now, branch, name).content});
    batch.forget(fact(now, branch, name).id);
  }
  const auto ack = palace.commit(std::move(batch));
  if (!ack && ack.error().code == aeon::Errc::version_conflict) return false;
  must(ack);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  aeon::Palace palace = new_palace(argc, argv);
  set(palace, "trunk", "port", "the port is 8080");
  set(palace, "trunk", "host", "the host is alpha");
  Base base = branch_off(palace, "try-1", {"port", "host"});
  set(palace, "try-1", "host", "the host is beta");
  set(palace, "trunk", "port", "the port is 9090");  // meanwhile, by somebody else

  if (take_over(palace, "try-1", base)) return 1;
  // The conflict: what the branch did not touch is refreshed, what it changed stays.
  const aeon::Snapshot now = palace.snapshot();
  for (auto& [name, version] : base) {
    const aeon::Memory trunk = fact(now, "trunk", name);
    if (trunk.version == version) continue;
    std::printf("changed meanwhile: %s\n", trunk.content.c_str());
    version = trunk.version;
    set(palace, "try-1", name, trunk.content);
  }
  if (!take_over(palace, "try-1", base)) return 1;
  const aeon::Snapshot merged = palace.snapshot();
  const std::string port = fact(merged, "trunk", "port").content;
  const std::string host = fact(merged, "trunk", "host").content;
  std::printf("%s, %s\n", port.c_str(), host.c_str());
  return port == "the port is 9090" && host == "the host is beta" ? 0 : 1;
}
