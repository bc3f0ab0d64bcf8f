#include <cstring>
#include <vector>

#include <webp/decode.h>

#include "core/ops.h"
#include "vision/raster.h"

// WebP through libwebp: its first frame, orientation from the EXIF or XMP chunk.
namespace limn {
namespace {

std::uint32_t number(std::string_view bytes, std::size_t at, int count) {
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i)
    value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[at + i])) << 8 * i;
  return value;
}

// The chunks of a RIFF file behind its 12-byte heading, or those inside an animation frame.
struct Chunk {
  std::string_view name, data;
};
std::vector<Chunk> chunks_of(std::string_view bytes) {
  std::vector<Chunk> chunks;
  while (bytes.size() >= 8) {
    const std::size_t size = number(bytes, 4, 4), held = std::min(size, bytes.size() - 8);
    chunks.push_back({bytes.substr(0, 4), bytes.substr(8, held)});
    bytes.remove_prefix(std::min(8 + held + (held & 1), bytes.size()));
  }
  return chunks;
}

std::string little_endian(std::uint32_t value, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> 8 * i & 0xFF);
  return bytes;
}

// Decodes a still WebP into [h w 4] (or 3 channels without alpha).
Tensor decode_still(std::string_view bytes, bool alpha, std::int64_t width, std::int64_t height, const Encoded& file) {
  Tensor pixels = at::empty({height, width, alpha ? 4 : 3}, at::kByte);
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  auto* out = pixels.data_ptr<std::uint8_t>();
  const auto size = static_cast<std::size_t>(pixels.numel());
  const int stride = static_cast<int>(pixels.stride(0));
  const std::uint8_t* done = alpha ? WebPDecodeRGBAInto(data, bytes.size(), out, size, stride)
                                   : WebPDecodeRGBInto(data, bytes.size(), out, size, stride);
  if (!done) file.fail("is damaged: WebP: its picture data cannot be read or end early");
  return pixels;
}

// The first frame of an animation, on a transparent canvas. A frame holds the chunks of a still picture.
Tensor decode_frame(std::string_view frame, std::int64_t width, std::int64_t height, const Encoded& file) {
  if (frame.size() < 16) file.fail("is truncated: the WebP data end early");
  const std::int64_t left = std::int64_t{2} * number(frame, 0, 3), top = std::int64_t{2} * number(frame, 3, 3);
  const std::int64_t frame_width = number(frame, 6, 3) + 1, frame_height = number(frame, 9, 3) + 1;
  if (left + frame_width > width || top + frame_height > height)
    file.fail("is damaged: WebP: a frame beyond the canvas");
  const std::string_view chunks = frame.substr(16);
  const bool has_alpha = chunks.starts_with("ALPH");
  std::string still = "WEBP";
  if (has_alpha)
    still += "VP8X" + little_endian(10, 4) + little_endian(0x10, 4) +
             little_endian(static_cast<std::uint32_t>(frame_width - 1), 3) +
             little_endian(static_cast<std::uint32_t>(frame_height - 1), 3);
  still += chunks;
  still = "RIFF" + little_endian(static_cast<std::uint32_t>(still.size()), 4) + still;
  Tensor canvas = at::zeros({height, width, 4}, at::kByte);
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(reinterpret_cast<const std::uint8_t*>(still.data()), still.size(), &features) != VP8_STATUS_OK ||
      features.width != frame_width || features.height != frame_height)
    file.fail("is damaged: WebP: its first frame cannot be read");
  canvas.narrow(0, top, frame_height)
      .narrow(1, left, frame_width)
      .copy_(decode_still(still, true, frame_width, frame_height, file));
  return canvas;
}

}  // namespace

Raster decode_webp(const Encoded& file) {
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(file.bytes.data(), file.bytes.size(), &features);
  if (status == VP8_STATUS_NOT_ENOUGH_DATA) file.fail("is truncated: the WebP data end early");
  if (status != VP8_STATUS_OK) file.fail("is damaged: WebP: its heading cannot be read");
  file.check_size(features.width, features.height);
  Raster raster;
  int from_exif = 1, from_xmp = 1;
  std::string_view frame;
  for (const auto& [name, data] : chunks_of(file.text().substr(12))) {
    if (name == "EXIF") from_exif = exif_orientation(data);
    if (name == "XMP ") from_xmp = xmp_orientation(data);
    if (name == "ANMF" && !frame.data()) frame = data;
  }
  raster.orientation = from_exif != 1 ? from_exif : from_xmp;
  if (features.has_animation) {
    raster.pixels = decode_frame(frame, features.width, features.height, file);
  } else {
    raster.pixels = decode_still(file.text(), features.has_alpha, features.width, features.height, file);
  }
  raster.mode = raster.pixels.size(2) == 4 ? RasterMode::rgba : RasterMode::rgb;
  return raster;
}

}  // namespace limn
