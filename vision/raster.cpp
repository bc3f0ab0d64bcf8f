#include "vision/raster.h"

#include <algorithm>
#include <cstring>

#include "core/ops.h"

namespace limn {

void Encoded::fail(const std::string& what) const { throw InputError(where + ": " + what); }

void Encoded::check_size(std::int64_t width, std::int64_t height) const {
  if (width < 1 || height < 1)
    fail("is damaged: its size is " + std::to_string(width) + " x " + std::to_string(height));
  if (height > max_pixels / width)
    fail("is too large: " + std::to_string(width) + " x " + std::to_string(height) + " pixels, at most " +
         std::to_string(max_pixels) + " are decoded");
}

namespace {

// a * b / 255, rounded. Source: Pillow's MULDIV255.
std::uint8_t multiply(int a, int b) {
  const int product = a * b + 128;
  return static_cast<std::uint8_t>(((product >> 8) + product) >> 8);
}

// One output of 3 (or with alpha 4) bytes per pixel from `pixel`, which is `channels` bytes.
template <int kOut, typename Convert>
Tensor each_pixel(const Tensor& pixels, const Convert& convert) {
  const std::int64_t channels = pixels.size(2);
  Tensor result = at::empty({pixels.size(0), pixels.size(1), kOut}, pixels.options());
  const auto* in = pixels.const_data_ptr<std::uint8_t>();
  auto* out = result.data_ptr<std::uint8_t>();
  for (auto* end = out + result.numel(); out != end; out += kOut, in += channels) convert(in, out);
  return result;
}

void cmyk_to_rgb(const std::uint8_t* in, std::uint8_t* out) {
  const int light = 255 - in[3];
  for (int c = 0; c < 3; ++c) out[c] = static_cast<std::uint8_t>(std::clamp(light - multiply(in[c], light), 0, 255));
}

}  // namespace

Tensor raster_to_rgb(const Raster& raster) {
  const auto grey = [](const std::uint8_t* in, std::uint8_t* out) { out[0] = out[1] = out[2] = in[0]; };
  const auto copy = [](const std::uint8_t* in, std::uint8_t* out) { std::memcpy(out, in, 3); };
  switch (raster.mode) {
    case RasterMode::bilevel:
    case RasterMode::grey:
    case RasterMode::grey_alpha:
      return each_pixel<3>(raster.pixels, grey);
    case RasterMode::rgb:
      return raster.pixels;
    case RasterMode::rgba:
      return each_pixel<3>(raster.pixels, copy);
    case RasterMode::cmyk:
      return each_pixel<3>(raster.pixels, cmyk_to_rgb);
    case RasterMode::palette:
    case RasterMode::palette_alpha:
      break;
  }
  const auto* palette = raster.palette.const_data_ptr<std::uint8_t>();
  return each_pixel<3>(raster.pixels, [&](const std::uint8_t* in, std::uint8_t* out) {
    std::memcpy(out, palette + std::ptrdiff_t{in[0]} * 4, 3);
  });
}

Tensor raster_to_rgba(const Raster& raster) {
  if (raster.mode == RasterMode::rgba) return raster.pixels;
  if (raster.mode == RasterMode::palette || raster.mode == RasterMode::palette_alpha) {
    const auto* palette = raster.palette.const_data_ptr<std::uint8_t>();
    const bool own_alpha = raster.mode == RasterMode::palette_alpha;
    return each_pixel<4>(raster.pixels, [&](const std::uint8_t* in, std::uint8_t* out) {
      std::memcpy(out, palette + std::ptrdiff_t{in[0]} * 4, 4);
      if (own_alpha) out[3] = in[1];
    });
  }
  const Tensor rgb = raster_to_rgb(raster);  // [H W 3]
  Tensor result = at::empty({rgb.size(0), rgb.size(1), 4}, rgb.options());
  result.narrow(2, 0, 3).copy_(rgb);
  Tensor alpha = result.select(2, 3);
  alpha.fill_(255);
  if (raster.mode == RasterMode::grey_alpha) alpha.copy_(raster.pixels.select(2, 1));
  if (raster.transparent) {
    const auto& key = *raster.transparent;
    const Tensor same =
        rgb.select(2, 0).eq(key[0]).logical_and(rgb.select(2, 1).eq(key[1])).logical_and(rgb.select(2, 2).eq(key[2]));
    alpha.masked_fill_(same, 0);
  }
  return result;
}

Tensor raster_over_white(const Raster& raster) {
  // 7 bits beyond 8 and a rounded division by 255: the arithmetic for an opaque background.
  return each_pixel<3>(raster_to_rgba(raster), [](const std::uint8_t* in, std::uint8_t* out) {
    const std::uint32_t above = in[3] * 128u, below = 255u * 128u - above;
    for (int c = 0; c < 3; ++c) {
      const std::uint32_t sum = in[c] * above + 255u * below + (0x80u << 7);
      out[c] = static_cast<std::uint8_t>(in[3] == 0 ? 255 : ((sum >> 8) + sum) >> 8 >> 7);
    }
  });
}

namespace {

// Numbers of a TIFF structure, which names its own byte order. Reads beyond the end give nothing.
struct TiffNumbers {
  std::string_view bytes;
  bool little;

  std::optional<std::uint32_t> read(std::size_t at, int count) const {
    if (at > bytes.size() || bytes.size() - at < static_cast<std::size_t>(count)) return std::nullopt;
    std::uint32_t value = 0;
    for (int i = 0; i < count; ++i)
      value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[at + i])) << 8 * (little ? i : count - 1 - i);
    return value;
  }
};

// Past the headings of an EXIF block: its numbers, or nothing where it is none.
std::optional<TiffNumbers> exif_numbers(std::string_view exif) {
  constexpr std::string_view kHeading("Exif\0\0", 6);
  while (exif.starts_with(kHeading)) exif.remove_prefix(kHeading.size());
  if (!exif.starts_with("II") && !exif.starts_with("MM")) return std::nullopt;
  return TiffNumbers{exif, exif[0] == 'I'};
}

// Where the entry of a tag lies in the directory at a position.
std::optional<std::size_t> entry_of(const TiffNumbers& numbers, std::optional<std::uint32_t> directory,
                                    std::uint32_t tag) {
  const auto entries = directory ? numbers.read(*directory, 2) : std::nullopt;
  for (std::uint32_t i = 0; i < entries.value_or(0); ++i) {
    const std::size_t entry = std::size_t{*directory} + 2 + std::size_t{12} * i;
    if (numbers.read(entry, 2) == tag) return entry;
  }
  return std::nullopt;
}

}  // namespace

int exif_orientation(std::string_view exif) {
  constexpr std::uint32_t kOrientation = 0x0112;
  const auto numbers = exif_numbers(exif);
  const auto entry = numbers ? entry_of(*numbers, numbers->read(4, 4), kOrientation) : std::nullopt;
  if (!entry) return 1;
  const auto type = numbers->read(*entry + 2, 2);
  const bool is_short = type == 3u || type == 8u, is_long = type == 4u || type == 9u;
  if (!is_short && !is_long) return 1;
  const auto value = numbers->read(*entry + 8, is_short ? 2 : 4).value_or(1);
  return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
}

std::string exif_time(std::string_view exif) {
  constexpr std::uint32_t kDetails = 0x8769, kTaken = 0x9003, kChanged = 0x0132;
  constexpr std::size_t kLength = 19;  // 2026:11:26 19:42:56
  const auto numbers = exif_numbers(exif);
  if (!numbers) return {};
  const auto first = numbers->read(4, 4);
  const auto details = entry_of(*numbers, first, kDetails);
  auto entry = details ? entry_of(*numbers, numbers->read(*details + 8, 4), kTaken) : std::nullopt;
  if (!entry) entry = entry_of(*numbers, first, kChanged);
  const auto at = entry ? numbers->read(*entry + 8, 4) : std::nullopt;
  if (!at || *at > numbers->bytes.size() || numbers->bytes.size() - *at < kLength) return {};
  return std::string(numbers->bytes.substr(*at, kLength));
}

int xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (auto at = xmp.find(kName); at != xmp.npos; at = xmp.find(kName, at + 1)) {
    std::string_view rest = xmp.substr(at + kName.size());
    if (rest.starts_with("=\""))
      rest.remove_prefix(2);
    else if (rest.starts_with(">"))
      rest.remove_prefix(1);
    else
      continue;
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] >= '1' && rest[0] <= '8' ? rest[0] - '0' : 1;
  }
  return 1;
}

Tensor orient(const Tensor& pixels, int orientation) {
  if (orientation <= 1 || orientation > 8) return pixels;
  const std::int64_t H = pixels.size(0), W = pixels.size(1), C = pixels.size(2);
  const bool turned = orientation >= 5;
  const bool mirror_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool mirror_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const std::int64_t height = turned ? W : H, width = turned ? H : W;
  Tensor result = at::empty({height, width, C}, pixels.options());
  const auto* in = pixels.const_data_ptr<std::uint8_t>();
  auto* out = result.data_ptr<std::uint8_t>();
  // Output (y, x) comes from input (sy, sx) = (mirrored y, mirrored x), or of x and y exchanged. Square blocks keep
  // both pictures' rows in the cache.
  constexpr std::int64_t kBlock = 64;
  for (std::int64_t top = 0; top < height; top += kBlock)
    for (std::int64_t left = 0; left < width; left += kBlock)
      for (std::int64_t y = top; y < std::min(top + kBlock, height); ++y)
        for (std::int64_t x = left; x < std::min(left + kBlock, width); ++x) {
          std::int64_t sy = turned ? x : y, sx = turned ? y : x;
          if (mirror_y) sy = H - 1 - sy;
          if (mirror_x) sx = W - 1 - sx;
          std::memcpy(out + (y * width + x) * C, in + (sy * W + sx) * C, static_cast<std::size_t>(C));
        }
  return result;
}

}  // namespace limn
