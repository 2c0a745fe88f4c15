#include "engine/text/utf8.hpp"

#include <utf8proc.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>

using namespace aeon::engine;

namespace {

// The slow, plain way, to compare with.
std::size_t first_invalid(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    utf8proc_int32_t point = 0;
    const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                                        static_cast<utf8proc_ssize_t>(text.size() - at), &point);
    if (bytes <= 0) return at;
    at += static_cast<std::size_t>(bytes);
  }
  return kValidUtf8;
}

std::string whole_fold(std::string_view text) {
  utf8proc_uint8_t* folded = nullptr;
  const auto options = static_cast<utf8proc_option_t>(
      UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT | UTF8PROC_CASEFOLD | UTF8PROC_IGNORE);
  const auto bytes = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                  static_cast<utf8proc_ssize_t>(text.size()), &folded, options);
  REQUIRE(bytes >= 0);
  std::string out(reinterpret_cast<const char*>(folded), static_cast<std::size_t>(bytes));
  std::free(folded);
  return out;
}

std::string fold(std::string_view text) {
  CaseFolder folder;
  std::string out;
  folder.fold(text, out);
  return out;
}

void append(std::string& out, std::uint32_t point) {
  utf8proc_uint8_t bytes[4];
  const auto count = utf8proc_encode_char(static_cast<utf8proc_int32_t>(point), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(count));
}

std::string random_text(std::mt19937_64& random, std::size_t characters) {
  std::string text;
  while (characters-- > 0) {
    std::uint32_t point = 0;
    switch (random() % 6) {
      case 0: point = static_cast<std::uint32_t>(random() % 0x110000); break;
      case 1: point = 0x300 + static_cast<std::uint32_t>(random() % 0x70); break;    // marks
      case 2: point = 0x1100 + static_cast<std::uint32_t>(random() % 0x100); break;  // Jamo
      case 3: point = 0xa0 + static_cast<std::uint32_t>(random() % 0x500); break;
      default: point = static_cast<std::uint32_t>(random() % 0x80); break;
    }
    if (point >= 0xd800 && point < 0xe000) point = '-';
    append(text, point);
  }
  return text;
}

}  // namespace

TEST_CASE("malformed UTF-8 is found at its first byte") {
  CHECK(is_valid_utf8(""));
  CHECK(is_valid_utf8("plain"));
  CHECK(is_valid_utf8("\xf4\x8f\xbf\xbf \xee\x80\x80 \xc2\x80 \xf0\x90\x80\x80"));
  CHECK(find_invalid_utf8("ab\x80") == 2);
  CHECK(find_invalid_utf8("\xc0\xaf") == 0);              // overlong
  CHECK(find_invalid_utf8("12345678\xe0\x9f\xbf") == 8);  // overlong
  CHECK(find_invalid_utf8("\xed\xa0\x80") == 0);          // surrogate
  CHECK(find_invalid_utf8("\xf4\x90\x80\x80") == 0);      // above U+10FFFF
  CHECK(find_invalid_utf8("\xc3\xa9\xf5\x80\x80\x80") == 2);
  CHECK(find_invalid_utf8("caf\xe9 au lait") == 3);  // Latin-1
  CHECK(find_invalid_utf8("end \xe2\x82") == 4);     // cut off
}

TEST_CASE("validity agrees with utf8proc on every sequence of up to three bytes and on noise") {
  for (unsigned a = 0x80; a < 0x100; ++a) {
    for (unsigned b = 0; b < 0x100; ++b) {
      const char two[] = {static_cast<char>(a), static_cast<char>(b), '\x80', '\x80', 'x'};
      for (const std::size_t bytes : {1u, 2u, 3u, 4u, 5u}) {
        const std::string_view text(two, bytes);
        if (find_invalid_utf8(text) != first_invalid(text)) {
          CAPTURE(a, b, bytes);
          CHECK(find_invalid_utf8(text) == first_invalid(text));
        }
      }
    }
  }
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3000; ++round) {
    std::string text = random_text(random, random() % 40);
    CHECK(is_valid_utf8(text));
    if (!text.empty()) text[random() % text.size()] = static_cast<char>(random());
    CHECK(find_invalid_utf8(text) == first_invalid(text));
  }
}

TEST_CASE("truncation ends between characters and keeps as much as fits") {
  const std::string text = "aé€😀z";
  for (std::size_t most = 0; most <= text.size() + 1; ++most) {
    const std::string_view cut = truncate_utf8(text, most);
    CHECK(is_valid_utf8(cut));
    CHECK(text.starts_with(cut));
    CHECK(cut.size() <= most);
    CHECK(cut.size() + 4 > std::min(most, text.size()));
  }
  CHECK(truncate_utf8(text, 6) == "aé€");
  CHECK(truncate_utf8(text, 9) == "aé€");
  CHECK(truncate_utf8(text, 10) == "aé€😀");
}

TEST_CASE("folding unifies case, width, ligatures and composition") {
  CHECK(fold("Straße STRASSE ｓｔｒａｓｓｅ") == "strasse strasse strasse");
  CHECK(fold("E\u0301cole \u00c9COLE") == "\u00e9cole \u00e9cole");
  CHECK(fold("\ufb01ne co\u00adoperate") == "fine cooperate");
  CHECK(fold("ΣΊΣΥΦΟΣ") == "σίσυφοσ");
  CHECK(fold("ASCII only, 123!") == "ascii only, 123!");
  CHECK(fold("").empty());
}

TEST_CASE("folding run by run equals folding the whole") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  CaseFolder folder;  // reused, so that its scratch holds what came before
  std::string folded;
  for (int round = 0; round < 3000; ++round) {
    const std::string text = random_text(random, random() % 60);
    folder.fold(text, folded);
    if (folded != whole_fold(text)) {
      CAPTURE(text);
      CHECK(folded == whole_fold(text));
    }
  }
}

TEST_CASE("a long run that grows when decomposed is folded whole") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "\ufdfa";  // one character becomes eighteen
  CHECK(fold(text) == whole_fold(text));
}
