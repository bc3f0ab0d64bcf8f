#include "apps/evaluate/ptb_tokenizer.h"

#include <zlib.h>

#include <array>
#include <iostream>

#include "core/json.h"
#include "tests/catch.h"
#include "tests/goldens/runner.h"
#include "tests/places.h"

using namespace limn;

namespace {

std::string read_gzip(const std::filesystem::path& path) {
  const gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw InputError(path.string() + ": cannot be opened");
  std::string text;
  std::array<char, 1 << 14> piece;
  for (int count; (count = gzread(file, piece.data(), piece.size())) > 0;)
    text.append(piece.data(), static_cast<std::size_t>(count));
  gzclose(file);
  return text;
}

}  // namespace

TEST_CASE("PTB tokens: rules that a port gets wrong", "[ptb]") {
  const std::pair<const char*, const char*> cases[] = {
      {"A man isn't here.", "a man is n't here"},
      {"B. A man", "b a man"},  // an initial before a word that opens sentences
      {"B. a man of the U.S.", "b. a man of the u.s."},
      {"fig. 5, fig. five", "fig. 5 fig five"},  // kept before digits only
      {"jan.c x", "jan. c x"},                   // the look-ahead counts towards the length
      {"X.com 9x.com", "x.com 9x com"},
      {"1 1/2 of (555) 555-1234", "1\u00A01/2 of -lrb-555-rrb-\u00A0555-1234"},
      {"a--b ---- c ----- d", "a b c ----- d"},
      {"who'd've can't y'all 'twas", "who 'd 've ca n't y' all 't was"},
      {"who\u2019d isn\u2019t \u2019em", "who 'd is n't \u2019em"},
      {"\u201Ca\u201D \u201C\u201D", "a ``''"},
      {"<a href='x y'>b</a>", "<a\u00A0href='x\u00A0y'> b </a>"},
      {"AT&amp;T at&t &QUOT;", "at&t at & t &quot;"},
      {"\u00BD \u00A35 5\u00A2 \u20AC9", "1/2 # 5 5 cents $ 9"},
      {"caf\u00E9 na\u00EFve \u0130", "caf\u00E9 na\u00EFve i\u0307"},
      {"soft\u00ADly a\u200Bb", "softly a b"},
      {"smile \U0001F600 end", "smile end"},
      {"see http://a.b/c\u00A0 --", "see http://a.b/c\u00A0"},  // U+00A0 belongs to it
      {"see http://a.b/c\u00A0", "see http://a.b/c"},           // unless it ends the line
      {"one\ntwo\rthree\u2028four", "one two three four"},
      {"", ""},
      {" . ", ""},
      {"bad \xFF byte", "bad byte"},
  };
  for (const auto& [text, tokens] : cases) {
    CAPTURE(text);
    CHECK(ptb_tokenize(text) == tokens);
  }
}

TEST_CASE("PTB tokens: long strings without a gap", "[ptb]") {
  for (const char* piece : {"a.", "a@", "a-", "A&", "1,", "<a b=", "'s"}) {
    std::string text;
    for (int i = 0; i < 1500; ++i) text += piece;
    CAPTURE(piece);
    CHECK_FALSE(ptb_tokenize(text).empty());
  }
}

TEST_CASE("PTB tokens: irregular captions and strange strings as the reference has them", "[ptb]") {
  for (const char* name : {"ptb-irregular.jsonl.gz", "ptb-strange.jsonl.gz"}) {
    const auto path = fixtures_folder() / "caption-metrics" / name;
    if (!std::filesystem::exists(path)) {
      std::cout << "SKIPPED: PTB tokens: " << path.string() << " is not there\n";
      continue;
    }
    const std::string text = read_gzip(path);
    std::size_t lines = 0;
    for (std::size_t begin = 0; begin < text.size(); ++lines) {
      const std::size_t end = text.find('\n', begin);
      const Json line = Json::parse(std::string_view(text).substr(begin, end - begin), name);
      begin = end + 1;
      if (ptb_tokenize(line["text"].text()) == line["tokens"].text()) continue;
      CAPTURE(line["text"].text());
      CHECK(ptb_tokenize(line["text"].text()) == line["tokens"].text());
    }
    CHECK(lines > 1000);
  }
}

TEST_CASE("Chinese tokens", "[ptb]") {
  CHECK(cjk_tokenize("\u4E00\u4E2A\u7A7FT\u6064\u7684\u4EBA\u30022008\u5E74") ==
        "\u4E00 \u4E2A \u7A7F t \u6064 \u7684 \u4EBA 2008 \u5E74");
  CHECK(cjk_tokenize("caf\u00E9 OK, e\u0301x") == "caf\u00E9 ok e\u0301x");
  CHECK(cjk_tokenize("\U00020000\u3007") == "\U00020000 \u3007");
  CHECK(cjk_tokenize(" \u3002\uFF0C ").empty());
}
