#include "apps/evaluate/ptb_tokenizer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "apps/evaluate/ptb_rules.h"
#include "text/unicode.h"

namespace limn {

namespace {

std::u16string utf16(std::string_view text) {
  std::u16string result;
  for (const char32_t c : utf32(valid_utf8(text))) {
    if (c < 0x10000) {
      result += static_cast<char16_t>(c);
    } else {
      result += static_cast<char16_t>(0xD7C0 + (c >> 10));
      result += static_cast<char16_t>(0xDC00 + (c & 0x3FF));
    }
  }
  return result;
}

std::string utf8_of(std::u16string_view text) {
  std::u32string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    const bool pair = c >= 0xD800 && c < 0xDC00 && i + 1 < text.size() && text[i + 1] >= 0xDC00 && text[i + 1] < 0xE000;
    if (pair) {
      result += static_cast<char32_t>(0x10000 + ((c - 0xD800) << 10) + (text[++i] - 0xDC00u));
    } else {
      result += c >= 0xD800 && c < 0xE000 ? 0xFFFD : c;
    }
  }
  return utf8(result);
}

struct Replacement {
  PtbEdit edit;
  std::u16string_view from, to;
};

// Small letters of `from` stand for capitals too where it is one of the entities; &apos; and &quot; are exact.
constexpr Replacement kReplacements[] = {
    {PtbEdit::soft_hyphens, u"\u00AD", u""},
    {PtbEdit::spaces, u" ", u"\u00A0"},
    {PtbEdit::smiley, u" ", u"\u00A0"},
    {PtbEdit::smiley, u"(", u"-LRB-"},
    {PtbEdit::smiley, u")", u"-RRB-"},
    {PtbEdit::brackets, u"(", u"-LRB-"},
    {PtbEdit::brackets, u")", u"-RRB-"},
    {PtbEdit::brackets, u"{", u"-LCB-"},
    {PtbEdit::brackets, u"}", u"-RCB-"},
    {PtbEdit::brackets, u"[", u"-LSB-"},
    {PtbEdit::brackets, u"]", u"-RSB-"},
    {PtbEdit::entities, u"&amp;", u"&"},
    {PtbEdit::entities, u"&lt;", u"<"},
    {PtbEdit::entities, u"&gt;", u">"},
    {PtbEdit::currency, u"\u00A2", u"cents"},
    {PtbEdit::currency, u"\u00A3", u"#"},
    {PtbEdit::currency, u"\u00A4", u"$"},
    {PtbEdit::currency, u"\u0080", u"$"},  // the euro sign of Windows' code page
    {PtbEdit::currency, u"\u20A0", u"$"},
    {PtbEdit::currency, u"\u20AC", u"$"},
    {PtbEdit::fractions, u"\u00BC", u"1/4"},
    {PtbEdit::fractions, u"\u00BD", u"1/2"},
    {PtbEdit::fractions, u"\u00BE", u"3/4"},
    {PtbEdit::fractions, u"\u2153", u"1/3"},
    {PtbEdit::fractions, u"\u2154", u"2/3"},
    {PtbEdit::quotes, u"\"", u"''"},
    {PtbEdit::quotes, u"&quot;", u"''"},
    {PtbEdit::quotes, u"&apos;", u"'"},
    {PtbEdit::quotes, u"\u0091", u"`"},
    {PtbEdit::quotes, u"\u2018", u"`"},
    {PtbEdit::quotes, u"\u201B", u"`"},
    {PtbEdit::quotes, u"\u2039", u"`"},
    {PtbEdit::quotes, u"\u0092", u"'"},
    {PtbEdit::quotes, u"\u2019", u"'"},
    {PtbEdit::quotes, u"\u203A", u"'"},
    {PtbEdit::quotes, u"\u0093", u"``"},
    {PtbEdit::quotes, u"\u201C", u"``"},
    {PtbEdit::quotes, u"\u00AB", u"``"},
    {PtbEdit::quotes, u"\u0094", u"''"},
    {PtbEdit::quotes, u"\u201D", u"''"},
    {PtbEdit::quotes, u"\u00BB", u"''"},
};

void edit_token(std::u16string& token, PtbEdit edit) {
  if (edit == PtbEdit::keep) return;
  if (edit == PtbEdit::drop) token.clear();
  if (edit == PtbEdit::mark) token = u"--";
  const auto same = [edit](char16_t there, char16_t wanted) {
    const bool capital = edit == PtbEdit::entities && there >= u'A' && there <= u'Z';
    return (capital ? there - u'A' + u'a' : there) == wanted;
  };
  for (const Replacement& row : kReplacements) {
    if (row.edit != edit) continue;
    for (std::size_t at = 0;;) {
      const auto found = std::search(token.begin() + static_cast<std::ptrdiff_t>(at), token.end(), row.from.begin(),
                                     row.from.end(), same);
      if (found == token.end()) break;
      at = static_cast<std::size_t>(found - token.begin());
      token.replace(at, row.from.size(), row.to);
      at += row.to.size();
    }
  }
}

// The tokens that are dropped when they stand alone.
bool is_punctuation(std::string_view token) {
  constexpr std::array<std::string_view, 13> kMarks = {"''", "'", "``", "`",  ".",   "?", "!",
                                                       ",",  ":", "-",  "--", "...", ";"};
  return std::find(kMarks.begin(), kMarks.end(), token) != kMarks.end();
}

struct Found {
  const PtbRule* rule = nullptr;
  std::size_t end = 0;     // of the body
  std::size_t length = 0;  // with what must follow
};

Found longest_match(std::u16string_view text, std::size_t begin) {
  Found best;
  for (const PtbRule& rule : ptb_rules()) {
    if (!rule.body.may_begin_with(text[begin])) continue;
    const Pattern::Places ends = rule.body.ends(text, {begin});
    if (ends.empty()) continue;
    const Pattern::Places after = rule.ahead ? rule.ahead.ends(text, ends) : ends;
    if (after.empty() || after.back() - begin <= best.length) continue;
    best = {&rule, ends.back(), after.back() - begin};
    if (!rule.ahead) continue;
    const Pattern::Places longest_first(ends.rbegin(), ends.rend());
    for (const std::size_t end : longest_first) {  // the longest body that what follows allows
      best.end = end;
      const Pattern::Places reach = rule.ahead.ends(text, {end});
      if (!reach.empty() && reach.back() == after.back()) break;
    }
  }
  return best;
}

bool is_latin(char16_t c) { return (c >= u'a' && c <= u'z') || (c >= u'A' && c <= u'Z'); }

// Nearly all of a caption are plain words between spaces, which no rule but a few splits. Their end, or `begin`.
std::size_t plain_word(std::u16string_view text, std::size_t begin) {
  static const Pattern split = word_of(u"cannot gonna gotta lemme gimme wanna");
  std::size_t end = begin;
  while (end < text.size() && is_latin(text[end])) ++end;
  if (end == begin || end == text.size() || (text[end] != u' ' && text[end] != u'\n')) return begin;
  const Pattern::Places ends = split.ends(text, {begin});
  return ends.empty() || ends.back() != end ? end : begin;
}

// The scanner's tokens, lower-cased, each followed by a space.
std::string scan(std::u16string text) {
  for (char16_t& c : text) {
    if (c == u'\n' || c == u'\r' || c == u'\v' || c == u'\f' || c == u'\u2028' || c == u'\u2029') c = u' ';
  }
  const std::size_t size = text.size();
  text += u"\na word";  // the scanner looks ahead over the line's end

  std::string line;
  for (std::size_t at = 0; at < size;) {
    std::u16string token;
    if (text[at] == u' ' && text[at + 1] < 0x80) {  // other blanks would be part of the same gap
      ++at;
      continue;
    }
    if (const std::size_t end = plain_word(text, at); end > at) {
      token = text.substr(at, end - at);
      at = end;
    } else {
      const Found found = longest_match(text, at);
      const std::size_t stop = found.end - found.rule->back;
      token = text.substr(at, stop - at);
      edit_token(token, found.rule->edit);
      at = stop;
    }
    if (!token.empty()) line += python_lower(utf8_of(token)) + ' ';
  }
  return line;
}

}  // namespace

std::string ptb_tokenize(std::string_view caption) {
  std::string line = scan(utf16(caption));
  for (std::size_t end = line.size(); end > 0;) {  // white space of all kinds, should the last token end in such
    const char32_t c = previous_code_point(line, end);
    if (!is_space(c) && (c < 0x1C || c > 0x1F)) break;
    line.resize(end);
  }
  std::string tokens;
  for (std::size_t begin = 0; begin < line.size();) {
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    const std::string_view token = std::string_view(line).substr(begin, end - begin);
    begin = end + 1;
    if (is_punctuation(token)) continue;
    if (!tokens.empty()) tokens += ' ';
    tokens += token;
  }
  return tokens;
}

std::string cjk_tokenize(std::string_view caption) {
  const auto ideograph = [](char32_t c) {
    return c == 0x3007 || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x3FFFF);
  };
  std::string tokens;
  bool apart = true;  // the next token begins anew
  for (const char32_t c : utf32(python_lower(valid_utf8(caption)))) {
    const bool alone = ideograph(c);
    if (!alone && !is_letter_mark_or_number(c)) {
      apart = true;
      continue;
    }
    if ((apart || alone) && !tokens.empty()) tokens += ' ';
    append_utf8(tokens, c);
    apart = alone;
  }
  return tokens;
}

}  // namespace limn
