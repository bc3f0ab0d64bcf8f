#include "text/fix_text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>

#include "text/fix_encoding.h"
#include "text/html_entities.h"
#include "text/unicode.h"

namespace limn {

namespace {

bool is_ascii_alphanumeric(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string upper(const std::string& text) {
  std::string result;
  icu::UnicodeString::fromUTF8(text).toUpper(icu::Locale::getRoot()).toUTF8String(result);
  return result;
}

/// One reference "&name;": its character; an all-capitals name of a lower-case one gives the capital. Else itself.
std::string entity(const std::string& reference) {
  const std::string name = reference.substr(1);
  if (name.starts_with('#')) {
    std::string number = unescape_html(reference);
    return number.find(';') == std::string::npos ? number : reference;
  }
  if (std::string found = html_entity(name); !found.empty()) return found;
  const std::string lower = python_lower(name);
  const std::string found = html_entity(lower);
  const bool capitals = std::none_of(name.begin(), name.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  return capitals && !found.empty() && unescape_html(reference) == reference ? upper(found) : reference;
}

/// Entities of at most 24 letters and digits that end with a semicolon.
std::u32string unescape(const std::u32string& text) {
  std::u32string result;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at + 1;
    if (text[at] == '&') {
      if (end < text.size() && text[end] == '#') ++end;
      const std::size_t first = end;
      while (end < text.size() && end - first <= 24 && is_ascii_alphanumeric(text[end])) ++end;
      if (end > first && end - first <= 24 && end < text.size() && text[end] == ';') {
        result += utf32(entity(utf8(std::u32string_view(text).substr(at, end + 1 - at))));
        at = end + 1;
        continue;
      }
    }
    result += text[at++];
  }
  return result;
}

const char32_t* ligature(char32_t c) {
  static constexpr std::pair<char32_t, const char32_t*> kLigatures[] = {
      {U'\u0132', U"IJ"},      {U'\u0133', U"ij"}, {U'\u0149', U"\u02BCn"}, {U'\u01F1', U"DZ"},
      {U'\u01F2', U"Dz"},      {U'\u01F3', U"dz"}, {U'\u01C4', U"D\u017D"}, {U'\u01C5', U"D\u017E"},
      {U'\u01C6', U"d\u017E"}, {U'\u01C7', U"LJ"}, {U'\u01C8', U"Lj"},      {U'\u01C9', U"lj"},
      {U'\u01CA', U"NJ"},      {U'\u01CB', U"Nj"}, {U'\u01CC', U"nj"},      {U'\uFB00', U"ff"},
      {U'\uFB01', U"fi"},      {U'\uFB02', U"fl"}, {U'\uFB03', U"ffi"},     {U'\uFB04', U"ffl"},
      {U'\uFB05', U"\u017Ft"}, {U'\uFB06', U"st"}};
  for (const auto& [from, to] : kLigatures)
    if (from == c) return to;
  return nullptr;
}

bool is_removed(char32_t c) {
  return c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || (c >= 0x206A && c <= 0x206F) ||
         c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

/// The length of a terminal's escape sequence at `at`, such as ESC [ 1 ; 31 m; 0 where there is none.
std::size_t escape_length(std::u32string_view text, std::size_t at) {
  if (text[at] != 0x1B || at + 1 >= text.size() || text[at + 1] != '[') return 0;
  std::size_t end = at + 2;
  while (end < text.size() && (u_isdigit(static_cast<UChar32>(text[end])) || text[end] == ';')) ++end;
  const bool letter = end < text.size() && is_ascii_alphanumeric(text[end]) && text[end] > '9';
  return letter ? end + 1 - at : 0;
}

/// Ligatures, widths, quotes, line ends: character by character.
std::u32string simplify(const std::u32string& text) {
  std::u32string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char32_t c = text[at];
    if (const char32_t* letters = ligature(c)) {
      result += letters;
    } else if (c == 0x3000) {
      result += U' ';
    } else if (c >= 0xFF01 && c <= 0xFFEF) {
      result += utf32(normalize(utf8({&c, 1}), Normal::nfkc));
    } else if (c >= 0x201C && c <= 0x201F) {
      result += U'"';
    } else if (c == 0x02BC || (c >= 0x2018 && c <= 0x201B)) {
      result += U'\'';
    } else if (c == '\r' || c == 0x2028 || c == 0x2029 || c == 0x85) {
      if (c == '\r' && at + 1 < text.size() && text[at + 1] == '\n') ++at;
      result += U'\n';
    } else {
      result += c;
    }
  }
  return result;
}

std::u32string without_controls(const std::u32string& text) {
  std::u32string unescaped, result;
  for (std::size_t at = 0; at < text.size();) {
    if (const std::size_t length = escape_length(text, at)) {
      at += length;
    } else {
      unescaped += text[at++];
    }
  }
  std::copy_if(unescaped.begin(), unescaped.end(), std::back_inserter(result),
               [](char32_t c) { return !is_removed(c); });
  return result;
}

std::u32string fix_line(std::u32string text, bool entities) {
  for (;;) {
    const std::u32string before = text;
    if (entities) text = unescape(text);
    text = fix_encoding(std::move(text));
    fix_c1_controls(text);
    text = without_controls(simplify(text));
    text = utf32(normalize(utf8(text), Normal::nfc));
    if (text == before) return text;
  }
}

/// Whether nothing in a text could change: printable ASCII and plain white space without a reference.
bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= 0x20 && c < 0x7F && c != '&') || c == '\t' || c == '\n' || c == '\f'; });
}

}  // namespace

std::string fix_text(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  std::string result;
  bool entities = true;  // until a line holds "<": then it may be HTML, and so may the rest
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string_view line = text.substr(at, end - at);
    if (line.find('<') != std::string_view::npos) entities = false;
    result += utf8(fix_line(utf32(line), entities));
    at = end;
  }
  return result;
}

}  // namespace limn
