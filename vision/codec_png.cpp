#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <png.h>

#include "core/ops.h"
#include "vision/raster.h"

// PNG through libpng itself: OpenCV scales 16-bit grey, loses palettes and prints what it dislikes.
namespace limn {
namespace {

// libpng's hooks. Errors leave by longjmp to the one setjmp of decode_png's `guarded`.
struct Decoder {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::span<const std::uint8_t> rest;
  char message[200] = {};

  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  Decoder& decoder = *static_cast<Decoder*>(png_get_error_ptr(png));
  std::snprintf(decoder.message, sizeof decoder.message, "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, std::size_t size) {
  Decoder& decoder = *static_cast<Decoder*>(png_get_io_ptr(png));
  if (size > decoder.rest.size()) png_error(png, "truncated");
  std::memcpy(to, decoder.rest.data(), size);
  decoder.rest = decoder.rest.subspan(size);
}

// "\nexif\n  38\n45786966…": a heading, then hexadecimal digits in lines.
std::string hex_profile(std::string_view text) {
  std::string digits, bytes;
  int line = 0;
  for (const char c : text) {
    if (c == '\n')
      ++line;
    else if (line >= 3)
      digits += c;
  }
  for (std::size_t i = 0; i + 2 <= digits.size(); i += 2) {
    char* end = nullptr;
    const std::string pair = digits.substr(i, 2);
    const long value = std::strtol(pair.c_str(), &end, 16);
    if (end != pair.c_str() + 2) break;
    bytes += static_cast<char>(value);
  }
  return bytes;
}

int orientation_of(png_structp png, png_infop info) {
  png_bytep exif = nullptr;
  png_uint_32 exif_size = 0;
  int orientation = 1;
  if (png_get_eXIf_1(png, info, &exif_size, &exif))
    orientation = exif_orientation({reinterpret_cast<const char*>(exif), exif_size});
  png_textp texts = nullptr;
  int count = 0;
  png_get_text(png, info, &texts, &count);
  for (int i = 0; i < count && orientation == 1; ++i) {
    const std::string_view key = texts[i].key;
    const std::size_t size = texts[i].text_length ? texts[i].text_length : texts[i].itxt_length;
    const std::string_view text(texts[i].text, texts[i].text ? size : 0);
    if (key == "Raw profile type exif") orientation = exif_orientation(hex_profile(text));
    if (key == "XML:com.adobe.xmp") orientation = xmp_orientation(text);
  }
  return orientation;
}

RasterMode mode_of(int color_type, int bit_depth) {
  switch (color_type) {
    case PNG_COLOR_TYPE_GRAY:
      return bit_depth == 1 ? RasterMode::bilevel : RasterMode::grey;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
      return RasterMode::grey_alpha;
    case PNG_COLOR_TYPE_PALETTE:
      return RasterMode::palette;
    case PNG_COLOR_TYPE_RGB:
      return RasterMode::rgb;
    default:
      return RasterMode::rgba;
  }
}

std::int64_t channels_of(RasterMode mode) {
  switch (mode) {
    case RasterMode::grey_alpha:
      return 2;
    case RasterMode::rgb:
      return 3;
    case RasterMode::rgba:
      return 4;
    default:
      return 1;
  }
}

Tensor palette_of(png_structp png, png_infop info) {  // [256 4]
  Tensor palette = at::zeros({256, 4}, at::kByte);
  palette.select(1, 3).fill_(255);
  auto* entry = palette.data_ptr<std::uint8_t>();
  png_colorp colours = nullptr;
  png_bytep alpha = nullptr;
  int count = 0, alpha_count = 0;
  png_get_PLTE(png, info, &colours, &count);
  if (png_get_valid(png, info, PNG_INFO_tRNS)) png_get_tRNS(png, info, &alpha, &alpha_count, nullptr);
  for (int i = 0; i < count && i < 256; ++i, entry += 4) {
    entry[0] = colours[i].red;
    entry[1] = colours[i].green;
    entry[2] = colours[i].blue;
    if (i < alpha_count) entry[3] = alpha[i];
  }
  return palette;
}

// The transparent colour in 8 bits, scaled as the pixels are.
std::optional<std::array<std::uint8_t, 3>> transparent_of(png_structp png, png_infop info, RasterMode mode,
                                                          int bit_depth) {
  png_color_16p colour = nullptr;
  if (!png_get_valid(png, info, PNG_INFO_tRNS) || !png_get_tRNS(png, info, nullptr, nullptr, &colour) || !colour)
    return std::nullopt;
  const auto byte = [&](png_uint_16 value) -> std::uint8_t {
    if (bit_depth == 16)
      return static_cast<std::uint8_t>(mode == RasterMode::grey ? std::min<int>(value, 255) : value >> 8);
    return static_cast<std::uint8_t>(value * 255 / ((1 << bit_depth) - 1));
  };
  if (mode == RasterMode::rgb) return {{byte(colour->red), byte(colour->green), byte(colour->blue)}};
  return {{byte(colour->gray), byte(colour->gray), byte(colour->gray)}};
}

void clip_words(const std::vector<std::uint8_t>& words, std::uint8_t* out) {  // big-endian 16 bits to 8
  for (std::size_t i = 0; i < words.size(); i += 2) *out++ = words[i] ? 255 : words[i + 1];
}

}  // namespace

Raster decode_png(const Encoded& file) {
  Decoder decoder;
  decoder.rest = file.bytes;
  decoder.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &decoder, on_error, on_warning);
  if (decoder.png) decoder.info = png_create_info_struct(decoder.png);
  if (!decoder.info) throw std::bad_alloc();
  png_structp png = decoder.png;
  png_infop info = decoder.info;
  const auto guarded = [&](auto step) {
    if (setjmp(png_jmpbuf(png))) {
      const std::string_view message = decoder.message;
      if (message == "truncated") file.fail("is truncated: the PNG data end early");
      file.fail("is damaged: PNG: " + std::string(message));
    }
    step();
  };
  guarded([&] {
    png_set_read_fn(png, &decoder, on_read);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_read_info(png, info);
  });
  const std::int64_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  file.check_size(width, height);
  const int bit_depth = png_get_bit_depth(png, info), color_type = png_get_color_type(png, info);
  Raster raster;
  raster.mode = mode_of(color_type, bit_depth);
  const std::int64_t channels = channels_of(raster.mode);
  raster.pixels = at::empty({height, width, channels}, at::kByte);
  auto* out = raster.pixels.data_ptr<std::uint8_t>();
  const bool words = bit_depth == 16 && raster.mode == RasterMode::grey;
  std::vector<std::uint8_t> wide(words ? static_cast<std::size_t>(width * height * 2) : 0);
  std::uint8_t* target = words ? wide.data() : out;
  const std::int64_t stride = width * channels * (words ? 2 : 1);
  std::vector<png_bytep> rows(static_cast<std::size_t>(height));
  for (std::int64_t y = 0; y < height; ++y) rows[static_cast<std::size_t>(y)] = target + y * stride;
  guarded([&] {
    if (bit_depth < 8) {
      if (raster.mode == RasterMode::palette)
        png_set_packing(png);
      else
        png_set_expand_gray_1_2_4_to_8(png);
    }
    if (bit_depth == 16 && !words) png_set_strip_16(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    png_read_image(png, rows.data());
    png_read_end(png, info);
  });
  if (words) clip_words(wide, out);
  raster.orientation = orientation_of(png, info);
  if (raster.mode == RasterMode::palette)
    raster.palette = palette_of(png, info);
  else
    raster.transparent = transparent_of(png, info, raster.mode, bit_depth);
  return raster;
}

}  // namespace limn
