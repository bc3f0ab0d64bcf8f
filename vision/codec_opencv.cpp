#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include <cctype>
#include <sstream>

#include "core/ops.h"
#include "vision/raster.h"

// The long tail of formats, by OpenCV. Their headings are read here first, so that no size, however large, takes
// memory.
namespace limn {
namespace {

std::uint32_t big_endian(const Encoded& file, std::size_t at, int count) {
  if (at + static_cast<std::size_t>(count) > file.bytes.size()) file.fail("is truncated: its heading ends early");
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | file.bytes[at + i];
  return value;
}

// What OpenCV would refuse, or the flags to decode with.
int check_jpeg2000(const Encoded& file) {
  const auto start = file.text().find("\xFF\x4F\xFF\x51");  // SOC, SIZ
  if (start == std::string_view::npos) file.fail("is damaged: JPEG 2000: no picture data");
  const std::size_t size = start + 8;
  const std::int64_t width = std::int64_t{big_endian(file, size, 4)} - big_endian(file, size + 8, 4);
  const std::int64_t height = std::int64_t{big_endian(file, size + 4, 4)} - big_endian(file, size + 12, 4);
  file.check_size(width, height);
  const std::uint32_t components = big_endian(file, size + 32, 2);
  bool bytes = true;
  for (std::uint32_t c = 0; c < components; ++c) {
    const std::size_t at = size + 34 + std::size_t{c} * 3;
    bytes &= big_endian(file, at, 1) == 7;
    if (big_endian(file, at + 1, 2) != 0x0101)
      file.fail("is of an unsupported kind: JPEG 2000 with components of different resolution");
  }
  if (components < 3 && !bytes) file.fail("is of an unsupported kind: grey JPEG 2000 of other than 8 bits");
  return components < 3 ? cv::IMREAD_UNCHANGED : cv::IMREAD_COLOR;
}

// Sizes in text, as PFM, PAM and Radiance give them.
void check_text_sizes(const Encoded& file) {
  std::istringstream words(std::string(file.text().substr(0, 4096)));
  std::string word;
  std::int64_t sizes[2] = {0, 0};
  if (file.text().starts_with("PF") || file.text().starts_with("Pf")) {
    words >> word >> sizes[0] >> sizes[1];
  } else {
    const bool radiance = file.text().starts_with("#?");
    while (words >> word) {
      if (word == (radiance ? "+X" : "WIDTH")) words >> sizes[0];
      if (word == (radiance ? "-Y" : "HEIGHT")) words >> sizes[1];
    }
  }
  file.check_size(sizes[0], sizes[1]);
}

// OpenCV's messages on damaged files go to the standard error stream unless its level says otherwise.
struct Quiet {
  cv::utils::logging::LogLevel before = cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  ~Quiet() { cv::utils::logging::setLogLevel(before); }
};

Raster raster_of(const cv::Mat& mat, const Encoded& file) {
  const int channels = mat.channels();
  if (mat.depth() != CV_8U || channels > 4 || channels == 2) file.fail("is of an unsupported kind");
  Raster raster;
  raster.mode = channels == 1 ? RasterMode::grey : RasterMode::rgb;
  raster.pixels = at::empty({mat.rows, mat.cols, channels == 1 ? 1 : 3}, at::kByte);
  auto* out = raster.pixels.data_ptr<std::uint8_t>();
  for (int y = 0; y < mat.rows; ++y) {
    const std::uint8_t* in = mat.ptr<std::uint8_t>(y);
    for (int x = 0; x < mat.cols; ++x, in += channels)
      if (channels == 1) {
        *out++ = in[0];
      } else {  // blue first
        for (int c = 2; c >= 0; --c) *out++ = in[c];
      }
  }
  return raster;
}

}  // namespace

Raster decode_with_opencv(const Encoded& file) {
  const std::string_view head = file.text().substr(0, 4);
  int flags = cv::IMREAD_COLOR;
  if (head.starts_with("\xFF\x4F") || head.starts_with('\0'))
    flags = check_jpeg2000(file);
  else if (head == "\x59\xA6\x6A\x95")
    file.check_size(big_endian(file, 4, 4), big_endian(file, 8, 4));  // Sun
  else
    check_text_sizes(file);
  const cv::Mat bytes(1, static_cast<int>(file.bytes.size()), CV_8UC1, const_cast<std::uint8_t*>(file.bytes.data()));
  cv::Mat mat;
  try {
    const Quiet quiet;
    mat = cv::imdecode(bytes, flags | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception& error) {
    file.fail("is damaged: " + error.err);
  }
  if (mat.empty()) file.fail("is damaged or of an unsupported kind");
  return raster_of(mat, file);
}

}  // namespace limn
