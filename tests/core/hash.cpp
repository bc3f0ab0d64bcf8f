#include "core/hash.h"

#include <string>

#include "tests/catch.h"

using namespace limn;

TEST_CASE("Hash64 is XXH64, in one piece and in many", "[core][hash]") {
  CHECK(hash_of("") == 0xEF46DB3751D8E999ull);
  CHECK(hash_of("a") == 0xD24EC4F1A98C6E5Bull);
  CHECK(hash_of("abc") == 0x44BC2CF5AD770999ull);
  CHECK(hash_of("Nobody inspects the spammish repetition") == 0xFBCEA83C8A378BF1ull);  // longer than a stripe
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 31);
  const auto step = GENERATE(1, 7, 31, 32, 33, 64, 999);
  Hash64 hash;
  for (std::size_t at = 0; at < text.size(); at += static_cast<std::size_t>(step))
    hash.update(std::string_view(text).substr(at, static_cast<std::size_t>(step)));
  CHECK(hash.value() == hash_of(text));
}
