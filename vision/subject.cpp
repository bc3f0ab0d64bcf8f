#include "vision/subject.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "core/ops.h"
#include "vision/resize.h"

namespace limn {

namespace {

constexpr double kWorkingSide = 256;  // longer side at which is searched
constexpr int kSpectrumSide = 64;     // of the picture whose spectrum is looked at
constexpr int kBorderColours = 6;
constexpr double kLeastContrast = 8;  // of 255, in Lab: below it nothing stands out

/// OpenCV draws k-means' first centres from a generator of the thread: it begins anew here and is given back after.
struct FixedRandom {
  cv::RNG before = cv::theRNG();
  FixedRandom() { cv::theRNG() = cv::RNG(1); }
  ~FixedRandom() { cv::theRNG() = before; }
  FixedRandom(const FixedRandom&) = delete;
  FixedRandom& operator=(const FixedRandom&) = delete;
};

cv::Mat spread(const cv::Mat& x) {  // to 0..1
  cv::Mat result;
  cv::normalize(x, result, 0, 1, cv::NORM_MINMAX, CV_32F);
  return result;
}

/// What the logarithmic spectrum has beyond its own local mean is what is unexpected in the picture.
cv::Mat spectral_residual(const cv::Mat& rgb) {
  cv::Mat grey, spectrum, planes[2], magnitude, phase, mean;
  cv::cvtColor(rgb, grey, cv::COLOR_RGB2GRAY);
  cv::resize(grey, grey, {kSpectrumSide, kSpectrumSide}, 0, 0, cv::INTER_AREA);
  grey.convertTo(grey, CV_32F);
  cv::dft(grey, spectrum, cv::DFT_COMPLEX_OUTPUT);
  cv::split(spectrum, planes);
  cv::cartToPolar(planes[0], planes[1], magnitude, phase);
  cv::log(magnitude + 1e-6, magnitude);
  cv::blur(magnitude, mean, {3, 3});
  cv::exp(magnitude - mean, magnitude);
  cv::polarToCart(magnitude, phase, planes[0], planes[1]);
  cv::merge(planes, 2, spectrum);
  cv::idft(spectrum, spectrum, cv::DFT_SCALE);
  cv::split(spectrum, planes);
  cv::Mat salient = planes[0].mul(planes[0]) + planes[1].mul(planes[1]);
  cv::GaussianBlur(salient, salient, {}, 2.5);
  cv::resize(salient, salient, rgb.size());
  return salient;
}

/// How far a place's colour is from the nearest of the colours along the picture's border.
cv::Mat border_contrast(const cv::Mat& rgb) {
  cv::Mat lab;
  cv::cvtColor(rgb, lab, cv::COLOR_RGB2Lab);
  lab.convertTo(lab, CV_32F);
  const int edge = std::max(2, static_cast<int>(0.06 * std::min(rgb.rows, rgb.cols)));
  cv::Mat samples(0, 3, CV_32F), labels, centres;
  for (int y = 0; y < lab.rows; ++y)
    for (int x = 0; x < lab.cols; ++x)
      if (std::min({y, x, lab.rows - 1 - y, lab.cols - 1 - x}) < edge)
        samples.push_back(cv::Mat(lab.at<cv::Vec3f>(y, x)).t());
  cv::kmeans(samples, std::min(kBorderColours, samples.rows), labels,
             {cv::TermCriteria::EPS + cv::TermCriteria::MAX_ITER, 20, 0.5}, 2, cv::KMEANS_PP_CENTERS, centres);
  cv::Mat nearest;
  for (int i = 0; i < centres.rows; ++i) {
    cv::Mat apart, planes[3];
    cv::absdiff(lab, cv::Scalar(centres.at<float>(i, 0), centres.at<float>(i, 1), centres.at<float>(i, 2)), apart);
    cv::multiply(apart, apart, apart);
    cv::split(apart, planes);
    cv::sqrt(planes[0] + planes[1] + planes[2], apart);
    nearest = i == 0 ? apart : cv::Mat(cv::min(nearest, apart));
  }
  cv::GaussianBlur(nearest, nearest, {}, 3);
  return nearest;
}

/// Both together, and more in the middle, where people put what they photograph. 0 to 1; all 0 where all is alike
cv::Mat saliency(const cv::Mat& rgb) {
  const cv::Mat contrast = border_contrast(rgb);
  double most = 0;
  cv::minMaxLoc(contrast, nullptr, &most);
  if (most < kLeastContrast) return cv::Mat::zeros(rgb.size(), CV_32F);
  cv::Mat both = spread(spectral_residual(rgb)) + spread(contrast);
  for (int y = 0; y < both.rows; ++y)
    for (int x = 0; x < both.cols; ++x) {
      const double dy = (static_cast<double>(y) / both.rows - 0.5) / 0.4;
      const double dx = (static_cast<double>(x) / both.cols - 0.5) / 0.4;
      both.at<float>(y, x) *= static_cast<float>(std::exp(-(dy * dy + dx * dx) / 2));
    }
  return spread(both);
}

/// Foreground 1, background 0: saliency tells where to begin, the colours where it ends.
cv::Mat outlined(const cv::Mat& rgb, int frame) {
  const cv::Mat salient = saliency(rgb);
  cv::Mat bytes, discarded;
  salient.convertTo(bytes, CV_8U, 255);
  const double likely = cv::threshold(bytes, discarded, 0, 255, cv::THRESH_BINARY | cv::THRESH_OTSU) / 255;
  cv::Mat mask(rgb.size(), CV_8U, cv::Scalar(cv::GC_PR_BGD)), background, foreground, bgr;
  mask.setTo(cv::GC_PR_FGD, salient > likely);
  mask.setTo(cv::GC_FGD, salient > likely + (1 - likely) / 2);
  cv::rectangle(mask, {0, 0, mask.cols, mask.rows}, cv::Scalar(cv::GC_BGD), frame);
  if (cv::countNonZero(mask & 1) == 0) return mask & 1;
  cv::cvtColor(rgb, bgr, cv::COLOR_RGB2BGR);
  cv::grabCut(bgr, mask, {}, background, foreground, 5, cv::GC_INIT_WITH_MASK);
  cv::Mat found = mask & 1;  // GC_FGD and GC_PR_FGD are the odd ones
  cv::morphologyEx(found, found, cv::MORPH_OPEN, cv::Mat::ones(3, 3, CV_8U));
  return found;
}

/// The largest piece alone, its small holes closed. @param rest  what the other pieces were of all
cv::Mat largest_piece(const cv::Mat& found, double& rest) {
  cv::Mat pieces, sizes, centres;
  const int count = cv::connectedComponentsWithStats(found, pieces, sizes, centres);
  int largest = 0, all = 0;
  for (int i = 1; i < count; ++i) {
    const int area = sizes.at<int>(i, cv::CC_STAT_AREA);
    all += area;
    if (largest == 0 || area > sizes.at<int>(largest, cv::CC_STAT_AREA)) largest = i;
  }
  if (largest == 0) return cv::Mat::zeros(found.size(), CV_8U);
  rest = 1 - static_cast<double>(sizes.at<int>(largest, cv::CC_STAT_AREA)) / all;
  cv::Mat piece = (pieces == largest) & 1;
  const int gaps = cv::connectedComponentsWithStats(1 - piece, pieces, sizes, centres);
  for (int i = 1; i < gaps; ++i)
    if (sizes.at<int>(i, cv::CC_STAT_AREA) < 0.01 * static_cast<double>(found.total())) piece.setTo(1, pieces == i);
  return piece;
}

/// Whether the colours change along the outline, more than elsewhere and nearly all of the way.
bool follows_edges(const cv::Mat& rgb, const cv::Mat& piece) {
  cv::Mat across, down, change, planes[3], outline;
  cv::Sobel(rgb, across, CV_32F, 1, 0);
  cv::Sobel(rgb, down, CV_32F, 0, 1);
  cv::split(cv::abs(across) + cv::abs(down), planes);
  change = planes[0] + planes[1] + planes[2];
  cv::morphologyEx(piece, outline, cv::MORPH_GRADIENT, cv::Mat::ones(3, 3, CV_8U));
  const double everywhere = cv::mean(change)[0], along = cv::mean(change, outline)[0];
  cv::dilate(change, change, cv::Mat::ones(3, 3, CV_8U));
  const int held = cv::countNonZero((change > everywhere) & (outline > 0));
  return along >= 1.5 * everywhere && held >= 0.93 * cv::countNonZero(outline);
}

/// Figures tried on 32 photos: those that pass are one thing each, those that fail are crowds, rooms, or torn.
bool is_distinct(const cv::Mat& rgb, const cv::Mat& piece, double rest, int frame) {
  std::vector<std::vector<cv::Point>> outlines;
  cv::findContours(piece, outlines, cv::RETR_EXTERNAL, cv::CHAIN_APPROX_NONE);
  if (outlines.empty()) return false;
  std::vector<cv::Point> hull;
  cv::convexHull(outlines[0], hull);
  const double pixels = cv::countNonZero(piece), area = pixels / static_cast<double>(piece.total());
  const double length = std::max<double>(static_cast<double>(outlines[0].size()), 1);
  const double solid = pixels / std::max(cv::contourArea(hull), 1.0);
  const double compact = 4 * CV_PI * pixels / (length * length);
  const cv::Mat inner = piece(cv::Rect(frame, frame, piece.cols - 2 * frame, piece.rows - 2 * frame));
  const double touching = cv::countNonZero(inner.row(0)) + cv::countNonZero(inner.row(inner.rows - 1)) +
                          cv::countNonZero(inner.col(0)) + cv::countNonZero(inner.col(inner.cols - 1));
  return area >= 0.05 && area <= 0.5 && touching <= 0.05 * 2 * (piece.rows + piece.cols) && solid >= 0.8 &&
         compact >= 0.3 && rest <= 0.25 && follows_edges(rgb, piece);
}

}  // namespace

Subject find_subject(const Tensor& picture) {
  const auto [C, H, W] = dims<3>(picture, "find_subject: picture [3 H W]");
  Subject subject{.mask = at::zeros({H, W})};
  if (C != 3 || std::min(H, W) < 16) return subject;
  const double scale = std::min(kWorkingSide / static_cast<double>(std::max(H, W)), 1.0);
  const auto side = [scale](std::int64_t length) {
    return std::max<std::int64_t>(std::llround(scale * static_cast<double>(length)), 8);
  };
  const Tensor small = resize(picture.permute({1, 2, 0}).contiguous(), side(H), side(W)).contiguous();  // [h w 3]
  const cv::Mat rgb(static_cast<int>(small.size(0)), static_cast<int>(small.size(1)), CV_8UC3, small.data_ptr());
  const FixedRandom fixed;
  const int frame = std::max(1, static_cast<int>(0.02 * std::min(rgb.rows, rgb.cols)));
  double rest = 0;
  const cv::Mat piece = largest_piece(outlined(rgb, frame), rest);
  subject.distinct = is_distinct(rgb, piece, rest, frame);
  cv::Mat soft;
  piece.convertTo(soft, CV_32F);
  cv::GaussianBlur(soft, soft, {}, 1);  // of the small picture: the outline is no finer than its pixels
  const Tensor found = at::from_blob(soft.data, {1, 1, soft.rows, soft.cols}, at::kFloat);
  subject.mask = at::upsample_bilinear2d(found, {H, W}, /*align_corners=*/false)[0][0].clamp(0, 1);
  return subject;
}

}  // namespace limn
