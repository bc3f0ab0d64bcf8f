#include "text/normalizers.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "text/unicode.h"

namespace limn {

namespace {

/// Keeps the characters that `keep` accepts.
template <typename Keep>
void filter(Normalized& value, Keep keep) {
  std::string result;
  result.reserve(value.text.size());
  for (std::size_t at = 0; at < value.text.size();) {
    const std::size_t begin = at;
    const char32_t c = next_code_point(value.text, at);
    if (keep(c)) {
      result.append(value.text, begin, at - begin);
    } else if (begin == 0) {
      value.at_start = false;
    }
  }
  value.text = std::move(result);
}

/// The block ranges of the original BERT, with the reference's 2B920 where BERT has 2B820.
bool is_bert_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

// Of the reference's tables (the crate unicode-normalization-alignments).
constexpr UnicodeVersion kNormalVersion{9, 0};

bool is_tab_or_line_end(char32_t c) { return c == '\t' || c == '\n' || c == '\r'; }

void clean_and_space(Normalized& value, const BertNormalizerOptions& options) {
  std::string result;
  result.reserve(value.text.size() + 16);
  for (std::size_t at = 0; at < value.text.size();) {
    const std::size_t begin = at;
    const char32_t c = next_code_point(value.text, at);
    if (options.clean_text) {
      if (c == 0 || c == 0xFFFD || (!is_tab_or_line_end(c) && is_table_other(c))) {
        if (begin == 0) value.at_start = false;
        continue;
      }
      if (is_space(c)) {
        result += ' ';
        continue;
      }
    }
    const bool chinese = options.spaces_around_chinese && is_bert_chinese(c);
    if (chinese) result += ' ';
    result.append(value.text, begin, at - begin);
    if (chinese) result += ' ';
  }
  value.text = std::move(result);
}

void lower_each(std::string& text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      result += static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
      ++at;
    } else {
      append_lower(result, next_code_point(text, at));
    }
  }
  text = std::move(result);
}

/// The whole of BERT's normalisation where every character is ASCII.
void bert_ascii(Normalized& value, const BertNormalizerOptions& options) {
  std::string& text = value.text;
  const auto dropped = [&](char c) {
    return options.clean_text && (c == 0x7F || (c < 0x20 && c != '\t' && c != '\n' && c != '\r'));
  };
  if (!text.empty() && dropped(text.front())) value.at_start = false;
  std::size_t out = 0;
  for (const char c : text) {
    if (dropped(c)) continue;
    if (options.clean_text && c <= ' ') {
      text[out++] = ' ';
    } else {
      text[out++] = static_cast<char>(options.lower && c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
  }
  text.resize(out);
}

struct ByteTable {
  std::array<char32_t, 256> character{};
  std::array<std::int16_t, 512> byte{};
  ByteTable() {
    byte.fill(-1);
    char32_t next = 256;
    for (unsigned b = 0; b < 256; ++b) {
      const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      character[b] = printable ? b : next++;
      byte[character[b]] = static_cast<std::int16_t>(b);
    }
  }
};

const ByteTable& byte_table() {
  static const ByteTable table;
  return table;
}

}  // namespace

char32_t byte_character(unsigned char byte) { return byte_table().character[byte]; }

int character_byte(char32_t character) { return character < 512 ? byte_table().byte[character] : -1; }

Normalizer bert_normalizer(const BertNormalizerOptions& options) {
  return [options](Normalized& value) {
    if (is_ascii(value.text)) return bert_ascii(value, options);
    if (options.clean_text || options.spaces_around_chinese) clean_and_space(value, options);
    if (options.strip_accents.value_or(options.lower)) {
      value.text = normalize(value.text, Normal::nfd, kNormalVersion);
      filter(value, [](char32_t c) { return !is_table_nonspacing(c); });
    }
    if (options.lower) lower_each(value.text);
  };
}

Normalizer unicode_normalizer(std::string_view form) {
  const Normal kind = form == "NFC"    ? Normal::nfc
                      : form == "NFD"  ? Normal::nfd
                      : form == "NFKC" ? Normal::nfkc
                                       : Normal::nfkd;
  return [kind](Normalized& value) {
    if (!is_ascii(value.text)) value.text = normalize(value.text, kind, kNormalVersion);
  };
}

Normalizer lowercase_normalizer() {
  return [](Normalized& value) { lower_each(value.text); };
}

Normalizer strip_normalizer(bool left, bool right) {
  return [left, right](Normalized& value) {
    if (right) value.text.resize(value.text.size() - space_at_end(value.text));
    const std::size_t space = left ? space_at_begin(value.text) : 0;
    if (space == 0) return;
    value.text.erase(0, space);
    value.at_start = false;
  };
}

Normalizer strip_accents_normalizer() {
  return [](Normalized& value) { filter(value, [](char32_t c) { return !is_mark(c, kNormalVersion); }); };
}

Normalizer nmt_normalizer() {
  return [](Normalized& value) {
    filter(value, [](char32_t c) {
      return !((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F ||
               c == 0x9F);
    });
    std::string result;
    for (std::size_t at = 0; at < value.text.size();) {
      const char32_t c = next_code_point(value.text, at);
      const bool space = c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
                         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
                         c == 0xFFFD;
      append_utf8(result, space ? U' ' : c);
    }
    value.text = std::move(result);
  };
}

Normalizer replace_normalizer(Pattern pattern, std::string content) {
  return [pattern = std::move(pattern), content = std::move(content)](Normalized& value) {
    std::vector<Match> matches;
    pattern.matches(value.text, matches);
    if (std::none_of(matches.begin(), matches.end(), [](const Match& match) { return match.found; })) return;
    std::string result;
    for (const Match& match : matches) {
      if (match.found) {
        result += content;
      } else {
        result.append(value.text, match.begin, match.end - match.begin);
      }
    }
    // What stands for several characters counts as the last of them.
    const Match& first = matches.front();
    std::size_t last = first.end;
    if (first.found && first.end > 0) {
      previous_code_point(value.text, last);
      if (content.empty() || last > 0) value.at_start = false;
    }
    value.text = std::move(result);
  };
}

Normalizer prepend_normalizer(std::string content) {
  return [content = std::move(content)](Normalized& value) {
    if (!value.text.empty()) value.text.insert(0, content);
  };
}

Normalizer byte_level_normalizer() {
  return [](Normalized& value) {
    std::string result;
    result.reserve(value.text.size() * 2);
    for (const char c : value.text) append_utf8(result, byte_character(static_cast<unsigned char>(c)));
    value.text = std::move(result);
  };
}

Normalizer sequence_normalizer(std::vector<Normalizer> steps) {
  return [steps = std::move(steps)](Normalized& value) {
    for (const Normalizer& step : steps) step(value);
  };
}

}  // namespace limn
