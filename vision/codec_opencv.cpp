#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "core/ops.h"
#include "vision/raster.h"

// The long tail of formats, by OpenCV. Their headings are read here first, so that no size, however large, takes
// memory; and that their data is whole, because OpenCV writes to std::cerr where these formats end early.
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

void check_rest(const Encoded& file, std::size_t begin, std::int64_t needed) {
  if (begin + static_cast<std::size_t>(needed) > file.bytes.size()) file.fail("is truncated");
}

void check_sun(const Encoded& file) {
  const std::int64_t width = big_endian(file, 4, 4), height = big_endian(file, 8, 4), depth = big_endian(file, 12, 4);
  file.check_size(width, height);
  if (depth != 1 && depth != 8 && depth != 24 && depth != 32) file.fail("is of an unsupported kind: Sun raster");
  const std::int64_t needed = (width * depth + 15) / 16 * 2 * height;
  std::size_t at = 32 + std::size_t{big_endian(file, 28, 4)};
  if (big_endian(file, 20, 4) != 2) return check_rest(file, at, needed);
  for (std::int64_t unpacked = 0; unpacked < needed;) {  // runs: 80 n-1 byte; a lone 80 is written 80 00
    const bool run = big_endian(file, at++, 1) == 0x80;
    const std::int64_t count = run ? big_endian(file, at++, 1) : 0;
    if (count > 0) static_cast<void>(big_endian(file, at++, 1));
    unpacked += count + 1;
  }
}

// The file with its heading as OpenCV likes it.
std::string checked_pam(const Encoded& file) {
  const std::size_t end = file.text().substr(0, 4096).find("\nENDHDR\n");
  if (end == std::string_view::npos) file.fail("is damaged: PAM without the end of its heading");
  std::istringstream words(std::string(file.text().substr(0, end)));
  std::int64_t width = 0, height = 0, depth = 0, largest = 0;
  std::string kind;
  for (std::string word; words >> word;) {
    if (word == "WIDTH") words >> width;
    if (word == "HEIGHT") words >> height;
    if (word == "DEPTH") words >> depth;
    if (word == "MAXVAL") words >> largest;
    if (word == "TUPLTYPE") words >> kind;
  }
  file.check_size(width, height);
  using Kind = std::pair<std::string_view, std::int64_t>;
  constexpr Kind kinds[] = {{"GRAYSCALE", 1}, {"GRAYSCALE_ALPHA", 2}, {"RGB", 3},
                            {"RGB_ALPHA", 4}, {"BLACKANDWHITE", 1},   {"CMYK", 4}};
  const auto fits = [&](const Kind& known) { return known.second == depth && (kind.empty() || known.first == kind); };
  const Kind* found = std::find_if(kinds, std::end(kinds), fits);
  if (found == std::end(kinds) || largest < 1 || largest > 65535) file.fail("is of an unsupported kind: PAM");
  const std::int64_t size = width * height * depth * (largest > 255 ? 2 : 1);
  check_rest(file, end + 8, size);
  std::ostringstream heading;
  heading << "P7\nWIDTH " << width << "\nHEIGHT " << height << "\nDEPTH " << depth << "\nMAXVAL " << largest
          << "\nTUPLTYPE " << found->first << "\nENDHDR\n";
  return heading.str().append(file.text().substr(end + 8, static_cast<std::size_t>(size)));
}

// The same.
std::string checked_pfm(const Encoded& file) {
  std::istringstream words(std::string(file.text().substr(0, 4096)));
  std::string kind;
  std::int64_t width = 0, height = 0;
  double scale = 0;
  words >> kind >> width >> height >> scale;
  file.check_size(width, height);
  if (!words || !(std::abs(scale) > 1e-6 && std::abs(scale) < 1e6) || words.tellg() < 0) file.fail("is damaged: PFM");
  const std::size_t begin = static_cast<std::size_t>(words.tellg()) + 1;
  const std::int64_t size = width * height * (kind == "PF" ? 12 : 4);
  check_rest(file, begin, size);
  std::ostringstream heading;
  heading << kind << '\n' << width << ' ' << height << '\n' << scale << '\n';
  return heading.str().append(file.text().substr(begin, static_cast<std::size_t>(size)));
}

// One line of Radiance's run-length coding: four channels, each of runs (128 + n, byte) and stretches (n, n bytes).
std::size_t behind_radiance_line(const Encoded& file, std::size_t at, std::int64_t width) {
  for (int channel = 0; channel < 4; ++channel) {
    for (std::int64_t x = 0; x < width;) {
      const std::int64_t count = big_endian(file, at, 1);
      const std::int64_t length = count > 128 ? count - 128 : count;
      if (length == 0 || length > width - x) file.fail("is damaged: Radiance");
      at += count > 128 ? 2 : 1 + static_cast<std::size_t>(length);
      x += length;
    }
  }
  return at;
}

void check_radiance(const Encoded& file) {
  const std::string_view head = file.text().substr(0, 4096);
  const std::size_t blank = head.find("\n\n"), end = blank == head.npos ? blank : head.find('\n', blank + 2);
  if (end == head.npos || head.find("\nFORMAT=32-bit_rle_rgbe\n") >= blank + 1)
    file.fail("is damaged or of an unsupported kind: Radiance");
  std::istringstream words(std::string(head.substr(blank + 2, end - blank - 2)));
  std::string y, x;
  std::int64_t width = 0, height = 0;
  words >> y >> height >> x >> width;
  if (!words || y != "-Y" || x != "+X") file.fail("is of an unsupported kind: a turned Radiance picture");
  file.check_size(width, height);
  std::size_t at = end + 1;
  for (std::int64_t row = 0; row < height; ++row) {
    const bool packed =
        width >= 8 && width <= 0x7FFF && big_endian(file, at, 2) == 0x0202 && big_endian(file, at + 2, 1) < 0x80;
    if (!packed) return check_rest(file, at, (height - row) * width * 4);
    if (big_endian(file, at + 2, 2) != width) file.fail("is damaged: Radiance");
    at = behind_radiance_line(file, at + 4, width);
  }
  check_rest(file, at, 0);
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
  std::string rewritten;
  if (head.starts_with("\xFF\x4F") || head.starts_with('\0'))
    flags = check_jpeg2000(file);
  else if (head == "\x59\xA6\x6A\x95")
    check_sun(file);
  else if (head.starts_with("P7"))
    rewritten = checked_pam(file);
  else if (head.starts_with("P"))
    rewritten = checked_pfm(file);
  else
    check_radiance(file);
  const std::string_view whole = rewritten.empty() ? file.text() : std::string_view(rewritten);
  const cv::Mat bytes(1, static_cast<int>(whole.size()), CV_8UC1, const_cast<char*>(whole.data()));
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
