#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/tensor.h"

// Decoded pictures before they become RGB, and one decoder per format: private to vision/image.cpp and its parts.
namespace limn {

/// How the numbers of a raster are to be read; Pillow's modes.
enum class RasterMode { bilevel, grey, grey_alpha, palette, palette_alpha, rgb, rgba, cmyk };

/// A decoded picture as its file holds it.
struct Raster {
  RasterMode mode = RasterMode::rgb;
  Tensor pixels;   ///< uint8 [H W C]; bilevel 0 or 255; 16-bit grey clipped at 255, other 16-bit: the high bytes
  Tensor palette;  ///< uint8 [256 4] RGBA, for the palette modes
  std::optional<std::array<std::uint8_t, 3>> transparent = {};  ///< the colour (grey: thrice) that is transparent
  int orientation = 1;                                          ///< EXIF orientation, 1 to 8
  bool must_orient = false;                                     ///< TIFF: the orientation belongs to the format itself
};

/// A picture's file in memory.
struct Encoded {
  std::span<const std::uint8_t> bytes;
  std::string where;        ///< begins messages
  std::int64_t max_pixels;  ///< a larger picture is refused before memory is taken for it

  std::string_view text() const { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
  /// @throws InputError "<where>: <what>"
  [[noreturn]] void fail(const std::string& what) const;
  /// @throws InputError unless both sizes are positive and their product is within max_pixels
  void check_size(std::int64_t width, std::int64_t height) const;
};

/// A picture's file in whatever format it is. @throws InputError as decode() does
Raster decode_raster(const Encoded& file);

Raster decode_jpeg(const Encoded& file);
Raster decode_png(const Encoded& file);
Raster decode_gif(const Encoded& file);
Raster decode_tiff(const Encoded& file);
Raster decode_webp(const Encoded& file);
Raster decode_bmp(const Encoded& file);
Raster decode_pnm(const Encoded& file);
/// What is left to OpenCV: JPEG 2000, Sun raster, Radiance, PAM, PFM.
Raster decode_with_opencv(const Encoded& file);

/// uint8 [H W 3]. Alpha is dropped, palettes are looked up, CMYK is multiplied out. Source: Pillow's Convert.c.
Tensor raster_to_rgb(const Raster& raster);
/// uint8 [H W 4]; palettes' and colours' transparency becomes alpha.
Tensor raster_to_rgba(const Raster& raster);
/// The picture laid over white, uint8 [H W 3]. Source: Pillow's AlphaComposite.c.
Tensor raster_over_white(const Raster& raster);

/// The orientation, 1 to 8, that an EXIF block tells (with or without its "Exif" heading); 1 where it tells none.
int exif_orientation(std::string_view exif);
/// When an EXIF block says that the picture was taken (else: changed), "2026:11:26 19:42:56"; "" where it says nothing.
std::string exif_time(std::string_view exif);
/// The orientation that an XMP packet tells; 1 where it tells none.
int xmp_orientation(std::string_view xmp);
/// Turns and mirrors pixels [H W C] so that an orientation of 1 to 8 becomes 1.
Tensor orient(const Tensor& pixels, int orientation);

}  // namespace limn
