#include <algorithm>
#include <cmath>

#include "core/ops.h"
#include "vision/raster.h"

// PBM, PGM and PPM, plain and raw. Numbers other than of 8 bits are scaled as Pillow scales them.
namespace limn {
namespace {

constexpr std::string_view kSpaces = " \t\n\v\f\r";

struct Reader {
  const Encoded& file;
  std::size_t at = 2;

  [[noreturn]] void truncated() const { file.fail("is truncated: the PNM data end early"); }
  std::uint8_t byte() {
    if (at >= file.bytes.size()) truncated();
    return file.bytes[at++];
  }
  // Passes over white space and comments.
  char next_character() {
    for (;;) {
      const char c = static_cast<char>(byte());
      if (c == '#')
        while (file.bytes[at - 1] != '\n' && file.bytes[at - 1] != '\r') byte();
      else if (kSpaces.find(c) == kSpaces.npos)
        return c;
    }
  }
  // A decimal number and the one byte behind it.
  std::int64_t number() {
    std::int64_t value = 0;
    for (char c = next_character(); kSpaces.find(c) == kSpaces.npos && c != '#';
         c = static_cast<char>(file.bytes[at++])) {
      if (c < '0' || c > '9' || value > 100'000'000) file.fail("is damaged: PNM: a number is malformed");
      value = value * 10 + (c - '0');
      if (at >= file.bytes.size()) {
        ++at;
        return value;
      }
    }
    if (at <= file.bytes.size() && file.bytes[at - 1] == '#') --at;
    return value;
  }
};

void read_bits(Reader& reader, bool plain, Tensor& pixels) {  // 1 is black
  auto* out = pixels.data_ptr<std::uint8_t>();
  const std::int64_t H = pixels.size(0), W = pixels.size(1);
  for (std::int64_t y = 0; y < H; ++y) {
    std::uint8_t held = 0;
    for (std::int64_t x = 0; x < W; ++x) {
      if (plain) {
        const char c = reader.next_character();
        if (c != '0' && c != '1') reader.file.fail("is damaged: PNM: a number is malformed");
        *out++ = c == '1' ? 0 : 255;
      } else {
        if (x % 8 == 0) held = reader.byte();
        *out++ = held >> (7 - x % 8) & 1 ? 0 : 255;
      }
    }
  }
}

void read_numbers(Reader& reader, bool plain, std::int64_t most, Tensor& pixels) {
  auto* out = pixels.data_ptr<std::uint8_t>();
  const bool wide = most > 255;
  // Wide grey stays wide (and is clipped at 255); all else is scaled to 255, halves to even.
  const std::int64_t target = wide && pixels.size(2) == 1 ? 65535 : 255;
  const std::size_t needed = static_cast<std::size_t>(pixels.numel()) * (wide ? 2 : 1);
  if (!plain && reader.file.bytes.size() - reader.at < needed) reader.truncated();
  for (auto* end = out + pixels.numel(); out != end; ++out) {
    std::int64_t value = plain ? reader.number() : reader.byte();
    if (!plain && wide) value = value << 8 | reader.byte();
    if (plain && value > most) reader.file.fail("is damaged: PNM: a number exceeds the largest allowed");
    if (most != target)
      value = static_cast<std::int64_t>(
          std::nearbyint(static_cast<double>(value) / static_cast<double>(most) * static_cast<double>(target)));
    *out = static_cast<std::uint8_t>(std::min<std::int64_t>(value, 255));
  }
}

}  // namespace

Raster decode_pnm(const Encoded& file) {
  Reader reader{file};
  const int kind = file.bytes[1] - '0';
  const bool plain = kind <= 3, bits = kind == 1 || kind == 4, colour = kind == 3 || kind == 6;
  const std::int64_t width = reader.number(), height = reader.number();
  file.check_size(width, height);
  const std::int64_t most = bits ? 1 : reader.number();
  if (most < 1 || most > 65535) file.fail("is damaged: PNM: the largest number is " + std::to_string(most));
  // A picture of any size can be announced; every sample takes at least a bit of the file.
  if (file.bytes.size() * 8 < static_cast<std::size_t>(width * height)) reader.truncated();
  Raster raster;
  raster.mode = bits ? RasterMode::bilevel : colour ? RasterMode::rgb : RasterMode::grey;
  raster.pixels = at::empty({height, width, colour ? 3 : 1}, at::kByte);
  bits ? read_bits(reader, plain, raster.pixels) : read_numbers(reader, plain, most, raster.pixels);
  return raster;
}

}  // namespace limn
