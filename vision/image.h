#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "core/tensor.h"

namespace limn {

/// A decoded picture: RGB, rows from top to bottom.
struct Image {
  std::int64_t width = 0, height = 0;
  Tensor pixels;  // uint8 [H W 3]
};

/// What becomes of transparency.
enum class Alpha { drop, over_white };

struct DecodeOptions {
  bool orientation = true;                ///< turn the picture as its EXIF (or XMP) orientation says
  Alpha alpha = Alpha::drop;              ///< drop: the colours under transparent pixels show, as in Pillow's convert
  std::int64_t max_pixels = 178'956'970;  ///< larger pictures are refused from their header, as in Pillow
};

/// Values in 0..1 as bytes; what lies outside is clipped. float [..] -> uint8 [..]
Tensor to_bytes(const Tensor& values);

/// Decodes JPEG, PNG, GIF, TIFF, WebP, BMP, PNM, JPEG 2000, Sun raster and Radiance files, told by their content; of
/// several frames the first. The result is what Pillow gives: ImageOps.exif_transpose, then convert("RGB"): alpha
/// dropped, palettes looked up, 16-bit grey clipped at 255, CMYK multiplied out.
/// Nothing is printed; memory is bounded by the file's size and options.max_pixels.
/// @param where  begins messages, e.g. the file's name
/// @throws InputError in one sentence: not a picture, truncated, damaged, too large, of an unsupported kind
Image decode(std::span<const std::uint8_t> bytes, const std::string& where, const DecodeOptions& options = {});

/// Reads and decodes a file. @throws InputError also where it cannot be read
Image read_image(const std::filesystem::path& path, const DecodeOptions& options = {});

/// Writes PNG or JPEG (quality 95), as the name's ending says: to a temporary name in the same folder, then renamed.
/// @param pixels  uint8 [H W 3], RGB
/// @throws InputError on another shape or dtype, or an ending that is neither
/// @throws WriteError where the file cannot be written
void write_image(const std::filesystem::path& path, const Tensor& pixels);

}  // namespace limn
