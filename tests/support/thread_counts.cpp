#include "tests/support/thread_counts.hpp"

#include <array>
#include <cstddef>

#include <dlfcn.h>
#include <fmt/format.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <csignal>

namespace {

constinit thread_local std::uint64_t allocations = 0;
constinit thread_local std::uint64_t locks = 0;
constinit thread_local std::uint64_t calls = 0;
constinit thread_local std::array<int, 16> made{};

// The door behind ours, looked up at the first call.
template <typename Call>
Call* next(const char* name) noexcept {
  return reinterpret_cast<Call*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

void* __libc_malloc(std::size_t);                 // NOLINT: glibc's own names
void* __libc_calloc(std::size_t, std::size_t);    // NOLINT
void* __libc_realloc(void*, std::size_t);         // NOLINT
void* __libc_memalign(std::size_t, std::size_t);  // NOLINT

void* malloc(std::size_t bytes) {
  ++allocations;
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  ++allocations;
  return __libc_calloc(count, bytes);
}
void* realloc(void* at, std::size_t bytes) {
  ++allocations;
  return __libc_realloc(at, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  ++allocations;
  return __libc_memalign(alignment, bytes);
}

int pthread_mutex_lock(pthread_mutex_t* mutex) {
  static auto* const real = next<int(pthread_mutex_t*)>("pthread_mutex_lock");
  ++locks;
  return real(mutex);
}
int pthread_mutex_trylock(pthread_mutex_t* mutex) {
  static auto* const real = next<int(pthread_mutex_t*)>("pthread_mutex_trylock");
  ++locks;
  return real(mutex);
}
int pthread_rwlock_rdlock(pthread_rwlock_t* lock) {
  static auto* const real = next<int(pthread_rwlock_t*)>("pthread_rwlock_rdlock");
  ++locks;
  return real(lock);
}
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) {
  static auto* const real = next<int(pthread_rwlock_t*)>("pthread_rwlock_wrlock");
  ++locks;
  return real(lock);
}
int pthread_spin_lock(pthread_spinlock_t* lock) {
  static auto* const real = next<int(pthread_spinlock_t*)>("pthread_spin_lock");
  ++locks;
  return real(lock);
}

// One system call. The filter lets through what comes from here, and traps every other.
long aeon_test_call(long number, long a, long b, long c, long d, long e, long f);
extern const char aeon_test_call_made[];
}

asm(R"(
  .text
  .globl aeon_test_call, aeon_test_call_made
aeon_test_call:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  mov %r8, %r10
  mov %r9, %r8
  mov 8(%rsp), %r9
  syscall
aeon_test_call_made:
  ret
)");

namespace {

// Makes the call that was trapped, in place of the thread.
void on_call(int /*signal*/, siginfo_t* info, void* context) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  if (calls < made.size()) made[calls] = info->si_syscall;
  ++calls;
  registers[REG_RAX] =
      aeon_test_call(info->si_syscall, registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                     registers[REG_R10], registers[REG_R8], registers[REG_R9]);
}

constexpr sock_filter load_word(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
constexpr sock_filter unless(std::uint32_t value, std::uint8_t skip) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip);
}

}  // namespace

namespace aeon::test {

ThreadCounts thread_counts() noexcept {
  rusage usage{};
  const std::uint64_t before = calls;  // the call of this function is not the thread's
  getrusage(RUSAGE_THREAD, &usage);
  calls = before;
  return {
      allocations, locks, before,
      static_cast<std::uint64_t>(usage.ru_minflt) + static_cast<std::uint64_t>(usage.ru_majflt)};
}

bool count_system_calls() noexcept {
  struct sigaction action{};
  action.sa_sigaction = on_call;
  action.sa_flags = SA_SIGINFO;
  if (sigaction(SIGSYS, &action, nullptr) != 0) return false;
  const auto door = reinterpret_cast<std::uintptr_t>(aeon_test_call_made);
  constexpr std::size_t kDoor = offsetof(seccomp_data, instruction_pointer);
  std::array<sock_filter, 9> rules = {
      load_word(offsetof(seccomp_data, nr)),
      unless(SYS_rt_sigreturn, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      load_word(kDoor),
      unless(static_cast<std::uint32_t>(door), 3),
      load_word(kDoor + 4),
      unless(static_cast<std::uint32_t>(door >> 32), 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
  };
  const sock_fprog filter{static_cast<unsigned short>(rules.size()), rules.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

std::string system_calls_made() {
  std::string numbers;
  for (std::size_t i = 0; i < made.size() && i < calls; ++i) {
    numbers += fmt::format(" {}", made[i]);
  }
  return numbers;
}

void forget_system_calls() noexcept { calls = 0; }

}  // namespace aeon::test
