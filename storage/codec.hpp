// Byte-level encoding shared by every format: little-endian fixed integers, LEB128 varints and
// length-prefixed strings for values; big-endian and escaped strings for keys that must sort.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace aeon::storage {

static_assert(std::endian::native == std::endian::little, "Aeon's formats assume little-endian");

inline std::string_view as_view(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::span<const std::byte> as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

template <typename T>
T load(const void* from) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// How many bytes Encoder::varint() appends.
constexpr std::size_t varint_bytes(std::uint64_t value) noexcept {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) + 6) / 7;
}

// Appends to a caller-owned string.
class Encoder {
 public:
  explicit Encoder(std::string& out) noexcept : out_(out) {}

  template <typename T>
  void fixed(T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void varint(std::uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  // Zigzag, so that small negative numbers stay short.
  void signed_varint(std::int64_t value) {
    varint((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
  }
  void bytes(std::string_view value) {
    varint(value.size());
    out_.append(value);
  }
  void raw(std::string_view value) { out_.append(value); }
  [[nodiscard]] std::size_t size() const noexcept { return out_.size(); }

 private:
  std::string& out_;
};

// Reads what Encoder wrote from untrusted bytes. Once anything runs past the end or is malformed
// ok() is false for good and every further read returns zero or empty.
class Decoder {
 public:
  explicit Decoder(std::string_view in) noexcept : in_(in) {}

  template <typename T>
  T fixed() noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    if (in_.size() < sizeof value) return spoil(), value;
    std::memcpy(&value, in_.data(), sizeof value);
    in_.remove_prefix(sizeof value);
    return value;
  }
  std::uint64_t varint() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (in_.empty()) return spoil(), 0;
      const auto byte = static_cast<std::uint8_t>(in_.front());
      in_.remove_prefix(1);
      if (shift == 63 && byte > 1) return spoil(), 0;
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return spoil(), 0;
  }
  std::int64_t signed_varint() noexcept {
    const std::uint64_t value = varint();
    return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
  }
  std::string_view bytes() noexcept { return raw(varint()); }
  std::string_view raw(std::uint64_t count) noexcept {
    if (count > in_.size()) return spoil(), std::string_view{};
    const std::string_view value = in_.substr(0, count);
    in_.remove_prefix(count);
    return value;
  }
  [[nodiscard]] std::string_view rest() const noexcept { return in_; }
  [[nodiscard]] bool at_end() const noexcept { return in_.empty(); }
  [[nodiscard]] bool ok() const noexcept { return ok_; }

 private:
  void spoil() noexcept {
    ok_ = false;
    in_ = {};
  }
  std::string_view in_;
  bool ok_ = true;
};

// Builds keys whose byte order is the order of their parts.
class KeyEncoder {
 public:
  explicit KeyEncoder(std::string& out) noexcept : out_(out) {}

  KeyEncoder& u8(std::uint8_t value) { return out_.push_back(static_cast<char>(value)), *this; }
  KeyEncoder& u32(std::uint32_t value) { return big_endian(value, 4); }
  KeyEncoder& u64(std::uint64_t value) { return big_endian(value, 8); }
  // Signed numbers sort by value: the sign bit is flipped.
  KeyEncoder& i64(std::int64_t value) {
    return u64(static_cast<std::uint64_t>(value) ^ (std::uint64_t{1} << 63));
  }
  // 0x00 becomes 0x00 0xff and the string ends in 0x00 0x01, so that no string's encoding is a
  // prefix of another's and order is kept.
  KeyEncoder& text(std::string_view value) {
    for (const char c : value) {
      out_.push_back(c);
      if (c == '\0') out_.push_back('\xff');
    }
    out_.push_back('\0');
    out_.push_back('\x01');
    return *this;
  }

 private:
  KeyEncoder& big_endian(std::uint64_t value, unsigned count) {
    for (unsigned i = count; i-- > 0;) out_.push_back(static_cast<char>(value >> (8 * i)));
    return *this;
  }
  std::string& out_;
};

// The reverse of KeyEncoder, from untrusted bytes, with Decoder's ok() rule.
class KeyDecoder {
 public:
  explicit KeyDecoder(std::string_view in) noexcept : in_(in) {}

  std::uint8_t u8() noexcept { return static_cast<std::uint8_t>(big_endian(1)); }
  std::uint32_t u32() noexcept { return static_cast<std::uint32_t>(big_endian(4)); }
  std::uint64_t u64() noexcept { return big_endian(8); }
  std::int64_t i64() noexcept {
    return static_cast<std::int64_t>(big_endian(8) ^ (std::uint64_t{1} << 63));
  }
  std::string text() {
    std::string value;
    while (in_.size() >= 2) {
      if (in_[0] != '\0') {
        value.push_back(in_[0]);
        in_.remove_prefix(1);
        continue;
      }
      const char next = in_[1];
      in_.remove_prefix(2);
      if (next == '\x01') return value;
      if (next != '\xff') break;
      value.push_back('\0');
    }
    return spoil(), std::string{};
  }
  [[nodiscard]] std::string_view rest() const noexcept { return in_; }
  [[nodiscard]] bool ok() const noexcept { return ok_; }

 private:
  void spoil() noexcept {
    ok_ = false;
    in_ = {};
  }
  std::uint64_t big_endian(unsigned count) noexcept {
    if (in_.size() < count) return spoil(), 0;
    std::uint64_t value = 0;
    for (unsigned i = 0; i < count; ++i) value = (value << 8) | static_cast<std::uint8_t>(in_[i]);
    in_.remove_prefix(count);
    return value;
  }
  std::string_view in_;
  bool ok_ = true;
};

}  // namespace aeon::storage
