#include "core/utf8.h"

#include <unicode/utf8.h>

#include <random>
#include <vector>

#include "tests/catch.h"

using namespace limn;

namespace {

std::vector<std::uint32_t> code_points(std::string_view text) {
  std::vector<std::uint32_t> result;
  for (std::size_t at = 0; at < text.size();) result.push_back(next_code_point(text, at));
  return result;
}

}  // namespace

TEST_CASE("utf8: each maximal ill-formed part is one replacement", "[utf8]") {
  CHECK(code_points("a\u00e9\u72d7\U0001F600") == std::vector<std::uint32_t>{'a', 0xE9, 0x72D7, 0x1F600});
  // Unicode's own example (3.9, table 3-8), and what Python gives for the others.
  CHECK(code_points("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64") ==
        std::vector<std::uint32_t>{'a', 0xFFFD, 0xFFFD, 0xFFFD, 'b', 0xFFFD, 'c', 0xFFFD, 0xFFFD, 'd'});
  CHECK(code_points("\xED\xA0\x80") == std::vector<std::uint32_t>{0xFFFD, 0xFFFD, 0xFFFD});
  CHECK(code_points("\xF4\x90\x80\x80") == std::vector<std::uint32_t>(4, 0xFFFD));
  CHECK(code_points("\xC0\x80") == std::vector<std::uint32_t>{0xFFFD, 0xFFFD});
  CHECK(code_points("\xE4\xB8") == std::vector<std::uint32_t>{0xFFFD});
}

TEST_CASE("utf8: agrees with ICU on random bytes, and with the search for ill-formed ones", "[utf8]") {
  std::mt19937 random(7);
  const unsigned char likely[] = {'a',  0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2,
                                  0xDF, 0xE0, 0xE4, 0xED, 0xEF, 0xF0, 0xF3, 0xF4, 0xF5, 0xFF};
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (std::size_t i = random() % 9; i > 0; --i) text += static_cast<char>(likely[random() % std::size(likely)]);
    std::vector<std::uint32_t> expected;
    std::size_t invalid = std::string::npos;
    for (std::int32_t at = 0; at < static_cast<std::int32_t>(text.size());) {
      const auto begin = static_cast<std::size_t>(at);
      UChar32 c;
      U8_NEXT(reinterpret_cast<const std::uint8_t*>(text.data()), at, static_cast<std::int32_t>(text.size()), c);
      if (c < 0 && invalid == std::string::npos) invalid = begin;
      expected.push_back(c < 0 ? 0xFFFD : static_cast<std::uint32_t>(c));
    }
    CAPTURE(round);
    REQUIRE(code_points(text) == expected);
    REQUIRE(find_invalid_utf8(text) == invalid);
  }
}
