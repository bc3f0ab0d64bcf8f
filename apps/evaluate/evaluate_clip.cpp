#include "apps/evaluate/evaluate_clip.h"

#include <chrono>
#include <iomanip>
#include <ostream>

#include "apps/models.h"
#include "apps/notes.h"
#include "apps/stylize.h"
#include "apps/stylize_room.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/model.h"
#include "fusion/steady.h"
#include "vision/image.h"
#include "vision/resize.h"
#include "vision/video.h"

namespace limn {

namespace {

constexpr double kSure = 0.5;

Tensor planar(const Tensor& pixels) { return pixels.permute({2, 0, 1}).contiguous(); }

/// A clip's frames, and for each but the first where its pixels lie in the one before and which of them surely.
struct Frames {
  std::vector<Tensor> pictures;    // uint8 [3 H W]
  std::vector<Tensor> flow, sure;  // [2 H W], [1 1 H W] of 0 and 1

  void add(const Tensor& frame) {
    pictures.push_back(planar(frame));
    if (pictures.size() < 2) return;
    const auto grey = [](const Tensor& x) { return x.to(at::kFloat).mean(0).round().to(at::kByte); };
    const Tensor now = grey(pictures.back()), before = grey(pictures[pictures.size() - 2]);
    flow.push_back(optical_flow(now, before));
    sure.push_back((sureness(now, before, flow.back(), optical_flow(before, now)) > kSure).to(at::kFloat));
  }
  /// Mean distance of frames from the ones before, moved, in 0..1.
  double warp_error(const std::vector<Tensor>& of) const {
    double sum = 0, weight = 0;
    const auto map = [](const Tensor& x) { return x.to(at::kFloat).div(255).unsqueeze(0); };
    for (std::size_t i = 1; i < of.size(); ++i) {
      const Tensor apart = (map(of[i]) - warped(map(of[i - 1]), flow[i - 1])).abs().mean(1, true);
      sum += (apart * sure[i - 1]).sum().item<double>();
      weight += sure[i - 1].sum().item<double>();
    }
    return weight > 0 ? sum / weight : 0;
  }
};

/// A clip of five seconds made from a photo: a window of 512 pixels pans over it and closes in, and an oval cut out of
/// its middle crosses it. uint8 [H W 3] each
std::vector<Tensor> made_clip(const Tensor& pixels) {
  constexpr std::int64_t kFrames = 120, kWidth = 512, kHeight = 288, kOval = 96;
  constexpr double kScale = 640;  // pixels across the photo
  const std::int64_t across = static_cast<std::int64_t>(kScale);
  const std::int64_t H = std::max<std::int64_t>(pixels.size(0) * across / pixels.size(1), kHeight + 32);
  const Tensor photo = resize(pixels, H, across).permute({2, 0, 1}).unsqueeze(0).to(at::kFloat);
  const Tensor middle = photo.narrow(2, (H - kOval) / 2, kOval).narrow(3, (across - kOval) / 2, kOval).flip({3});
  const Tensor away = (at::arange(kOval) - (kOval - 1) / 2.0) / (kOval / 2.0);
  const Tensor oval = ((1 - (away.square().unsqueeze(1) * 2 + away.square())) * 8).clamp(0, 1);
  std::vector<Tensor> frames;
  for (std::int64_t i = 0; i < kFrames; ++i) {
    const double t = static_cast<double>(i) / kFrames, closer = 1 - 0.15 * t;
    const auto line = [&](double at_start, std::int64_t count, std::int64_t length) {  // in -1..1
      return (at::arange(count) * closer + at_start) * (2.0 / static_cast<double>(length - 1)) - 1;
    };
    const Tensor columns = line(t * (across - kWidth), kWidth, across);
    const Tensor rows = line(t * static_cast<double>(H - kHeight), kHeight, H);
    const Tensor grid =
        at::stack({columns.unsqueeze(0).expand({kHeight, kWidth}), rows.unsqueeze(1).expand({kHeight, kWidth})}, -1);
    Tensor frame = at::grid_sampler(photo, grid.unsqueeze(0).to(at::kFloat), 0, 1, true);
    Tensor place = frame.narrow(2, kHeight / 2 - kOval / 2, kOval)
                       .narrow(3, static_cast<std::int64_t>(t * (kWidth - kOval)), kOval);
    place.copy_(place + (middle - place) * oval);
    frames.push_back(frame[0].round().clamp(0, 255).to(at::kByte).permute({1, 2, 0}).contiguous());
  }
  return frames;
}

/// The frames of a clip, or of one that is made from a picture.
Frames read_frames(const EvaluateClipOptions& o) {
  Frames frames;
  const auto enough = [&] { return o.frames > 0 && static_cast<std::int64_t>(frames.pictures.size()) >= o.frames; };
  if (!is_clip_name(o.clip)) {
    for (const Tensor& frame : made_clip(read_image(o.clip).pixels))
      if (!enough()) frames.add(frame);
    return frames;
  }
  Clip clip(o.clip);
  for (Tensor frame; !enough() && (frame = clip.next()).defined();) frames.add(frame);
  return frames;
}

struct Row {
  const char* name;
  bool steady;
  double error = 0, flicker = 0, rate = 0;
};

/// Distance of a still picture's paintings with and without noise over the noise; mean of three draws.
double flicker_of(const Stylizer& stylizer, const Tensor& still, const std::vector<StyleItem>& styles, bool steady) {
  at::manual_seed(0);
  const auto distance = [](const Tensor& a, const Tensor& b) {
    return (a.to(at::kFloat) - b.to(at::kFloat)).abs().mean().item<double>();
  };
  double sum = 0;
  for (int draw = 0; draw < 3; ++draw) {
    const Tensor noise = at::randn(still.sizes()) * 2;
    const Tensor noisy = (still.to(at::kFloat) + noise).round().clamp(0, 255).to(at::kByte);
    SteadyPainter painter(stylizer, optical_flow, {.steady = steady});
    const Tensor first = painter(still, styles).picture;
    sum += distance(painter(noisy, styles).picture, first) / distance(noisy, still);
  }
  return sum / 3;
}

void judge(Row& row, const Stylizer& stylizer, const Frames& frames, const std::vector<StyleItem>& styles,
           Notes& notes) {
  SteadyPainter painter(stylizer, optical_flow, {.steady = row.steady});
  std::vector<Tensor> painted;
  notes.begin(row.name, static_cast<std::int64_t>(frames.pictures.size()));
  const auto begin = std::chrono::steady_clock::now();
  for (const Tensor& frame : frames.pictures) {
    if (interrupted()) throw Interrupted("interrupted before all frames were painted; nothing was judged");
    painted.push_back(painter(frame, styles).picture);
    notes.update(static_cast<std::int64_t>(painted.size()));
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  notes.end();
  row.rate = static_cast<double>(painted.size()) / seconds;
  row.error = frames.warp_error(painted);
  row.flicker = flicker_of(stylizer, frames.pictures[0], styles, row.steady);
}

}  // namespace

int evaluate_clip(const EvaluateClipOptions& o, std::ostream& out, std::ostream& notes_out) {
  const at::NoGradGuard no_grad;
  apply_threads(o.common);
  keep_buffers();
  const Model model = open_stylizer(o.common);
  const Stylizer& stylizer = *model.stylizer;
  Notes notes(o.common, notes_out);
  const Frames frames = read_frames(o);
  const std::vector<StyleItem> styles{{{}, 1, {}, read_style(stylizer, planar(read_image(o.style).pixels))}};
  const double own = frames.warp_error(frames.pictures);
  Row rows[] = {{"frame by frame", false}, {"steady", true}};
  for (Row& row : rows) judge(row, stylizer, frames, styles, notes);
  const auto count = static_cast<std::int64_t>(frames.pictures.size());
  if (o.json) {
    Json table = Json::array();
    for (const Row& row : rows)
      table.push(Json::object({{"painted", row.name},
                               {"warp_error", row.error},
                               {"flicker", row.flicker},
                               {"frames_per_second", row.rate}}));
    out << Json::object({{"frames", count}, {"clip_warp_error", own}, {"rows", table}}).dump() << '\n';
  } else {
    out << "| painted | warp error | beyond the clip's own | flicker | frames/s |\n|---|---|---|---|---|\n"
        << std::fixed;
    for (const Row& row : rows)
      out << "| " << row.name << std::setprecision(4) << " | " << row.error << " | " << row.error - own << " | "
          << std::setprecision(2) << row.flicker << " | " << row.rate << " |\n";
    out << std::setprecision(4) << "the clip's own warp error: " << own << " over " << count << " frames\n";
  }
  flush_results(out);
  return exit_done;
}

}  // namespace limn
