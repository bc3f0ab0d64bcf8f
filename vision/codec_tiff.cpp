#include <cstring>
#include <memory>
#include <vector>

#include <tiffio.h>

#include "core/ops.h"
#include "vision/raster.h"

// TIFF through libtiff itself: OpenCV multiplies CMYK out otherwise, and fails on 2 and 4 bits.
namespace limn {
namespace {

// A file in memory, as libtiff's client. Errors are kept, not printed; the handlers are this file's own.
struct Source {
  std::span<const std::uint8_t> bytes;
  toff_t at = 0;
  std::string message;
};

tsize_t on_read(thandle_t handle, void* to, tsize_t size) {
  Source& source = *static_cast<Source*>(handle);
  const std::size_t left = source.at < source.bytes.size() ? source.bytes.size() - source.at : 0;
  const std::size_t count = std::min(left, static_cast<std::size_t>(size));
  if (count) std::memcpy(to, source.bytes.data() + source.at, count);
  source.at += count;
  return static_cast<tsize_t>(count);
}
tsize_t on_write(thandle_t, void*, tsize_t) { return 0; }
toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
  Source& source = *static_cast<Source*>(handle);
  const toff_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? source.at : source.bytes.size();
  return source.at = base + offset;
}
int on_close(thandle_t) { return 0; }
toff_t on_size(thandle_t handle) { return static_cast<Source*>(handle)->bytes.size(); }

int on_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  Source& source = *static_cast<Source*>(user);
  char text[300];
  std::vsnprintf(text, sizeof text, format, arguments);
  if (source.message.empty()) source.message = text;
  return 1;
}
int on_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

using Tiff = std::unique_ptr<TIFF, void (*)(TIFF*)>;

Tiff open(Source& source, std::int64_t max_pixels) {
  TIFFOpenOptions* options = TIFFOpenOptionsAlloc();
  TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, nullptr);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options, static_cast<tmsize_t>(max_pixels) * 8);
  TIFF* tiff =
      TIFFClientOpenExt("", "rm", &source, on_read, on_write, on_seek, on_close, on_size, nullptr, nullptr, options);
  TIFFOpenOptionsFree(options);
  return {tiff, TIFFClose};
}

// What decides how a directory is read.
struct Layout {
  std::uint32_t width = 0, height = 0;
  std::uint16_t bits = 1, samples = 1, photometric = 0, planar = PLANARCONFIG_CONTIG, format = SAMPLEFORMAT_UINT;
  std::uint16_t extra = 0;  // kind of the first sample beyond the colours; 0 where unspecified
  bool has_extra = false, tiled = false;
};

Layout read_layout(TIFF* tiff, const Encoded& file) {
  Layout layout;
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout.width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout.height);
  file.check_size(layout.width, layout.height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout.samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &layout.planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &layout.format);
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout.photometric);
  std::uint16_t extras = 0, compression = 0;
  std::uint16_t* kinds = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &extras, &kinds) && extras > 0) {
    layout.has_extra = true;
    layout.extra = kinds[0];
  }
  layout.tiled = TIFFIsTiled(tiff);
  TIFFGetField(tiff, TIFFTAG_COMPRESSION, &compression);
  if (compression == COMPRESSION_JPEG && layout.photometric == PHOTOMETRIC_YCBCR &&
      layout.planar == PLANARCONFIG_CONTIG) {
    TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);  // libjpeg's own conversion, as Pillow asks for
    layout.photometric = PHOTOMETRIC_RGB;
  }
  return layout;
}

// Whether the samples can be read as they are; what cannot is left to libtiff's own conversion.
bool is_plain(const Layout& layout) {
  if (layout.format == SAMPLEFORMAT_INT) return layout.bits == 16 && layout.samples == 1 && layout.photometric <= 1;
  if (layout.format != SAMPLEFORMAT_UINT && layout.format != SAMPLEFORMAT_VOID) return false;
  const bool small = layout.bits == 1 || layout.bits == 2 || layout.bits == 4;
  const bool bytes = layout.bits == 8 || layout.bits == 16;
  switch (layout.photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
      return (small && layout.samples == 1) || (bytes && layout.samples <= 2);
    case PHOTOMETRIC_PALETTE:
      return (small && layout.samples == 1) || (layout.bits == 8 && layout.samples <= 2);
    case PHOTOMETRIC_RGB:
      return bytes && layout.samples >= 3;
    case PHOTOMETRIC_SEPARATED:
      return bytes && layout.samples >= 4;
    default:
      return false;
  }
}

RasterMode mode_of(const Layout& layout) {
  switch (layout.photometric) {
    case PHOTOMETRIC_PALETTE:
      return layout.samples == 2 ? RasterMode::palette_alpha : RasterMode::palette;
    case PHOTOMETRIC_SEPARATED:
      return RasterMode::cmyk;
    case PHOTOMETRIC_RGB:
      return layout.samples >= 4 && layout.has_extra ? RasterMode::rgba : RasterMode::rgb;
    default:
      break;
  }
  if (layout.samples == 2) return RasterMode::grey_alpha;
  return layout.bits == 1 ? RasterMode::bilevel : RasterMode::grey;
}

std::int64_t channels_of(RasterMode mode) {
  switch (mode) {
    case RasterMode::grey_alpha:
    case RasterMode::palette_alpha:
      return 2;
    case RasterMode::rgb:
      return 3;
    case RasterMode::rgba:
    case RasterMode::cmyk:
      return 4;
    default:
      return 1;
  }
}

// Sample `index` of a stored row as 8 bits: greys scaled to 0..255, palette indices as they are, wide grey clipped,
// other wide samples by their high byte.
std::uint8_t sample(const std::uint8_t* row, std::int64_t index, const Layout& layout) {
  if (layout.bits == 8) return row[index];
  if (layout.bits == 16) {
    std::uint16_t value;
    std::memcpy(&value, row + index * 2, 2);
    if (layout.samples > 1) return static_cast<std::uint8_t>(value >> 8);
    if (layout.format == SAMPLEFORMAT_INT && value >= 0x8000) return 0;
    return static_cast<std::uint8_t>(std::min<int>(value, 255));
  }
  const std::int64_t bit = index * layout.bits;
  const int most = (1 << layout.bits) - 1;
  const int value = row[bit / 8] >> (8 - layout.bits - bit % 8) & most;
  return static_cast<std::uint8_t>(layout.photometric == PHOTOMETRIC_PALETTE ? value : value * 255 / most);
}

// Writes part of one row: `plane` is -1 where all samples lie side by side.
void put(const std::uint8_t* row, const Layout& layout, int plane, std::int64_t x, std::int64_t y, std::int64_t count,
         Tensor& pixels) {
  const std::int64_t channels = pixels.size(2), width = pixels.size(1);
  std::uint8_t* out = pixels.data_ptr<std::uint8_t>() + (y * width + x) * channels;
  const std::int64_t stored = plane < 0 ? layout.samples : 1;
  for (std::int64_t i = 0; i < count; ++i, out += channels) {
    if (plane >= 0)
      out[plane] = sample(row, i, layout);
    else
      for (std::int64_t c = 0; c < channels; ++c) out[c] = sample(row, i * stored + c, layout);
  }
}

[[noreturn]] void fail(const Encoded& file, const Source& source) {
  file.fail("is damaged: TIFF: " + (source.message.empty() ? "its picture data cannot be read" : source.message));
}

void read_strips(TIFF* tiff, const Layout& layout, const Encoded& file, const Source& source, Tensor& pixels) {
  std::vector<std::uint8_t> row(static_cast<std::size_t>(TIFFScanlineSize64(tiff)));
  const bool separate = layout.planar == PLANARCONFIG_SEPARATE && layout.samples > 1;
  const auto planes = separate ? static_cast<int>(pixels.size(2)) : 1;
  const std::size_t needed =
      (static_cast<std::size_t>(layout.width) * layout.bits * (separate ? 1 : layout.samples) + 7) / 8;
  if (row.size() < needed) fail(file, source);
  for (int plane = 0; plane < planes; ++plane)
    for (std::uint32_t y = 0; y < layout.height; ++y) {
      if (TIFFReadScanline(tiff, row.data(), y, static_cast<std::uint16_t>(plane)) < 0) fail(file, source);
      put(row.data(), layout, separate ? plane : -1, 0, y, layout.width, pixels);
    }
}

void read_tiles(TIFF* tiff, const Layout& layout, const Encoded& file, const Source& source, Tensor& pixels) {
  std::uint32_t tile_width = 0, tile_height = 0;
  TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &tile_width);
  TIFFGetField(tiff, TIFFTAG_TILELENGTH, &tile_height);
  const auto size = static_cast<std::size_t>(TIFFTileSize64(tiff)),
             stride = static_cast<std::size_t>(TIFFTileRowSize64(tiff));
  if (tile_width == 0 || tile_height == 0 || size == 0 || size > static_cast<std::size_t>(file.max_pixels) * 8 ||
      stride * tile_height > size)
    fail(file, source);
  std::vector<std::uint8_t> tile(size);
  const bool separate = layout.planar == PLANARCONFIG_SEPARATE && layout.samples > 1;
  const auto planes = separate ? static_cast<int>(pixels.size(2)) : 1;
  for (int plane = 0; plane < planes; ++plane)
    for (std::uint32_t top = 0; top < layout.height; top += tile_height)
      for (std::uint32_t left = 0; left < layout.width; left += tile_width) {
        if (TIFFReadTile(tiff, tile.data(), left, top, 0, static_cast<std::uint16_t>(plane)) < 0) fail(file, source);
        const std::uint32_t rows = std::min(tile_height, layout.height - top);
        for (std::uint32_t y = 0; y < rows; ++y)
          put(tile.data() + y * stride, layout, separate ? plane : -1, left, top + y,
              std::min(tile_width, layout.width - left), pixels);
      }
}

Tensor read_palette(TIFF* tiff, const Layout& layout, const Encoded& file) {  // [256 4]
  std::uint16_t* colours[3] = {};
  if (!TIFFGetField(tiff, TIFFTAG_COLORMAP, &colours[0], &colours[1], &colours[2]))
    file.fail("is damaged: TIFF: its palette is missing");
  Tensor palette = at::zeros({256, 4}, at::kByte);
  auto* entry = palette.data_ptr<std::uint8_t>();
  for (int i = 0; i < 256; ++i, entry += 4) {
    for (int c = 0; c < 3 && i < 1 << layout.bits; ++c) entry[c] = static_cast<std::uint8_t>(colours[c][i] >> 8);
    entry[3] = 255;
  }
  return palette;
}

// Colours that were multiplied by alpha are divided by it again, as Pillow's "RGBa" does.
void unmultiply(Tensor& pixels) {  // [H W 4]
  auto* pixel = pixels.data_ptr<std::uint8_t>();
  for (std::int64_t i = 0; i < pixels.size(0) * pixels.size(1); ++i, pixel += 4)
    for (int c = 0; c < 3; ++c)
      pixel[c] = pixel[3] == 0 ? 0 : static_cast<std::uint8_t>(std::min(pixel[c] * 255 / pixel[3], 255));
}

// YCbCr that is not JPEG, CIE L*a*b* and the like, by libtiff's own conversion. Rows come in the stored order.
Tensor read_converted(TIFF* tiff, const Layout& layout, const Encoded& file, const Source& source) {  // [H W 3]
  char reason[1024] = {};
  if (!TIFFRGBAImageOK(tiff, reason)) file.fail("is of an unsupported kind: TIFF: " + std::string(reason));
  std::uint16_t orientation = ORIENTATION_TOPLEFT;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
  std::vector<std::uint32_t> raster(static_cast<std::size_t>(layout.width) * layout.height);
  if (!TIFFReadRGBAImageOriented(tiff, layout.width, layout.height, raster.data(), orientation, 1)) fail(file, source);
  Tensor pixels = at::empty({layout.height, layout.width, 3}, at::kByte);
  auto* out = pixels.data_ptr<std::uint8_t>();
  for (const std::uint32_t value : raster) {
    *out++ = static_cast<std::uint8_t>(TIFFGetR(value));
    *out++ = static_cast<std::uint8_t>(TIFFGetG(value));
    *out++ = static_cast<std::uint8_t>(TIFFGetB(value));
  }
  return pixels;
}

}  // namespace

Raster decode_tiff(const Encoded& file) {
  Source source{file.bytes};
  const Tiff tiff = open(source, file.max_pixels);
  if (!tiff) fail(file, source);
  const Layout layout = read_layout(tiff.get(), file);
  Raster raster;
  std::uint16_t orientation = 1;
  TIFFGetField(tiff.get(), TIFFTAG_ORIENTATION, &orientation);
  raster.orientation = orientation >= 1 && orientation <= 8 ? orientation : 1;
  raster.must_orient = true;
  if (!is_plain(layout)) {
    raster.pixels = read_converted(tiff.get(), layout, file, source);
    return raster;
  }
  raster.mode = mode_of(layout);
  raster.pixels = at::empty({layout.height, layout.width, channels_of(raster.mode)}, at::kByte);
  layout.tiled ? read_tiles(tiff.get(), layout, file, source, raster.pixels)
               : read_strips(tiff.get(), layout, file, source, raster.pixels);
  if (layout.photometric == PHOTOMETRIC_PALETTE) raster.palette = read_palette(tiff.get(), layout, file);
  if (layout.photometric == PHOTOMETRIC_MINISWHITE && layout.bits <= 8) raster.pixels.select(2, 0).bitwise_not_();
  if (raster.mode == RasterMode::rgba && layout.extra == EXTRASAMPLE_ASSOCALPHA) unmultiply(raster.pixels);
  return raster;
}

}  // namespace limn
