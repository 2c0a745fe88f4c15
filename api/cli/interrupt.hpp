// Ctrl-C as a wish, not an end: long commands ask at safe places whether to stop.
#pragma once

namespace aeon::cli {

// From now on SIGINT and SIGTERM only set the flag (and wake a blocking read), and writing to a
// closed pipe is an error instead of a death. A second SIGINT ends the process.
void catch_interrupts();
[[nodiscard]] bool interrupted() noexcept;

}  // namespace aeon::cli
