#include "apps/stylize_room.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <cmath>
#include <cstdlib>

#include "apps/machine.h"
#include "apps/run.h"

namespace limn {

namespace {

constexpr double kMega = 1 << 20;
constexpr std::int64_t kRows = 128;  // a strip, at least: the fewer, the more is read twice
constexpr std::int64_t kNarrowest = std::int64_t{1} << 16;
constexpr double kOverhead = 75e6;  // whatever the size: attention, packed weights, what the allocator keeps
constexpr double kPictures = 3;     // bytes a pixel: the result; the canvas is held already

double needed(const PaintingRoom& room, double pixels, double width, std::int64_t strip) {
  const double at_a_time = std::min(static_cast<double>(strip) + static_cast<double>(room.halo) * width, pixels);
  return kOverhead + pixels * (room.pixel + kPictures) + at_a_time * room.strip_pixel;
}

std::string mega(double bytes) { return std::to_string(std::llround(std::ceil(bytes / kMega))) + "M"; }

}  // namespace

double parse_memory(const std::string& text) {
  char* end = nullptr;
  const double number = text.empty() ? 0 : std::strtod(text.c_str(), &end);
  std::string unit = end ? end : "";
  if (unit.size() > 1 && (unit.back() == 'B' || unit.back() == 'b')) unit.pop_back();
  const std::size_t power = unit.empty() ? 0 : std::string("KMG").find(static_cast<char>(std::toupper(unit[0]))) + 1;
  if (!std::isfinite(number) || number < 1 || unit.size() > 1 || (!unit.empty() && power == 0))
    throw UsageError("--memory: got \"" + text + "\", expected a size such as 800M or 1.5G, or a number of bytes");
  return number * std::pow(1024.0, static_cast<double>(power));
}

std::int64_t strip_within(double memory, const Stylizer& stylizer, std::int64_t height, std::int64_t width) {
  const std::int64_t usual = std::max(PaintOptions{}.strip, kRows * width);
  if (memory == 0) return usual;
  if (stylizer.room.pixel == 0)
    throw UsageError("--memory: this model paints every canvas as a whole, in as much memory as that takes");
#if defined(__GLIBC__)
  malloc_trim(0);                      // what reading the model and the styles has left
  mallopt(M_MMAP_THRESHOLD, 4 << 20);  // larger buffers are given back at once, at the cost of mapping them anew
#endif
  const double held = present_memory(), w = static_cast<double>(width), pixels = static_cast<double>(height) * w;
  for (std::int64_t strip = usual; strip >= kNarrowest; strip /= 2)
    if (held + needed(stylizer.room, pixels, w, strip) <= memory) return strip;
  double scale = 1;
  while (scale > 0.01 && held + needed(stylizer.room, pixels * scale * scale, w * scale, kNarrowest) > memory)
    scale *= 0.97;
  const auto longer = static_cast<double>(std::max(height, width));
  throw InputError("stylize: --memory: got " + mega(memory) + ", expected at least " +
                   mega(held + needed(stylizer.room, pixels, w, kNarrowest)) + " for " + std::to_string(width) + " x " +
                   std::to_string(height) + " pixels" +
                   (scale > 0.01 ? "; --size " + std::to_string(std::llround(longer * scale)) + " would do" : ""));
}

void keep_buffers() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 100'000'000);
  mallopt(M_TRIM_THRESHOLD, 200'000'000);
#endif
}

}  // namespace limn
