#include "vision/compose.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/ops.h"
#include "vision/resize.h"
#include "vision/subject.h"

namespace limn {

namespace {

constexpr double kOverlap = 0.3;       // of the narrower picture
constexpr std::int64_t kFeather = 12;  // pixels on either side of a seam that are blended

constexpr std::pair<ComposeMode, const char*> kModes[] = {{ComposeMode::automatic, "auto"},
                                                          {ComposeMode::masks, "masks"},
                                                          {ComposeMode::subject, "subject"},
                                                          {ComposeMode::seam, "seam"},
                                                          {ComposeMode::grid, "grid"}};

Tensor resized(const Tensor& picture, std::int64_t height, std::int64_t width) {
  return resize(picture.permute({1, 2, 0}).contiguous(), height, width).permute({2, 0, 1});
}

/// Fills height x width: resized until both sides reach, then cut in the middle.
Tensor covering(const Tensor& picture, std::int64_t height, std::int64_t width) {
  const std::int64_t H = picture.size(1), W = picture.size(2);
  const double scale = std::max(static_cast<double>(height) / static_cast<double>(H),
                                static_cast<double>(width) / static_cast<double>(W));
  const auto side = [scale](std::int64_t length, std::int64_t at_least) {
    return std::max<std::int64_t>(std::llround(scale * static_cast<double>(length)), at_least);
  };
  const Tensor large = resized(picture, side(H, height), side(W, width));
  return large.narrow(1, (large.size(1) - height) / 2, height).narrow(2, (large.size(2) - width) / 2, width);
}

Tensor by_masks(const std::vector<Tensor>& pictures, const std::vector<Tensor>& masks) {
  const std::int64_t H = pictures[0].size(1), W = pictures[0].size(2);
  Tensor sum = at::zeros({3, H, W}), weight = at::zeros({H, W});
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const Tensor mask = masks[i].to(at::kFloat);
    if (mask.dim() != 2 || mask.size(0) != H || mask.size(1) != W)
      throw InputError("compose: content mask " + std::to_string(i + 1) + " [H W]: got " + shape_text(mask.sizes()) +
                       ", expected the first content's size, [" + std::to_string(H) + ", " + std::to_string(W) + "]");
    sum += mask * covering(pictures[i], H, W);
    weight += mask;
  }
  const Tensor first = pictures[0].to(at::kFloat);
  return at::where(weight > 0, sum / weight.clamp_min(1e-6), first).round().clamp(0, 255).to(at::kByte);
}

/// The column at which each row is cut, by dynamic programming. @param cost  float [H O], contiguous
std::vector<std::int64_t> least_seam(const Tensor& cost) {
  const std::int64_t H = cost.size(0), O = cost.size(1);
  std::vector<float> best(cost.data_ptr<float>(), cost.data_ptr<float>() + H * O);
  const auto around = [O](std::int64_t x) { return std::pair(std::max<std::int64_t>(x - 1, 0), std::min(x + 2, O)); };
  for (std::int64_t y = 1; y < H; ++y)
    for (std::int64_t x = 0; x < O; ++x) {
      const auto [from, to] = around(x);
      best[static_cast<std::size_t>(y * O + x)] +=
          *std::min_element(best.begin() + (y - 1) * O + from, best.begin() + (y - 1) * O + to);
    }
  std::vector<std::int64_t> seam(static_cast<std::size_t>(H));
  std::int64_t from = 0, to = O;
  for (std::int64_t y = H - 1; y >= 0; --y) {
    const auto row = best.begin() + y * O;
    const std::int64_t x = std::min_element(row + from, row + to) - row;
    seam[static_cast<std::size_t>(y)] = x;
    std::tie(from, to) = around(x);
  }
  return seam;
}

/// Left and right, overlapping; both of one height.
Tensor joined(const Tensor& left, const Tensor& right) {
  const std::int64_t narrower = std::min(left.size(2), right.size(2));
  const std::int64_t overlap = std::max<std::int64_t>(std::llround(kOverlap * static_cast<double>(narrower)), 1);
  const Tensor a = left.narrow(2, left.size(2) - overlap, overlap).to(at::kFloat);
  const Tensor b = right.narrow(2, 0, overlap).to(at::kFloat);
  const std::vector<std::int64_t> seam = least_seam((a - b).square().sum(0).contiguous());
  const Tensor cut = at::tensor(seam, at::kLong).unsqueeze(1);
  const Tensor part = ((at::arange(overlap) - cut).to(at::kFloat) / (2.0 * kFeather) + 0.5).clamp(0, 1);  // of right
  const Tensor middle = (a + (b - a) * part).round().to(at::kByte);
  return at::cat({left.narrow(2, 0, left.size(2) - overlap), middle, right.narrow(2, overlap, right.size(2) - overlap)},
                 2);
}

Tensor by_seams(const std::vector<Tensor>& pictures) {
  const std::int64_t height = pictures[0].size(1);
  Tensor canvas = pictures[0];
  for (std::size_t i = 1; i < pictures.size(); ++i) {
    const Tensor& next = pictures[i];
    const double width = static_cast<double>(next.size(2) * height) / static_cast<double>(next.size(1));
    canvas = joined(canvas, resized(next, height, std::max<std::int64_t>(std::llround(width), 1)));
  }
  return canvas;
}

Tensor by_grid(const std::vector<Tensor>& pictures) {
  const auto count = static_cast<std::int64_t>(pictures.size());
  const auto columns = static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  const std::int64_t rows = (count + columns - 1) / columns, H = pictures[0].size(1), W = pictures[0].size(2);
  std::vector<Tensor> lines;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t here =
        std::min(columns, count - row * columns);  // the last row's cells are wider where it lacks some
    std::vector<Tensor> cells;
    for (std::int64_t column = 0; column < here; ++column) {
      const std::int64_t from = column * columns * W / here, to = (column + 1) * columns * W / here;
      cells.push_back(covering(pictures[static_cast<std::size_t>(row * columns + column)], H, to - from));
    }
    lines.push_back(at::cat(cells, 2));
  }
  return at::cat(lines, 1);
}

}  // namespace

ComposeMode parse_compose_mode(const std::string& word) {
  for (const auto& [mode, name] : kModes)
    if (word == name) return mode;
  throw InputError("compose: got \"" + word + "\", expected auto, masks, subject, seam or grid");
}

const char* compose_mode_word(ComposeMode mode) {
  for (const auto& [known, name] : kModes)
    if (mode == known) return name;
  return "";
}

Composed compose(const std::vector<Tensor>& pictures, const std::vector<Tensor>& masks, ComposeMode mode) {
  if (pictures.empty()) throw InputError("compose: got no contents, expected at least one");
  if (!masks.empty() && masks.size() != pictures.size())
    throw InputError("compose: got " + std::to_string(masks.size()) + " content masks for " +
                     std::to_string(pictures.size()) + " contents, expected one for each or none");
  if (mode == ComposeMode::masks && masks.empty()) throw InputError("compose: masks: got none, expected one a content");
  if (mode == ComposeMode::subject && pictures.size() != 2)
    throw InputError("compose: subject: got " + std::to_string(pictures.size()) +
                     " contents, expected two: what is to stand out, and the scene");
  const bool unasked = mode == ComposeMode::automatic;
  if (unasked)
    mode = !masks.empty() ? ComposeMode::masks : pictures.size() <= 2 ? ComposeMode::seam : ComposeMode::grid;
  if (pictures.size() == 1 && masks.empty()) return {pictures[0], mode};
  if (mode == ComposeMode::subject || (unasked && mode == ComposeMode::seam)) {
    const Subject subject = find_subject(pictures[0]);
    if (!unasked && subject.mask.max().item<float>() < 0.5F)
      throw InputError("compose: subject: nothing stands out of the first content; say with masks what is wanted");
    if (!unasked || subject.distinct)
      return {by_masks(pictures, {subject.mask, 1 - subject.mask}), ComposeMode::subject};
  }
  if (mode == ComposeMode::masks) return {by_masks(pictures, masks), mode};
  return {mode == ComposeMode::seam ? by_seams(pictures) : by_grid(pictures), mode};
}

}  // namespace limn
