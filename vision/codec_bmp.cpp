#include <array>
#include <bit>
#include <cstring>

#include "core/ops.h"
#include "vision/raster.h"

// BMP: OpenCV 4.6 mistakes channel masks, widens 5 bits otherwise than Pillow, and prints what it dislikes.
// Source: the format as Windows and OS/2 documentation give it; choices where they are silent are Pillow's.
namespace limn {
namespace {

constexpr std::uint32_t kRaw = 0, kRle8 = 1, kRle4 = 2, kMasks = 3, kAlphaMasks = 6;  // compressions

struct Header {
  std::int64_t width = 0, height = 0;
  bool bottom_up = true;
  std::uint32_t bits = 0, compression = kRaw, colours = 0;
  std::size_t pixels_at = 0, palette_at = 0;
  int palette_entry = 4;  // bytes
  std::array<std::uint32_t, 4> masks = {};
};

// Little-endian numbers of the file.
struct Numbers {
  const Encoded& file;
  std::uint32_t operator()(std::size_t at, int count) const {
    if (at + static_cast<std::size_t>(count) > file.bytes.size()) file.fail("is truncated: the BMP data end early");
    std::uint32_t value = 0;
    for (int i = 0; i < count; ++i) value |= static_cast<std::uint32_t>(file.bytes[at + i]) << 8 * i;
    return value;
  }
};

void read_masks(const Numbers& number, std::uint32_t header_size, Header& header) {
  if (header.compression == kMasks || header.compression == kAlphaMasks) {
    for (std::size_t i = 0; i < 3; ++i) header.masks[i] = number(54 + 4 * i, 4);
    if (header_size >= 56 || header.compression == kAlphaMasks) header.masks[3] = number(66, 4);
    if (header_size == 40) header.palette_at += header.compression == kAlphaMasks ? 16 : 12;
  } else if (header.bits == 16) {
    header.masks = {0x7C00, 0x03E0, 0x001F, 0};
  } else {
    header.masks = {0xFF0000, 0x00FF00, 0x0000FF, 0};
  }
}

Header read_header(const Encoded& file) {
  const Numbers number{file};
  Header header;
  header.pixels_at = number(10, 4);
  const std::uint32_t size = number(14, 4);
  header.palette_at = 14 + std::size_t{size};
  if (size == 12) {  // OS/2
    header.width = number(18, 2);
    header.height = number(20, 2);
    header.bits = number(24, 2);
    header.palette_entry = 3;
  } else if (size == 40 || size == 52 || size == 56 || size == 64 || size == 108 || size == 124) {
    header.width = number(18, 4);
    const auto height = static_cast<std::int32_t>(number(22, 4));
    header.height = std::abs(std::int64_t{height});
    header.bottom_up = height >= 0;
    header.bits = number(28, 2);
    header.compression = number(30, 4);
    header.colours = number(46, 4);
  } else {
    file.fail("is of an unsupported kind: a BMP with a header of " + std::to_string(size) + " bytes");
  }
  const bool indexed = header.bits == 1 || header.bits == 4 || header.bits == 8;
  if (indexed && header.colours == 0) header.colours = 1u << header.bits;
  if (indexed && header.colours > 256) file.fail("is damaged: BMP: a palette of " + std::to_string(header.colours));
  read_masks(number, size, header);
  const bool direct = header.bits == 16 || header.bits == 24 || header.bits == 32;
  const bool known = header.compression == kRaw    ? indexed || direct
                     : header.compression == kRle8 ? header.bits == 8
                     : header.compression == kRle4
                         ? header.bits == 4
                         : direct && (header.compression == kMasks || header.compression == kAlphaMasks);
  if (!known)
    file.fail("is of an unsupported kind: a BMP of " + std::to_string(header.bits) + " bits, compression " +
              std::to_string(header.compression));
  if (header.bits == 16 && header.masks[3] != 0) file.fail("is of an unsupported kind: a BMP of 16 bits with alpha");
  file.check_size(header.width, header.height);
  // Some writers give the place of the palette as that of the pixels.
  if (indexed && header.pixels_at == header.palette_at) header.pixels_at += 4 * std::size_t{header.colours};
  return header;
}

Tensor read_palette(const Encoded& file, const Header& header) {  // [256 4]
  const Numbers number{file};
  Tensor palette = at::zeros({256, 4}, at::kByte);
  auto* entry = palette.data_ptr<std::uint8_t>();
  for (std::size_t i = 0; i < 256; ++i, entry += 4) {
    const std::size_t at = header.palette_at + i * static_cast<std::size_t>(header.palette_entry);
    for (std::size_t c = 0; c < 3 && i < header.colours; ++c)
      entry[c] = static_cast<std::uint8_t>(number(at + 2 - c, 1));
    entry[3] = 255;
  }
  return palette;
}

// A channel's bits widened to 8.
std::uint8_t channel(std::uint32_t pixel, std::uint32_t mask) {
  if (mask == 0) return 0;
  const int shift = std::countr_zero(mask);
  const std::uint64_t most = mask >> shift, value = (pixel & mask) >> shift;
  return static_cast<std::uint8_t>(value * 255 / most);
}

void read_rows(const Encoded& file, const Header& header, Tensor& pixels) {
  const std::int64_t stride = (header.width * header.bits + 31) / 32 * 4, channels = pixels.size(2);
  const std::int64_t needed = (header.width * header.bits + 7) / 8;  // of the last row
  const auto left = static_cast<std::int64_t>(file.bytes.size()) - static_cast<std::int64_t>(header.pixels_at);
  if (left < stride * (header.height - 1) + needed) file.fail("is truncated: the BMP data end early");
  for (std::int64_t y = 0; y < header.height; ++y) {
    const std::uint8_t* row = file.bytes.data() + header.pixels_at + y * stride;
    std::uint8_t* out =
        pixels.data_ptr<std::uint8_t>() + (header.bottom_up ? header.height - 1 - y : y) * header.width * channels;
    for (std::int64_t x = 0; x < header.width; ++x, out += channels) {
      if (channels == 1) {
        const std::int64_t bit = x * header.bits;
        *out = static_cast<std::uint8_t>(row[bit / 8] >> (8 - header.bits - bit % 8) & ((1 << header.bits) - 1));
        continue;
      }
      std::uint32_t pixel = 0;
      std::memcpy(&pixel, row + x * (header.bits / 8), header.bits / 8);
      for (std::int64_t c = 0; c < channels; ++c) out[c] = channel(pixel, header.masks[c]);
    }
  }
}

// Run lengths. Pixels that no run reaches keep index 0.
void read_runs(const Encoded& file, const Header& header, Tensor& pixels) {
  const Numbers number{file};
  auto* data = pixels.data_ptr<std::uint8_t>();
  std::size_t at = header.pixels_at;
  std::int64_t x = 0, y = 0;
  const auto put = [&](std::uint32_t index) {
    if (x >= header.width) file.fail("is damaged: BMP: a run beyond the end of its row");
    data[(header.bottom_up ? header.height - 1 - y : y) * header.width + x] = static_cast<std::uint8_t>(index);
    ++x;
  };
  const auto put_packed = [&](std::uint32_t byte, std::uint32_t i) {
    put(header.bits == 8 ? byte : i % 2 == 0 ? byte >> 4 : byte & 15);
  };
  while (y < header.height) {
    const std::uint32_t count = number(at, 1), value = number(at + 1, 1);
    at += 2;
    if (count > 0) {
      for (std::uint32_t i = 0; i < count; ++i) put_packed(value, i);
    } else if (value == 0) {  // end of row
      x = 0;
      ++y;
    } else if (value == 1) {  // end of picture
      return;
    } else if (value == 2) {  // move
      x += number(at, 1);
      y += number(at + 1, 1);
      at += 2;
    } else {  // as many pixels as they are
      const std::size_t bytes = header.bits == 8 ? value : (value + 1) / 2;
      for (std::uint32_t i = 0; i < value; ++i) put_packed(number(at + (header.bits == 8 ? i : i / 2), 1), i);
      at += bytes + bytes % 2;
    }
  }
}

}  // namespace

Raster decode_bmp(const Encoded& file) {
  const Header header = read_header(file);
  Raster raster;
  const bool indexed = header.bits <= 8;
  const bool alpha = header.masks[3] != 0;
  raster.mode = indexed ? RasterMode::palette : alpha ? RasterMode::rgba : RasterMode::rgb;
  raster.pixels = at::zeros({header.height, header.width, indexed ? 1 : alpha ? 4 : 3}, at::kByte);
  if (indexed) raster.palette = read_palette(file, header);
  header.compression == kRle8 || header.compression == kRle4 ? read_runs(file, header, raster.pixels)
                                                             : read_rows(file, header, raster.pixels);
  return raster;
}

}  // namespace limn
