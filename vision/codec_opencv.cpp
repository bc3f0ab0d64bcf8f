#include <opencv2/imgcodecs.hpp>

#include <cstring>

#include "core/ops.h"
#include "vision/raster.h"

namespace limn {

Raster decode_with_opencv(const Encoded& file) {
  const cv::Mat bytes(1, static_cast<int>(file.bytes.size()), CV_8UC1, const_cast<std::uint8_t*>(file.bytes.data()));
  cv::Mat mat;
  try {
    mat = cv::imdecode(bytes, cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION);
  } catch (const cv::Exception& error) {
    file.fail("is damaged: " + error.err);
  }
  if (mat.empty()) file.fail("is damaged or of an unsupported kind");
  Raster raster;
  raster.pixels = at::empty({mat.rows, mat.cols, 3}, at::kByte);
  auto* out = raster.pixels.data_ptr<std::uint8_t>();
  for (int y = 0; y < mat.rows; ++y) {
    const std::uint8_t* row = mat.ptr<std::uint8_t>(y);
    for (int x = 0; x < mat.cols; ++x, row += 3, out += 3) {
      out[0] = row[2];
      out[1] = row[1];
      out[2] = row[0];
    }
  }
  return raster;
}

}  // namespace limn
