#include "apps/evaluate/pattern.h"

#include "tests/catch.h"

using namespace limn;
using Places = Pattern::Places;

TEST_CASE("a pattern knows every place where it may end", "[pattern]") {
  const CharSet letter = one_of(u"a-z"), digit = one_of(u"0-9");
  CHECK(some(letter).ends(u"abc1", {0}) == Places{1, 2, 3});
  CHECK(any(letter).ends(u"1", {0}) == Places{0});
  CHECK(times(letter, 2, 3).ends(u"abcd", {0}) == Places{2, 3});
  CHECK(times(letter, 2).ends(u"a1bcd", {0, 2}) == Places{4, 5});
  CHECK(Pattern(letter).ends(u"a1b", {0, 1, 2, 3}) == Places{1, 3});
  CHECK((some(letter) + digit).ends(u"abc1", {0}) == Places{4});
  CHECK((Pattern(u"ab") | u"a").ends(u"abc", {0}) == Places{1, 2});
  CHECK(maybe(letter).ends(u"ab", {0}) == Places{0, 1});
  CHECK(some(Pattern(u"ab") | u"a").ends(u"aabab", {0}) == Places{1, 2, 3, 4, 5});
  CHECK(times(Pattern(u"ab"), 1, 2).ends(u"ababab", {0}) == Places{2, 4});
  CHECK(any(any(letter)).ends(u"ab", {0}) == Places{0, 1, 2});  // an empty repetition ends
  CHECK(none_of(u"^-").operator()(u'a'));
  CHECK_FALSE(none_of(u"^-")(u'-'));
}

TEST_CASE("small letters in words match capitals, capitals only themselves", "[pattern]") {
  const Pattern words = word_of(u"mr Miss .-");
  CHECK(words.ends(u"MR", {0}) == Places{2});
  CHECK(words.ends(u"MISS", {0}) == Places{4});
  CHECK(words.ends(u"miss", {0}).empty());
  CHECK(words.ends(u".-", {0}) == Places{2});
  CHECK(words.ends(u"m", {0}).empty());
}

TEST_CASE("what a pattern may begin with rules it out early, never wrongly", "[pattern]") {
  const Pattern number = maybe(one_of(u"+-")) + some(one_of(u"0-9"));
  CHECK(number.may_begin_with(u'+'));
  CHECK(number.may_begin_with(u'7'));
  CHECK_FALSE(number.may_begin_with(u'a'));
  CHECK(any(one_of(u"a")).may_begin_with(u'b'));  // it may be empty
  CHECK(word_of(u"\u00E9t\u00E9").may_begin_with(u'\u00E9'));
  CHECK_FALSE(word_of(u"it").may_begin_with(u'\u00E9'));
}
