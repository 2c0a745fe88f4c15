#include "storage/result.hpp"

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

namespace aeon {

std::string_view errc_name(Errc code) noexcept {
  switch (code) {
    case Errc::invalid_argument: return "invalid_argument";
    case Errc::wrong_dimension: return "wrong_dimension";
    case Errc::not_finite: return "not_finite";
    case Errc::zero_vector: return "zero_vector";
    case Errc::unknown_space: return "unknown_space";
    case Errc::unknown_tenant: return "unknown_tenant";
    case Errc::unknown_id: return "unknown_id";
    case Errc::invalid_key: return "invalid_key";
    case Errc::key_exists: return "key_exists";
    case Errc::version_conflict: return "version_conflict";
    case Errc::invalid_utf8: return "invalid_utf8";
    case Errc::invalid_json: return "invalid_json";
    case Errc::too_large: return "too_large";
    case Errc::model_mismatch: return "model_mismatch";
    case Errc::already_exists: return "already_exists";
    case Errc::not_a_palace: return "not_a_palace";
    case Errc::newer_format: return "newer_format";
    case Errc::damaged: return "damaged";
    case Errc::missing_file: return "missing_file";
    case Errc::foreign_file: return "foreign_file";
    case Errc::io_error: return "io_error";
    case Errc::disk_full: return "disk_full";
    case Errc::no_permission: return "no_permission";
    case Errc::no_memory: return "no_memory";
    case Errc::too_many_files: return "too_many_files";
    case Errc::read_only: return "read_only";
    case Errc::writer_stopped: return "writer_stopped";
    case Errc::busy: return "busy";
    case Errc::closed: return "closed";
    case Errc::unsupported: return "unsupported";
    case Errc::not_found: return "not_found";
    case Errc::too_old: return "too_old";
  }
  return "unknown";
}

namespace {

Errc code_of(int os_errno) {
  switch (os_errno) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return Errc::disk_full;
    case EACCES:
    case EPERM:
    case EROFS: return Errc::no_permission;
    case ENOMEM: return Errc::no_memory;
    case EMFILE:
    case ENFILE: return Errc::too_many_files;
    case ENOENT:
    case ENOTDIR: return Errc::not_found;
    case EEXIST: return Errc::already_exists;
    case EAGAIN: return Errc::busy;
    default: return Errc::io_error;
  }
}

}  // namespace

Error os_error(int os_errno, std::string_view what) {
  return Error{code_of(os_errno), os_errno,
               fmt::format("{}: {}", what, std::generic_category().message(os_errno))};
}

}  // namespace aeon
