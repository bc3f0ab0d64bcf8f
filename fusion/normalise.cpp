#include "fusion/normalise.h"

#include <algorithm>
#include <array>

#include "core/utf8.h"

namespace limn {

namespace {

constexpr std::array<std::string_view, 17> kFullWidth{"。", "，", "！", "？", "；", "：", "、", "“", "”",
                                                      "‘",  "’",  "（", "）", "…",  "《", "》", "　"};
constexpr std::string_view kDropped = "\"#()*+,./:;<=>?@[\\]^_`{|}~!&$%";

// Ideographs: U+3400..9FFF, F900..FAFF and plane 2. Models are trained with just these.
bool stands_alone(char32_t c) {
  return (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x20000 && c <= 0x2FFFF);
}

// Ideographs apart, punctuation as spaces, lower case.
std::string spaced_out(std::string_view text) {
  std::string spaced;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    const char32_t c = next_code_point(text, i);
    const std::string_view character = text.substr(begin, i - begin);
    if (character == "’" || character == "‘")
      spaced += '\'';
    else if (c <= U' ' || std::find(kFullWidth.begin(), kFullWidth.end(), character) != kFullWidth.end() ||
             (character.size() == 1 && kDropped.find(character.front()) != std::string_view::npos))
      spaced += ' ';
    else if (stands_alone(c))
      spaced.append(" ").append(character).append(" ");
    else if (c >= U'A' && c <= U'Z')
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
      std::size_t behind = i + 1;
      if (before || stands_alone(next_code_point(plain, behind))) {
        ++i;
        continue;
      }
    }
    const std::size_t begin = i;
    before = stands_alone(next_code_point(plain, i));
    joined += plain.substr(begin, i - begin);
  }
  return joined;
}

}  // namespace limn
