#include "api/terminal_text.hpp"

#include <catch2/catch.hpp>

using aeon::api::terminal_text;

TEST_CASE("nothing that a terminal obeys is left in a text") {
  CHECK(terminal_text("a\x1b[31mred\x1b]0;title\x07 b") == "a[31mred]0;title b");
  CHECK(terminal_text("x\u009b31my") == "x31my");
  CHECK(terminal_text("rm\u202etxt.exe\u200b") == "rmtxt.exe");
  CHECK(terminal_text(std::string_view("a\0b\x7f", 4)) == "ab");
  CHECK(terminal_text("a\xff\xfe\xc3") == "a");
}

TEST_CASE("white space becomes single blanks on one line") {
  CHECK(terminal_text("  one\r\n\ttwo \u00a0\u2028three  ") == "one two three");
  CHECK(terminal_text("").empty());
  CHECK(terminal_text(" \n").empty());
}

TEST_CASE("a long text is cut between characters, by width") {
  CHECK(terminal_text("abcdef", 6) == "abcdef");
  CHECK(terminal_text("abcdefg", 6) == "abcdef…");
  CHECK(terminal_text("größe", 3) == "grö…");
  CHECK(terminal_text("漢字漢", 5) == "漢字…");
}
