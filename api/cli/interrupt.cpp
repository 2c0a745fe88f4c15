#include "api/cli/interrupt.hpp"

#include <csignal>

namespace aeon::cli {
namespace {

volatile std::sig_atomic_t wished = 0;

void on_signal(int /*signal*/) { wished = 1; }

}  // namespace

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // no SA_RESTART: a waiting read returns
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
  sigaction(SIGXFSZ, &action, nullptr);  // a file-size limit is an error of the write
}

bool interrupted() noexcept { return wished != 0; }

}  // namespace aeon::cli
