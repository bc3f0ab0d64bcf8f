#include "text/unicode.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "core/error.h"

namespace limn {

namespace {

const std::uint8_t* bytes(std::string_view text) { return reinterpret_cast<const std::uint8_t*>(text.data()); }

/// Whether the character is of one of the general categories, and `version` of Unicode knew it.
bool is_of(char32_t code_point, std::uint32_t categories, UnicodeVersion version = {}) {
  const auto c = static_cast<UChar32>(code_point);
  if ((U_GET_GC_MASK(c) & categories) == 0) return false;
  if (version.major == UnicodeVersion{}.major) return true;
  UVersionInfo age;  // major, minor, …
  u_charAge(c, age);
  return age[0] < version.major || (age[0] == version.major && age[1] <= version.minor);
}

/// Whether Unicode 8 knew the character.
bool in_unicode_8(UChar32 c) {
  UVersionInfo age;
  u_charAge(c, age);
  return age[0] >= 1 && age[0] <= 8;
}

/// All characters that a version of Unicode had; made once for each version.
const icu::UnicodeSet& characters_of(UnicodeVersion version, UErrorCode& status) {
  static std::mutex guard;
  static std::map<std::pair<int, int>, icu::UnicodeSet> sets;
  const std::lock_guard lock(guard);
  icu::UnicodeSet& set = sets[{version.major, version.minor}];
  if (!set.isFrozen()) {
    const std::string age = std::to_string(version.major) + "." + std::to_string(version.minor);
    set.applyPattern(icu::UnicodeString::fromUTF8("[:age=" + age + ":]"), status).freeze();
  }
  return set;
}

/// str.isspace(): White_Space and the four separators U+001C to U+001F.
bool is_python_space(char32_t c) { return is_space(c) || (c >= 0x1C && c <= 0x1F); }

}  // namespace

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string valid_utf8(std::string_view text) {
  if (find_invalid_utf8(text) == std::string_view::npos) return std::string(text);
  std::string result;
  for (std::size_t at = 0; at < text.size();) append_utf8(result, next_code_point(text, at));
  return result;
}

char32_t previous_code_point(std::string_view text, std::size_t& at) {
  auto place = static_cast<std::int32_t>(std::min<std::size_t>(at, 8));  // a code point has at most four bytes
  const std::string_view tail = text.substr(at - static_cast<std::size_t>(place), static_cast<std::size_t>(place));
  const std::int32_t before = place;
  UChar32 c;
  U8_PREV_OR_FFFD(bytes(tail), 0, place, c);
  at -= static_cast<std::size_t>(before - place);
  return static_cast<char32_t>(c);
}

std::u32string utf32(std::string_view text) {
  std::u32string result;
  result.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) result.push_back(next_code_point(text, at));
  return result;
}

std::string utf8(std::u32string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char32_t c : text) append_utf8(result, c);
  return result;
}

bool is_space(char32_t code_point) { return u_isUWhiteSpace(static_cast<UChar32>(code_point)); }

bool is_word(char32_t code_point) {
  const auto c = static_cast<UChar32>(code_point);
  if (u_hasBinaryProperty(c, UCHAR_ALPHABETIC) || u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL)) return true;
  return (U_GET_GC_MASK(c) & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0;
}

bool is_letter(char32_t code_point, UnicodeVersion version) { return is_of(code_point, U_GC_L_MASK, version); }
bool is_decimal_digit(char32_t code_point, UnicodeVersion version) { return is_of(code_point, U_GC_ND_MASK, version); }
bool is_mark(char32_t code_point, UnicodeVersion version) { return is_of(code_point, U_GC_M_MASK, version); }
bool is_number(char32_t code_point) { return is_of(code_point, U_GC_N_MASK); }
bool is_letter_mark_or_number(char32_t code_point) {
  return is_of(code_point, U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK);
}

bool is_table_punctuation(char32_t code_point) {
  const auto c = static_cast<UChar32>(code_point);
  if (c < 0x80) return c > 0x20 && c < 0x7F && !u_isalnum(c);
  if (c == 0x166D || c == 0x111C9) return true;  // no longer
  return (U_GET_GC_MASK(c) & U_GC_P_MASK) != 0 && in_unicode_8(c);
}

bool is_table_nonspacing(char32_t code_point) {
  const auto c = static_cast<UChar32>(code_point);
  if (c == 0x1734) return true;                                                 // no longer
  if (c == 0x1885 || c == 0x1886 || c == 0xA9BD || c == 0x111C9) return false;  // not yet
  return c >= 0x300 && (U_GET_GC_MASK(c) & U_GC_MN_MASK) != 0 && in_unicode_8(c);
}

bool is_table_other(char32_t code_point) {
  const auto c = static_cast<UChar32>(code_point);
  const std::uint32_t category = U_GET_GC_MASK(c);
  return (category & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)) != 0 && in_unicode_8(c);
}

void append_lower(std::string& text, char32_t code_point) {
  if (code_point == 0x130) {
    text += "i\u0307";  // the only full mapping that differs from the simple ones
  } else {
    append_utf8(text, static_cast<char32_t>(u_tolower(static_cast<UChar32>(code_point))));
  }
}

bool begins_with_word(std::string_view text) {
  std::size_t at = 0;
  return !text.empty() && is_word(next_code_point(text, at));
}

bool ends_in_word(std::string_view text) {
  std::size_t at = text.size();
  return !text.empty() && is_word(previous_code_point(text, at));
}

std::size_t space_at_begin(std::string_view text) {
  std::size_t space = 0;
  for (std::size_t at = 0; at < text.size(); space = at)
    if (!is_space(next_code_point(text, at))) break;
  return space;
}

std::size_t space_at_end(std::string_view text) {
  std::size_t begin = text.size();
  for (std::size_t at = begin; at > 0; begin = at)
    if (!is_space(previous_code_point(text, at))) break;
  return text.size() - begin;
}

std::string normalize(std::string_view text, Normal form, UnicodeVersion version) {
  if (is_ascii(text)) return std::string(text);
  UErrorCode status = U_ZERO_ERROR;
  const bool compatible = form == Normal::nfkc || form == Normal::nfkd;
  const bool compose = form == Normal::nfc || form == Normal::nfkc;
  const auto* rules = icu::Normalizer2::getInstance(nullptr, compatible ? "nfkc" : "nfc",
                                                    compose ? UNORM2_COMPOSE : UNORM2_DECOMPOSE, status);
  std::string result;
  const auto run = [&](const icu::Normalizer2& normalizer) {
    icu::StringByteSink<std::string> sink(&result, static_cast<std::int32_t>(text.size()));
    normalizer.normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())), sink, nullptr,
                             status);
  };
  if (U_SUCCESS(status) && version.major == UnicodeVersion{}.major) run(*rules);
  if (U_SUCCESS(status) && version.major != UnicodeVersion{}.major)
    run(icu::FilteredNormalizer2(*rules, characters_of(version, status)));
  if (U_FAILURE(status)) throw Error(std::string("ICU: ") + u_errorName(status));
  return result;
}

std::optional<int> script_of(char32_t code_point, UnicodeVersion version) {
  UErrorCode status = U_ZERO_ERROR;
  if (!is_of(code_point, ~0u, version)) return std::nullopt;
  const UScriptCode script = uscript_getScript(static_cast<UChar32>(code_point), &status);
  if (code_point == ' ' || U_FAILURE(status) || script == USCRIPT_UNKNOWN) return std::nullopt;
  const bool kana = script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA || code_point == 0x30FC;
  return kana ? USCRIPT_HAN : script;
}

bool is_ideograph(char32_t code_point) {
  return u_hasBinaryProperty(static_cast<UChar32>(code_point), UCHAR_UNIFIED_IDEOGRAPH);
}

std::string python_lower(std::string_view text) {
  if (is_ascii(text)) {
    std::string result(text);
    for (char& c : result)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return result;
  }
  std::string result;
  icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())))
      .toLower(icu::Locale::getRoot())
      .toUTF8String(result);
  return result;
}

std::string python_strip(std::string_view text) {
  std::size_t begin = 0, end = text.size();
  for (std::size_t at = 0; at < text.size() && is_python_space(next_code_point(text, at));) begin = at;
  for (std::size_t at = end; at > begin && is_python_space(previous_code_point(text, at));) end = at;
  return std::string(text.substr(begin, end - begin));
}

std::string joined_words(std::string_view text) {
  std::string result;
  bool space = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    if (is_python_space(next_code_point(text, at))) {
      space = true;
      continue;
    }
    if (space && !result.empty()) result += ' ';
    space = false;
    result += text.substr(begin, at - begin);
  }
  return result;
}

std::string fold_case(std::string_view text) {
  std::string result;
  icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())))
      .foldCase()
      .toUTF8String(result);
  return result;
}

}  // namespace limn
