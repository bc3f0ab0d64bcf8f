#include "core/utf8.h"

namespace limn {

namespace {

constexpr char32_t kIllFormed = 0xFFFFFFFF;

// The code point at `at`, or kIllFormed; `at` moves behind it, or behind the maximal ill-formed part.
char32_t read_code_point(std::string_view text, std::size_t& at) {
  const unsigned lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xC2 && lead <= 0xDF ? 1 : lead >> 4 == 0xE ? 2 : lead >= 0xF0 && lead <= 0xF4 ? 3 : 0;
  // What the second byte may be: shuts out overlong forms, surrogates, and all beyond U+10FFFF.
  unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  char32_t code_point = lead & (0x3F >> more);
  for (int i = 0; i < more; ++i, low = 0x80, high = 0xBF) {
    const unsigned byte = at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
    if (byte < low || byte > high) return kIllFormed;
    code_point = code_point << 6 | (byte & 0x3F);
    ++at;
  }
  return more > 0 ? code_point : kIllFormed;
}

}  // namespace

std::size_t find_invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    if (read_code_point(text, at) == kIllFormed) return begin;
  }
  return std::string_view::npos;
}

char32_t next_code_point(std::string_view text, std::size_t& at) {
  const char32_t code_point = read_code_point(text, at);
  return code_point == kIllFormed ? 0xFFFD : code_point;
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto put = [&](unsigned value) { text.push_back(static_cast<char>(value)); };
  const unsigned c = code_point;
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

}  // namespace limn
