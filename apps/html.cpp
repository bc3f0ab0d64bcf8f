#include "apps/html.h"

#include <cstdio>
#include <string_view>

namespace limn {

std::string html_escaped(const std::string& text) {
  std::string result;
  for (const char letter : text) {
    switch (letter) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += letter;
    }
  }
  return result;
}

std::string url_path(const std::string& path) {
  std::string result;
  for (const char letter : path) {
    const bool plain =
        (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9');
    if (plain || std::string_view("-._~/").find(letter) != std::string_view::npos) {
      result += letter;
    } else {
      char code[4];
      std::snprintf(code, sizeof code, "%%%02X", static_cast<unsigned char>(letter));
      result += code;
    }
  }
  return result;
}

}  // namespace limn
