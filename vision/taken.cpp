#include "vision/taken.h"

#include <cstdio>
#include <ctime>

#include "vision/raster.h"

namespace limn {

namespace {

// The EXIF segment of a JPEG file; segments lie in front of the picture's data, each with its length.
std::string_view exif_of(std::string_view file) {
  const auto byte = [file](std::size_t at) { return static_cast<unsigned char>(file[at]); };
  if (!file.starts_with("\xFF\xD8")) return {};
  for (std::size_t at = 2; at + 4 <= file.size() && byte(at) == 0xFF && byte(at + 1) != 0xDA;) {
    const std::size_t size = std::size_t{byte(at + 2)} << 8 | byte(at + 3);
    const std::string_view data = file.substr(at + 4, size < 2 ? 0 : size - 2);
    if (byte(at + 1) == 0xE1 && data.starts_with("Exif")) return data;
    at += 2 + size;
  }
  return {};
}

}  // namespace

std::int64_t time_taken(std::string_view file) {
  std::tm time{};
  const std::string text = exif_time(exif_of(file));
  if (std::sscanf(text.c_str(), "%4d:%2d:%2d %2d:%2d:%2d", &time.tm_year, &time.tm_mon, &time.tm_mday, &time.tm_hour,
                  &time.tm_min, &time.tm_sec) != 6)
    return 0;
  if (time.tm_year < 1800 || time.tm_mon < 1 || time.tm_mon > 12 || time.tm_mday < 1) return 0;
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  return static_cast<std::int64_t>(timegm(&time));
}

}  // namespace limn
