// The names that a text mentions, and what makes two spellings one.
#include <catch2/catch.hpp>

#include "engine/text/mentions.hpp"

using namespace aeon::engine;

namespace {

using Names = std::vector<std::string>;

Names found(std::string_view text) {
  std::vector<std::string_view> mentions;
  find_mentions(text, mentions);
  return {mentions.begin(), mentions.end()};
}

std::string folded(std::string_view name) {
  std::string out;
  fold_name(name, out);
  return out;
}

}  // namespace

TEST_CASE("Runs of capitals are mentions") {
  CHECK(found("we met Ada Lovelace in Turin and again in Rome") ==
        Names{"Ada Lovelace", "Turin", "Rome"});
  CHECK(found("nothing here") == Names{});
  CHECK(found("") == Names{});
  CHECK(found("a trip to New York, Boston and San Diego") ==
        Names{"New York", "Boston", "San Diego"});
  CHECK(found("sold by Marks & Spencer") == Names{"Marks & Spencer"});
  CHECK(found("it is Anna-Maria's and O'Neill’s boat") == Names{"Anna-Maria", "O'Neill"});
}

TEST_CASE("Particles and numbers join names") {
  CHECK(found("the University of Vienna") == Names{"University of Vienna"});
  CHECK(found("the Bank of the South paid") == Names{"Bank of the South"});
  CHECK(found("painted by Vincent van Gogh") == Names{"Vincent van Gogh"});
  CHECK(found("on Apollo 11 they flew") == Names{"Apollo 11"});
  CHECK(found("the King of hearts") == Names{"King"});
  CHECK(found("in 1999 he left") == Names{});
}

TEST_CASE("Full stops end a name unless an initial or a title stands before") {
  CHECK(found("by J. R. Hartley") == Names{"J. R. Hartley"});
  CHECK(found("by J.R. Hartley") == Names{"J.R. Hartley"});
  CHECK(found("ask Dr. Grey there") == Names{"Dr. Grey"});
  CHECK(found("He flew to Lima. Quito was next") == Names{"Lima", "Quito"});
  CHECK(found("vitamin C. The end") == Names{});
}

TEST_CASE("A sentence's first word is no name when it is a frequent one") {
  CHECK(found("The house. When it rained. However") == Names{"However"});
  CHECK(found("Never again. So I think Never is a name") == Names{"Never"});
  CHECK(found("The Hague and The Times") == Names{"Hague", "Times"});
  CHECK(found("I am. A B C") == Names{"B C"});
}

TEST_CASE("Capitals are Unicode's; scripts without them have no mentions") {
  const Names russian = {"Москвы", "Санкт Петербург"};
  CHECK(found("из Москвы в Санкт Петербург") == russian);
  CHECK(found("über Österreich nach Århus") == Names{"Österreich", "Århus"});
  CHECK(found("東京へ行く") == Names{});
}

TEST_CASE("What is longer than a name is none") {
  CHECK(found("xx Aa Bb Cc Dd Ee Ff Gg Hh") == Names{"Aa Bb Cc Dd Ee Ff Gg Hh"});
  CHECK(found("xx Aa Bb Cc Dd Ee Ff Gg Hh Ii") == Names{});
}

TEST_CASE("Titles lose the brackets at their end") {
  CHECK(without_brackets("Mercury (planet)") == "Mercury");
  CHECK(without_brackets("Mercury") == "Mercury");
  CHECK(without_brackets("(untitled)") == "(untitled)");
  CHECK(without_brackets("f(x) = y") == "f(x) = y");
  CHECK(without_brackets("") == "");
}

TEST_CASE("Spellings of a name fold to one") {
  CHECK(folded("Person-Centered  Therapy") == "person centered therapy");
  CHECK(folded("person - centered therapy") == folded("Person-Centered Therapy"));
  CHECK(folded("ＳＴＲＡßE") == folded("strasse"));
  CHECK(folded("...") == "");
  CHECK(folded("running") != folded("run"));
}
