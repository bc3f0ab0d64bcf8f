#include "apps/evaluate/ptb_tokenizer.h"

namespace limn {

std::string ptb_tokenize(std::string_view caption) {
  std::string tokens;
  bool gap = false;
  for (char c : caption) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    const auto u = static_cast<unsigned char>(c);
    const bool mark = (u < '0' || (u > '9' && u < 'a') || (u > 'z' && u < 128)) && c != '-' && c != '\'';
    if (mark) {
      gap = true;
      continue;
    }
    if (gap && !tokens.empty()) tokens += ' ';
    gap = false;
    tokens += c;
  }
  return tokens;
}

}  // namespace limn
