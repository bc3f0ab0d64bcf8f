#include "vision/image.h"

#include <algorithm>

#include "core/files.h"
#include "core/ops.h"
#include "vision/encode.h"
#include "vision/raster.h"

namespace limn {
namespace {

using Decoder = Raster (*)(const Encoded&);

struct Format {
  const char* name;
  bool (*matches)(std::string_view head);
  Decoder decode;
};

// "P" and a kind out of `kinds`, then white space or a comment.
bool is_pnm(std::string_view head, std::string_view kinds) {
  return head.size() >= 3 && head[0] == 'P' && kinds.find(head[1]) != head.npos &&
         std::string_view(" \t\r\n#").find(head[2]) != head.npos;
}

bool is_tiff(std::string_view head) {
  using namespace std::string_view_literals;
  return head.starts_with("II*\0"sv) || head.starts_with("MM\0*"sv) || head.starts_with("II+\0"sv) ||
         head.starts_with("MM\0+"sv);
}

bool is_jpeg2000(std::string_view head) {
  using namespace std::string_view_literals;
  return head.starts_with("\xFF\x4F\xFF\x51"sv) || head.starts_with("\0\0\0\x0CjP  \r\n\x87\n"sv);
}

constexpr Format kFormats[] = {
    {"JPEG", [](std::string_view h) { return h.starts_with("\xFF\xD8\xFF"); }, decode_jpeg},
    {"PNG", [](std::string_view h) { return h.starts_with("\x89PNG\r\n\x1A\n"); }, decode_png},
    {"GIF", [](std::string_view h) { return h.starts_with("GIF87a") || h.starts_with("GIF89a"); }, decode_gif},
    {"WebP", [](std::string_view h) { return h.starts_with("RIFF") && h.size() >= 12 && h.substr(8, 4) == "WEBP"; },
     decode_webp},
    {"TIFF", is_tiff, decode_tiff},
    {"BMP", [](std::string_view h) { return h.starts_with("BM"); }, decode_bmp},
    {"PNM", [](std::string_view h) { return is_pnm(h, "123456"); }, decode_pnm},
    {"JPEG 2000", is_jpeg2000, decode_with_opencv},
    {"PAM, PFM", [](std::string_view h) { return is_pnm(h, "7fF"); }, decode_with_opencv},
    {"Sun raster", [](std::string_view h) { return h.starts_with("\x59\xA6\x6A\x95"); }, decode_with_opencv},
    {"Radiance", [](std::string_view h) { return h.starts_with("#?RA") || h.starts_with("#?RGBE"); },
     decode_with_opencv},
};

}  // namespace

Raster decode_raster(const Encoded& file) {
  const std::string_view head = file.text().substr(0, 16);
  if (head.empty()) file.fail("is empty");
  for (const Format& format : kFormats)
    if (format.matches(head)) return format.decode(file);
  if (head.size() >= 12 && head.substr(4, 4) == "ftyp")
    file.fail("is of an unsupported kind: HEIC, AVIF or a video; convert it to JPEG or PNG");
  file.fail("is no picture in a format that is read (JPEG, PNG, GIF, TIFF, WebP, BMP, PNM, JPEG 2000)");
}

Image decode(std::span<const std::uint8_t> bytes, const std::string& where, const DecodeOptions& options) {
  const Raster raster = decode_raster({bytes, where, options.max_pixels});
  Tensor pixels = options.alpha == Alpha::drop ? raster_to_rgb(raster) : raster_over_white(raster);
  if (options.orientation || raster.must_orient) pixels = orient(pixels, raster.orientation);
  return {pixels.size(1), pixels.size(0), pixels};
}

Image read_image(const std::filesystem::path& path, const DecodeOptions& options) {
  const std::string bytes = read_file(path);
  return decode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, path.string(), options);
}

Tensor to_bytes(const Tensor& values) { return values.clamp(0, 1).mul_(255).round_().to(at::kByte); }

void write_image(const std::filesystem::path& path, const Tensor& pixels) {
  const auto [H, W, C] = dims<3>(pixels, "write_image: pixels [H W 3]");
  if (pixels.scalar_type() != at::kByte || C != 3 || H < 1 || W < 1)
    throw InputError("write_image: pixels [H W 3]: got " + std::string(c10::toString(pixels.scalar_type())) + " " +
                     shape_text(pixels.sizes()) + ", expected uint8");
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  if (ending != ".png" && ending != ".jpg" && ending != ".jpeg")
    throw InputError(path.string() + ": name: got the ending \"" + ending + "\", expected .png, .jpg or .jpeg");
  const std::string bytes = encode_image(pixels, ending);
  if (bytes.empty()) throw WriteError(path.string() + ": picture: cannot be encoded");
  write_file(path, bytes);
}

}  // namespace limn
