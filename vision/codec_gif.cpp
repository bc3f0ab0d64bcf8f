#include <array>
#include <cstring>
#include <vector>

#include "core/ops.h"
#include "vision/raster.h"

// GIF: the first frame, which is all that a still picture needs. OpenCV 4.6 reads none.
// Source: CompuServe's GIF89a specification.
namespace limn {
namespace {

struct Reader {
  const Encoded& file;
  std::size_t at = 0;

  std::uint8_t byte() {
    if (at >= file.bytes.size()) file.fail("is truncated: the GIF data end early");
    return file.bytes[at++];
  }
  std::int64_t word() {
    const std::int64_t low = byte();
    return low | byte() << 8;
  }
  void skip_blocks() {
    while (const std::size_t size = byte()) at += size;
  }
};

Tensor read_palette(Reader& reader, int entries) {  // [256 4]
  Tensor palette = at::zeros({256, 4}, at::kByte);
  auto* entry = palette.data_ptr<std::uint8_t>();
  for (int i = 0; i < 256; ++i, entry += 4) {
    for (int c = 0; c < 3 && i < entries; ++c) entry[c] = reader.byte();
    entry[3] = 255;
  }
  return palette;
}

Tensor grey_palette() {
  Tensor palette = at::arange(256, at::kByte).unsqueeze(1).repeat({1, 4});
  palette.select(1, 3).fill_(255);
  return palette;
}

// Reads codes of growing width from the chain of data blocks.
class Codes {
 public:
  explicit Codes(Reader& reader) : reader_(reader) {}
  int next(int width) {
    while (count_ < width) {
      if (left_ == 0) left_ = reader_.byte();
      if (left_ == 0) reader_.file.fail("is truncated: the GIF's picture data end early");
      bits_ |= static_cast<std::uint32_t>(reader_.byte()) << count_;
      count_ += 8;
      --left_;
    }
    const int code = static_cast<int>(bits_ & ((1u << width) - 1));
    bits_ >>= width;
    count_ -= width;
    return code;
  }

 private:
  Reader& reader_;
  std::uint32_t bits_ = 0;
  int count_ = 0, left_ = 0;
};

constexpr int kMostCodes = 4096;

// Decompresses up to `size` indices; fewer where the stream's end code comes first.
std::vector<std::uint8_t> decompress(Reader& reader, std::size_t size) {
  const int minimum = reader.byte();
  if (minimum < 1 || minimum > 11) reader.file.fail("is damaged: GIF: impossible code size");
  std::vector<std::uint8_t> out;
  out.reserve(size);
  std::array<std::uint16_t, kMostCodes> prefix{};
  std::array<std::uint8_t, kMostCodes> suffix{};
  std::array<std::uint8_t, kMostCodes + 1> stack{};
  const int clear = 1 << minimum, end = clear + 1;
  for (int i = 0; i < clear; ++i) suffix[i] = static_cast<std::uint8_t>(i);
  int next = end + 1, width = minimum + 1, previous = -1;
  std::uint8_t first = 0;
  Codes codes(reader);
  while (out.size() < size) {
    int code = codes.next(width);
    if (code == end) break;
    if (code == clear) {
      next = end + 1;
      width = minimum + 1;
      previous = -1;
      continue;
    }
    if (code > next || (code == next && previous < 0))
      reader.file.fail("is damaged: GIF: a code that is not defined yet");
    const int current = code;
    std::size_t depth = 0;
    if (code == next) {  // the string that this very code defines: the previous one and its own first byte
      stack[depth++] = first;
      code = previous;
    }
    for (; code >= clear; code = prefix[code]) stack[depth++] = suffix[code];
    first = suffix[code];
    out.push_back(first);
    while (depth > 0 && out.size() < size) out.push_back(stack[--depth]);
    if (previous >= 0 && next < kMostCodes) {
      prefix[next] = static_cast<std::uint16_t>(previous);
      suffix[next] = first;
      if (++next == 1 << width && width < 12) ++width;
    }
    previous = current;
  }
  return out;
}

// The y of the n-th stored row of an interlaced frame.
std::vector<std::int64_t> row_order(std::int64_t height, bool interlaced) {
  std::vector<std::int64_t> order;
  if (interlaced) {
    for (const auto& [start, step] : {std::pair{0, 8}, {4, 8}, {2, 4}, {1, 2}})
      for (std::int64_t y = start; y < height; y += step) order.push_back(y);
  } else {
    for (std::int64_t y = 0; y < height; ++y) order.push_back(y);
  }
  return order;
}

}  // namespace

Raster decode_gif(const Encoded& file) {
  Reader reader{file, 6};
  std::int64_t width = reader.word(), height = reader.word();
  const int screen_flags = reader.byte();
  reader.word();  // background and aspect: Pillow heeds neither in a first frame
  Tensor palette = screen_flags & 0x80 ? read_palette(reader, 2 << (screen_flags & 7)) : grey_palette();
  int transparent = -1;
  for (int kind = reader.byte(); kind != ','; kind = reader.byte()) {
    if (kind == ';') file.fail("is damaged: GIF: no picture before its end");
    if (kind != '!') continue;  // rubbish between blocks, as Pillow passes over it
    if (reader.byte() == 0xF9) {
      const int size = reader.byte();
      const std::size_t start = reader.at;
      if (size >= 4 && reader.byte() & 1) {
        reader.word();
        transparent = reader.byte();
      }
      reader.at = start + static_cast<std::size_t>(size);
    }
    reader.skip_blocks();
  }
  const std::int64_t left = reader.word(), top = reader.word(), frame_width = reader.word(),
                     frame_height = reader.word();
  const int flags = reader.byte();
  if (flags & 0x80) palette = read_palette(reader, 2 << (flags & 7));
  width = std::max(width, left + frame_width);
  height = std::max(height, top + frame_height);
  file.check_size(width, height);
  Raster raster;
  raster.mode = RasterMode::palette;
  raster.palette = palette;
  if (transparent >= 0) palette[transparent][3] = 0;
  raster.pixels = at::full({height, width, 1}, std::max(transparent, 0), at::kByte);
  if (frame_width == 0 || frame_height == 0) file.fail("is damaged: GIF: an empty frame");
  const auto indices = decompress(reader, static_cast<std::size_t>(frame_width * frame_height));
  auto* out = raster.pixels.data_ptr<std::uint8_t>();
  std::size_t done = 0;
  for (const std::int64_t y : row_order(frame_height, flags & 0x40)) {
    const std::size_t count = std::min<std::size_t>(indices.size() - done, static_cast<std::size_t>(frame_width));
    if (count == 0) break;
    std::memcpy(out + (top + y) * width + left, indices.data() + done, count);
    done += count;
  }
  return raster;
}

}  // namespace limn
