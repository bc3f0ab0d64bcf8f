#include "vision/drawing.h"

#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include "core/ops.h"
#include "vision/lettering.h"
#include "vision/resize.h"

namespace limn {
namespace {

constexpr Colour kInk{30, 30, 30}, kPale{110, 110, 110};

Tensor white(std::int64_t height, std::int64_t width) { return at::full({height, width, 3}, 255, at::kByte); }

cv::Mat mat_over(Tensor& pixels) {  // shares the memory; colours stay in the order R G B
  return cv::Mat(static_cast<int>(pixels.size(0)), static_cast<int>(pixels.size(1)), CV_8UC3, pixels.data_ptr());
}

void rectangle(Tensor& pixels, std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height, Colour colour) {
  cv::Mat mat = mat_over(pixels);
  cv::rectangle(mat,
                cv::Rect(static_cast<int>(x), static_cast<int>(y), static_cast<int>(width), static_cast<int>(height)),
                cv::Scalar(colour.red, colour.green, colour.blue));
}

// The picture fitted into a square, not enlarged.
// An entry ready to be placed.
struct Cell {
  Tensor picture;  // [h w 3]
  std::vector<std::string> lines;
};

std::int64_t columns_of(std::size_t entries, const SheetOptions& options) {
  const auto wanted = options.columns > 0
                          ? options.columns
                          : std::min<std::int64_t>(static_cast<std::int64_t>(std::ceil(std::sqrt(entries))), 6);
  return std::min<std::int64_t>(wanted, static_cast<std::int64_t>(entries));
}

}  // namespace

Tensor fitted(const Image& image, std::int64_t side) {
  const std::int64_t longest = std::max(image.height, image.width);
  if (longest <= side) return image.pixels;
  return resize(image.pixels, std::max<std::int64_t>(image.height * side / longest, 1),
                std::max<std::int64_t>(image.width * side / longest, 1));
}

SheetEntry sheet_entry(const Tensor& picture) {
  const Tensor pixels = picture.permute({1, 2, 0}).contiguous();
  return {{pixels.size(1), pixels.size(0), pixels}, {}};
}

Drawing contact_sheet(std::span<const SheetEntry> entries, const SheetOptions& options) {
  if (entries.empty()) throw InputError("contact sheet: entries: got none");
  if (options.side < 16)
    throw InputError("contact sheet: side: got " + std::to_string(options.side) + ", expected at least 16");
  const Lettering letters(options.letters, options.fonts);
  const std::int64_t columns = columns_of(entries.size(), options), gap = 12, line = letters.line_height();
  std::vector<Cell> cells;
  for (const SheetEntry& entry : entries) {
    Cell cell{entry.image.pixels.defined() ? fitted(entry.image, options.side) : Tensor(), {}};
    for (const std::string& caption : entry.captions)
      for (auto& text : letters.wrap(caption, static_cast<int>(options.side))) cell.lines.push_back(std::move(text));
    cells.push_back(std::move(cell));
  }
  // A row is as high as its highest picture and longest caption.
  std::vector<std::int64_t> picture_heights, row_heights;
  for (std::size_t first = 0; first < cells.size(); first += static_cast<std::size_t>(columns)) {
    std::int64_t picture = 0;
    std::size_t lines = 0;
    for (std::size_t i = first; i < std::min(first + static_cast<std::size_t>(columns), cells.size()); ++i) {
      picture = std::max(picture, cells[i].picture.defined() ? cells[i].picture.size(0) : options.side);
      lines = std::max(lines, cells[i].lines.size());
    }
    picture_heights.push_back(picture);
    row_heights.push_back(picture + static_cast<std::int64_t>(lines) * line + 2 * gap);
  }
  const std::int64_t heading = options.title.empty() ? gap : line + 2 * gap;
  std::int64_t height = heading;
  for (const std::int64_t row : row_heights) height += row;
  Tensor sheet = white(height, columns * (options.side + gap) + gap);
  if (!options.title.empty()) letters.draw(sheet, options.title, static_cast<int>(gap), static_cast<int>(gap), kInk);
  std::int64_t top = heading;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::size_t row = i / static_cast<std::size_t>(columns);
    const std::int64_t left = gap + static_cast<std::int64_t>(i) % columns * (options.side + gap);
    if (i > 0 && i % static_cast<std::size_t>(columns) == 0) top += row_heights[row - 1];
    if (cells[i].picture.defined()) {
      const std::int64_t h = cells[i].picture.size(0), w = cells[i].picture.size(1);
      sheet.narrow(0, top + picture_heights[row] - h, h)
          .narrow(1, left + (options.side - w) / 2, w)
          .copy_(cells[i].picture);
    } else {
      rectangle(sheet, left, top, options.side, picture_heights[row], kPale);
    }
    std::int64_t y = top + picture_heights[row] + gap / 2;
    for (const std::string& text : cells[i].lines) {
      letters.draw(sheet, text, static_cast<int>(left), static_cast<int>(y), kInk);
      y += line;
    }
  }
  return {sheet, letters.note()};
}

namespace {

// One axis of a plot: numbers to pixels.
struct Scale {
  double low = 0, high = 1;
  bool logarithmic = false;
  double from = 0, to = 1;  // pixels

  double value(double number) const { return logarithmic ? std::log10(number) : number; }
  bool shows(double number) const { return std::isfinite(number) && (!logarithmic || number > 0); }
  double operator()(double number) const { return from + (value(number) - low) / (high - low) * (to - from); }
};

// The range of the numbers that are shown, a little widened.
void fit(Scale& scale, std::span<const Series> series, bool vertical) {
  bool first = true;
  for (const Series& line : series)
    for (std::size_t i = 0; i < line.x.size(); ++i) {
      const double number = vertical ? line.y[i] : line.x[i];
      if (!scale.shows(number)) continue;
      scale.low = first ? scale.value(number) : std::min(scale.low, scale.value(number));
      scale.high = first ? scale.value(number) : std::max(scale.high, scale.value(number));
      first = false;
    }
  const double span = scale.high - scale.low;
  const double margin = span > 0 ? (vertical ? span * 0.05 : 0) : std::max(std::abs(scale.high) * 0.1, 0.5);
  scale.low -= margin;
  scale.high += margin;
}

// Round numbers, 1, 2 or 5 times a power of ten apart, within the axis.
std::vector<double> ticks(const Scale& scale, int about) {
  const double raw = (scale.high - scale.low) / about, power = std::pow(10, std::floor(std::log10(raw)));
  const double step = power * (raw / power < 1.5 ? 1 : raw / power < 3.5 ? 2 : raw / power < 7.5 ? 5 : 10);
  std::vector<double> values;
  for (double tick = std::ceil(scale.low / step) * step; tick <= scale.high + step * 1e-9; tick += step)
    values.push_back(std::abs(tick) < step * 1e-9 ? 0 : tick);
  return values;
}

std::string number_text(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", number);
  return text;
}

constexpr Colour kLines[] = {{31, 119, 180}, {214, 90, 20},  {44, 140, 60},
                             {170, 40, 50},  {120, 80, 170}, {100, 100, 100}};

cv::Scalar scalar(Colour colour) { return {double(colour.red), double(colour.green), double(colour.blue)}; }

void draw_axes(Tensor& pixels, const Lettering& letters, const Scale& x, const Scale& y, const PlotOptions& options) {
  cv::Mat mat = mat_over(pixels);
  const auto line = [&](double x0, double y0, double x1, double y1, Colour colour) {
    cv::line(mat, cv::Point(cvRound(x0), cvRound(y0)), cv::Point(cvRound(x1), cvRound(y1)), scalar(colour));
  };
  for (const double tick : ticks(x, 8)) {
    const double at = x.from + (tick - x.low) / (x.high - x.low) * (x.to - x.from);
    line(at, y.from, at, y.to, {230, 230, 230});
    const std::string text = number_text(tick);
    letters.draw(pixels, text, cvRound(at) - letters.width(text) / 2, cvRound(y.from) + 6, kPale);
  }
  for (const double tick : ticks(y, 6)) {
    const double at = y.from + (tick - y.low) / (y.high - y.low) * (y.to - y.from);
    line(x.from, at, x.to, at, {230, 230, 230});
    const std::string text = number_text(y.logarithmic ? std::pow(10, tick) : tick);
    letters.draw(pixels, text, cvRound(x.from) - 8 - letters.width(text), cvRound(at) - letters.line_height() / 2,
                 kPale);
  }
  line(x.from, y.from, x.to, y.from, kInk);
  line(x.from, y.from, x.from, y.to, kInk);
  const int middle = cvRound((x.from + x.to) / 2);
  letters.draw(pixels, options.x_label, middle - letters.width(options.x_label) / 2,
               cvRound(y.from) + 8 + letters.line_height(), kInk);
  letters.draw(pixels, options.y_label, 10, cvRound(y.to) - letters.line_height() - 4, kInk);
  letters.draw(pixels, options.title, middle - letters.width(options.title) / 2, 8, kInk);
}

void draw_series(Tensor& pixels, const Series& series, const Scale& x, const Scale& y, Colour colour) {
  cv::Mat mat = mat_over(pixels);
  constexpr int kShift = 4;  // fractional bits of the points
  std::optional<cv::Point> last;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!x.shows(series.x[i]) || !y.shows(series.y[i])) {
      last.reset();
      continue;
    }
    const cv::Point point(cvRound(x(series.x[i]) * (1 << kShift)), cvRound(y(series.y[i]) * (1 << kShift)));
    cv::line(mat, last.value_or(point), point, scalar(colour), 2, cv::LINE_AA, kShift);
    last = point;
  }
}

}  // namespace

Drawing line_plot(std::span<const Series> series, const PlotOptions& options) {
  if (options.width < 200 || options.height < 120)
    throw InputError("plot: size: got " + std::to_string(options.width) + " x " + std::to_string(options.height) +
                     ", expected at least 200 x 120");
  for (const Series& line : series)
    if (line.x.size() != line.y.size())
      throw InputError("plot: " + line.name + ": got " + std::to_string(line.x.size()) + " x and " +
                       std::to_string(line.y.size()) + " y, expected as many");
  const Lettering letters(14, options.fonts);
  Tensor pixels = white(options.height, options.width);
  Scale x, y{.logarithmic = options.log_y};
  fit(x, series, false);
  fit(y, series, true);
  x.from = 70;
  x.to = static_cast<double>(options.width) - 20;
  y.from = static_cast<double>(options.height) - 20 - 2 * letters.line_height();
  y.to = 20 + 2.5 * letters.line_height();
  draw_axes(pixels, letters, x, y, options);
  int legend = cvRound(x.to);
  for (std::size_t i = series.size(); i-- > 0;) {
    const Colour colour = kLines[i % std::size(kLines)];
    draw_series(pixels, series[i], x, y, colour);
    legend -= letters.width(series[i].name) + 16;
    letters.draw(pixels, series[i].name, legend, cvRound(y.to) - letters.line_height() - 4, colour);
  }
  return {pixels, letters.note()};
}

}  // namespace limn
