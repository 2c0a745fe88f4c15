#include "engine/text/passages.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "engine/text/utf8.hpp"

using namespace aeon;
using namespace aeon::engine;

namespace {

std::vector<Passage> split(std::string_view document, DocumentFormat format) {
  auto passages = split_passages(document, format);
  REQUIRE(passages);
  return std::move(*passages);
}
std::vector<Passage> markdown(std::string_view document) {
  return split(document, DocumentFormat::markdown);
}
std::vector<Passage> plain(std::string_view document) {
  return split(document, DocumentFormat::plain);
}

std::string without_space(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!is_space(c)) out.push_back(c);
  }
  return out;
}

std::string repeated(std::string_view unit, std::size_t times) {
  std::string out;
  while (times-- > 0) out += unit;
  return out;
}

// What must hold of any document, beside its own expectations.
void check_rules(std::string_view document, const std::vector<Passage>& passages) {
  std::uint64_t least = 0;
  for (const Passage& passage : passages) {
    CHECK(!passage.text.empty());
    CHECK(passage.text.size() <= kPassageLimit);
    CHECK(is_valid_utf8(passage.text));
    CHECK(is_valid_utf8(passage.title));
    CHECK(passage.text.find('\r') == std::string::npos);
    CHECK(!is_space(passage.text.back()));
    CHECK(passage.offset >= least);
    REQUIRE(passage.offset < document.size());
    CHECK(document[passage.offset] == passage.text.front());
    least = passage.offset + 1;
  }
}

}  // namespace

TEST_CASE("headings become titles and keep their path") {
  const std::string document =
      "# Guide\n\nIntro.\n\n## Install ##\nRun it.\n### On *BSD*\nUse "
      "ports.\n\nUsage\n-----\nCall.\n";
  const auto passages = markdown(document);
  check_rules(document, passages);
  REQUIRE(passages.size() == 4);
  CHECK(passages[0].title == "Guide");
  CHECK(passages[0].text == "Intro.");
  CHECK(passages[0].offset == 9);
  CHECK(passages[1].title == "Guide > Install");
  CHECK(passages[2].title == "Guide > Install > On *BSD*");
  CHECK(passages[3].title == "Guide > Usage");
  CHECK(passages[3].text == "Call.");
}

TEST_CASE("a heading with nothing below it is a passage") {
  const auto passages = markdown("# A\n## B\n## C\ntext\n# D");
  REQUIRE(passages.size() == 3);
  CHECK(passages[0].title == "A");
  CHECK(passages[0].text == "B");
  CHECK(passages[1].title == "A > C");
  CHECK(passages[2].title.empty());
  CHECK(passages[2].text == "D");
}

TEST_CASE("fenced code stays whole and its lines are no headings") {
  const std::string code = "```sh\n# not a heading\n\n" + repeated("echo line\n", 250) + "```";
  const std::string document = "# T\nSee:\n\n" + code + "\n\nafter\n";
  const auto passages = markdown(document);
  check_rules(document, passages);
  REQUIRE(passages.size() == 2);
  CHECK(passages[0].text == "See:\n\n" + code);
  CHECK(passages[1].text == "after");
  CHECK(passages[1].title == "T");
  const auto tilde = markdown("~~~~\n~~~\n# x\n~~~~\n# y\nz");
  REQUIRE(tilde.size() == 2);
  CHECK(tilde[0].text == "~~~~\n~~~\n# x\n~~~~");
  CHECK(tilde[1].title == "y");
}

TEST_CASE("code beyond the limit is cut at line ends") {
  const std::string line(70, 'x');
  const auto passages = markdown("```\n" + repeated(line + "\n", 100) + "```\n");
  REQUIRE(passages.size() > 4);
  for (std::size_t i = 1; i + 1 < passages.size(); ++i) {
    CHECK((passages[i].text.size() + 1) % (line.size() + 1) == 0);
  }
}

TEST_CASE("short blocks are joined, long lists are cut before items") {
  const auto joined = markdown("One.\n\nTwo.\n\n- a\n- b\n\nThree.\n");
  REQUIRE(joined.size() == 1);
  CHECK(joined[0].text == "One.\n\nTwo.\n\n- a\n- b\n\nThree.");
  std::string list;
  for (int i = 0; i < 60; ++i) {
    list += std::to_string(i + 1) + ". an item of some length that goes on\n   over two lines\n\n";
  }
  const auto passages = markdown(list);
  check_rules(list, passages);
  REQUIRE(passages.size() >= 3);
  for (const Passage& passage : passages) {
    CHECK(starts_item(passage.text));
    CHECK(passage.text.size() >= kPassageLeast);
    CHECK(passage.text.size() <= kPassageMost);
  }
}

TEST_CASE("over-long paragraphs are cut at ends of sentences") {
  const std::string text = repeated("Dr. J. Smith saw it, e.g. here, at 3.5 metres. ", 60);
  const auto passages = plain(text);
  check_rules(text, passages);
  REQUIRE(passages.size() >= 3);
  for (const Passage& passage : passages) {
    CHECK(passage.text.ends_with("metres."));
    CHECK(passage.text.size() >= kPassageLeast);
    CHECK(passage.text.size() <= kPassageMost);
  }
  const std::string wide = repeated("これは文です。", 200);
  for (const Passage& passage : plain(wide)) CHECK(passage.text.ends_with("。"));
}

TEST_CASE("text without any white space is cut between characters") {
  const std::string text = repeated("😀é€", 3000);
  const auto passages = plain(text);
  check_rules(text, passages);
  std::string all;
  for (const Passage& passage : passages) all += passage.text;
  CHECK(all == text);
}

TEST_CASE("a manual page has its sections as titles") {
  const std::string page =
      "LS(1)                User Commands               LS(1)\n\nNAME\n       ls - list directory "
      "contents\n\nSYNOPSIS\n       ls [OPTION]... [FILE]...\n\nDESCRIPTION\n       List "
      "information.\n\n       -a, --all\n              do not ignore entries\n";
  const auto passages = plain(page);
  check_rules(page, passages);
  REQUIRE(passages.size() == 4);
  CHECK(passages[0].title.empty());
  CHECK(passages[1].title == "NAME");
  CHECK(passages[1].text == "       ls - list directory contents");
  CHECK(passages[3].title == "DESCRIPTION");
  CHECK(passages[3].text.ends_with("do not ignore entries"));
}

TEST_CASE("a changelog has its versions as titles, and text at the margin ends them") {
  const std::string log =
      "aeon (0.2) unstable; urgency=low\n\n  * First change.\n  * Second.\n\n -- A <a@b>  Mon\n\n"
      "aeon (0.1) unstable; urgency=low\n\n  * Start.\n\nNo change here at all.\nTwo lines.\n";
  const auto passages = plain(log);
  check_rules(log, passages);
  REQUIRE(passages.size() == 3);
  CHECK(passages[0].title == "aeon (0.2) unstable; urgency=low");
  CHECK(passages[0].text == "  * First change.\n  * Second.\n\n -- A <a@b>  Mon");
  CHECK(passages[1].title == "aeon (0.1) unstable; urgency=low");
  CHECK(passages[2].title.empty());
}

TEST_CASE("CR LF and lone CR are line ends, and a byte order mark is dropped") {
  const std::string document = "\xef\xbb\xbf# T\r\n\r\none\r\ntwo\r\n\r\n## U\rthree";
  const auto passages = markdown(document);
  check_rules(document, passages);
  REQUIRE(passages.size() == 2);
  CHECK(passages[0].title == "T");
  CHECK(passages[0].text == "one\ntwo");
  CHECK(passages[1].title == "T > U");
}

TEST_CASE("front matter is text of its own") {
  const auto passages = markdown("---\ntitle: x\n---\n# H\nbody");
  REQUIRE(passages.size() == 2);
  CHECK(passages[0].text == "---\ntitle: x\n---");
  CHECK(passages[0].title.empty());
  CHECK(passages[1].title == "H");
}

TEST_CASE("what is no text is refused with its place") {
  auto latin = split_passages("caf\xe9 au lait", DocumentFormat::plain);
  REQUIRE(!latin);
  CHECK(latin.error().code == Errc::invalid_utf8);
  CHECK(latin.error().message.find("offset 3") != std::string::npos);
  auto binary = split_passages(std::string_view("ELF\0x", 5), DocumentFormat::markdown);
  REQUIRE(!binary);
  CHECK(binary.error().code == Errc::invalid_argument);
  CHECK(binary.error().message.find("offset 3") != std::string::npos);
  CHECK(plain("").empty());
  CHECK(markdown(" \n\t\r\n").empty());
}

TEST_CASE("file names tell the format") {
  CHECK(document_format_of("README.md") == DocumentFormat::markdown);
  CHECK(document_format_of("a/b.MarkDown") == DocumentFormat::markdown);
  CHECK(document_format_of("md") == DocumentFormat::plain);
  CHECK(document_format_of("notes.txt") == DocumentFormat::plain);
}

// Random documents from structural pieces: nothing but white space may be lost. In plain text
// nothing else is; titles hold what the texts do not.
TEST_CASE("no text is lost, limits hold, whatever the document") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const std::vector<std::string> pieces = {"\n",
                                           "\n\n",
                                           "\r\n",
                                           "\r",
                                           " ",
                                           "    ",
                                           "\t",
                                           "# ",
                                           "## Head\n",
                                           "- ",
                                           "* item\n",
                                           "1. ",
                                           "```\n",
                                           "~~~\n",
                                           "===\n",
                                           "-----\n",
                                           "| a | b |\n",
                                           "word ",
                                           "Sentence ends. ",
                                           "é",
                                           "😀",
                                           "。",
                                           "---\n",
                                           "NAME\n",
                                           "\n\nTitle line\n\n   indented\n",
                                           std::string(300, 'x'),
                                           std::string(90, ' '),
                                           "\f",
                                           "\xef\xbb\xbf",
                                           repeated("long text here, ", 100)};
  for (int round = 0; round < 4000; ++round) {
    std::string document;
    for (std::size_t i = random() % 60; i > 0; --i) document += pieces[random() % pieces.size()];
    const auto format = round % 2 == 0 ? DocumentFormat::plain : DocumentFormat::markdown;
    CAPTURE(round, document);
    const auto passages = split(document, format);
    check_rules(document, passages);
    std::string kept;
    for (const Passage& passage : passages) kept += passage.title + passage.text;
    // Every word survives: drop the marks of headings, then look for each run in order.
    for (const std::string_view word : {"word", "Sentence", "ends.", "é", "😀", "。", "item"}) {
      const auto count = [&](std::string_view in) {
        std::size_t found = 0;
        for (auto at = in.find(word); at != in.npos; at = in.find(word, at + 1)) ++found;
        return found;
      };
      CHECK(count(kept) >= count(document));
    }
  }
}

TEST_CASE("plain text without titles comes back byte for byte but for white space") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  const std::vector<std::string> pieces = {"\n",    "\n\n", "\r\n", "  ",    "- it ", "words and ",
                                           "End. ", "é",    "😀",   "1) x ", "# ",    "```"};
  for (int round = 0; round < 2000; ++round) {
    std::string document = "x";  // no line stands alone over indented text
    for (std::size_t i = random() % 400; i > 0; --i) {
      document += pieces[random() % pieces.size()];
      if (document.back() == '\n') document += "x";
    }
    CAPTURE(round, document);
    std::string kept;
    for (const Passage& passage : plain(document)) kept += passage.text;
    CHECK(without_space(kept) == without_space(document));
  }
}

TEST_CASE("random bytes are refused or split, never worse") {
  const std::uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 5000; ++round) {
    std::string document(random() % 200, '\0');
    for (char& c : document) c = static_cast<char>(random() % (round % 2 == 0 ? 256 : 128));
    for (const auto format : {DocumentFormat::plain, DocumentFormat::markdown}) {
      const auto passages = split_passages(document, format);
      if (passages) check_rules(document, *passages);
    }
  }
}

TEST_CASE("large hostile documents take linear time") {
  const std::string blank(2'000'000, '\n');
  for (const auto format : {DocumentFormat::plain, DocumentFormat::markdown}) {
    check_rules("a" + blank + "b", split("a" + blank + "b", format));
    check_rules("- a" + blank + "- b", split("- a" + blank + "- b", format));
    check_rules("", split(std::string(2'000'000, ' '), format));
    const std::string marks = repeated("Title\n\n", 200'000);
    check_rules(marks, split(marks, format));
  }
}
