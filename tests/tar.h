#pragma once

#include <algorithm>
#include <cstdio>
#include <string>

namespace limn {

/// A file as a ustar archive holds it. @param kind  '0': regular file, '1': hard link, '2': symbolic link, '5': folder
inline std::string tar_member(const std::string& name, const std::string& bytes, char kind = '0',
                              const std::string& link = {}) {
  std::string header(512, '\0');
  const auto put = [&header](std::ptrdiff_t at, const std::string& text) {
    std::copy(text.begin(), text.end(), header.begin() + at);
  };
  const auto octal = [](std::size_t value) {
    char digits[24];
    std::snprintf(digits, sizeof digits, "%011lo", static_cast<unsigned long>(value));
    return std::string(digits);
  };
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, octal(bytes.size()));
  put(136, octal(0));
  put(148, "        ");
  header[156] = kind;
  put(157, link);
  put(257, "ustar");
  put(263, "00");
  std::size_t sum = 0;
  for (const char letter : header) sum += static_cast<unsigned char>(letter);
  put(148, octal(sum).substr(5));
  header[154] = '\0';
  return header + bytes + std::string((512 - bytes.size() % 512) % 512, '\0');
}

}  // namespace limn
