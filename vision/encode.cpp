#include "vision/encode.h"

#include <opencv2/imgcodecs.hpp>

#include "core/ops.h"

namespace limn {

std::string encode_image(const Tensor& pixels, const std::string& ending, int quality) {
  const Tensor bgr = pixels.to(at::kCPU).flip({2}).contiguous();  // OpenCV's order
  const cv::Mat mat(static_cast<int>(pixels.size(0)), static_cast<int>(pixels.size(1)), CV_8UC3, bgr.data_ptr());
  std::vector<std::uint8_t> bytes;
  const std::vector<int> parameters = ending == ".png" ? std::vector<int>{cv::IMWRITE_PNG_COMPRESSION, 6}
                                                       : std::vector<int>{cv::IMWRITE_JPEG_QUALITY, quality};
  if (!cv::imencode(ending, mat, bytes, parameters)) return {};
  return {bytes.begin(), bytes.end()};
}

}  // namespace limn
