#include "fusion/normalise.h"

#include <algorithm>
#include <array>

namespace limn {

namespace {

constexpr std::array<std::string_view, 17> kFullWidth{"。", "，", "！", "？", "；", "：", "、", "“", "”",
                                                      "‘",  "’",  "（", "）", "…",  "《", "》", "　"};
constexpr std::string_view kDropped = "\"#()*+,./:;<=>?@[\\]^_`{|}~!&$%";

// The bytes of the character at `i`, and whether it is an ideograph (U+3400..9FFF, F900..FAFF and the planes beyond).
std::size_t character_size(std::string_view text, std::size_t i, bool& ideograph) {
  const unsigned char lead = static_cast<unsigned char>(text[i]);
  const std::size_t size = std::min<std::size_t>(lead < 0x80   ? 1
                                                 : lead < 0xE0 ? 2
                                                 : lead < 0xF0 ? 3
                                                               : 4,
                                                 text.size() - i);
  ideograph = false;
  if (size == 3) {
    const unsigned code = (lead & 0x0Fu) << 12 | (static_cast<unsigned char>(text[i + 1]) & 0x3Fu) << 6 |
                          (static_cast<unsigned char>(text[i + 2]) & 0x3Fu);
    ideograph = (code >= 0x3400 && code <= 0x9FFF) || (code >= 0xF900 && code <= 0xFAFF);
  } else if (size == 4) {
    ideograph = lead == 0xF0 && (static_cast<unsigned char>(text[i + 1]) & 0x30u) == 0x20u;
  }
  return size;
}

// Ideographs apart, punctuation as spaces, lower case.
std::string spaced_out(std::string_view text) {
  std::string spaced;
  for (std::size_t i = 0; i < text.size();) {
    bool ideograph = false;
    const std::size_t size = character_size(text, i, ideograph);
    const std::string_view character = text.substr(i, size);
    i += size;
    const unsigned char c = static_cast<unsigned char>(character.front());
    if (character == "’" || character == "‘")
      spaced += '\'';
    else if (std::find(kFullWidth.begin(), kFullWidth.end(), character) != kFullWidth.end())
      spaced += ' ';
    else if (ideograph)
      spaced.append(" ").append(character).append(" ");
    else if (c <= ' ' || (size == 1 && kDropped.find(character.front()) != std::string_view::npos))
      spaced += ' ';
    else if (c >= 'A' && c <= 'Z')
      spaced += static_cast<char>(c + 32);
    else
      spaced += character;
  }
  return spaced;
}

}  // namespace

std::string plain_caption(std::string_view text) {
  const std::string spaced = spaced_out(text);
  std::string plain;
  for (std::size_t i = 0; i < spaced.size();) {
    const std::size_t end = std::min(spaced.find(' ', i), spaced.size());
    std::string_view word = std::string_view(spaced).substr(i, end - i);
    i = end + 1;
    if (word == "'s" && !plain.empty()) {  // "dog 's" as data sets split it
      plain += word;
      continue;
    }
    while (!word.empty() && (word.front() == '\'' || word.front() == '-')) word.remove_prefix(1);
    while (!word.empty() && (word.back() == '\'' || word.back() == '-')) word.remove_suffix(1);
    if (!word.empty()) plain.append(plain.empty() ? "" : " ").append(word);
  }
  return plain;
}

std::string joined_caption(std::string_view plain) {
  std::string joined;
  bool before = false;  // the last character was an ideograph
  for (std::size_t i = 0; i < plain.size();) {
    if (plain[i] == ' ' && i + 1 < plain.size()) {
      bool behind = false;
      character_size(plain, i + 1, behind);
      if (before || behind) {
        ++i;
        continue;
      }
    }
    const std::size_t size = character_size(plain, i, before);
    joined += plain.substr(i, size);
    i += size;
  }
  return joined;
}

}  // namespace limn
