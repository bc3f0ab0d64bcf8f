#include "apps/stylize_video.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ostream>

#include "apps/notes.h"
#include "apps/results.h"
#include "apps/stylize_room.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/steady.h"
#include "vision/resize.h"
#include "vision/video.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

constexpr double kUsualRate = 25;  // where a clip does not tell
constexpr const char* kCamera = "camera:";

Clip open_clip(const fs::path& content) {
  const std::string name = content.string();
  if (!name.starts_with(kCamera)) return Clip(content);
  const std::string number = name.substr(std::string(kCamera).size());
  if (number.empty() || number.size() > 3 || number.find_first_not_of("0123456789") != std::string::npos)
    throw UsageError("--content: got \"" + name + "\", expected a camera's number, e.g. camera:0");
  return Clip(std::atoi(number.c_str()));
}

void check_options(const StylizeCommand& o) {
  if (o.contents.size() != 1) throw UsageError("--content: a clip or camera is painted alone, not with other contents");
  if (!o.attribution.empty() || !o.compare.empty() || !o.content_masks.empty())
    throw UsageError("--attribution, --compare, --content-mask: are of pictures, but --content is a clip");
  check_one_for_each("--shares-to", o.shares_to.size(), style_count(o), "styles");
  if (o.shares_to.empty()) return;
  const auto check = [](const std::vector<double>& shares, const char* option) {
    double sum = 0;
    for (const double share : shares) {
      if (!(share >= 0) || !std::isfinite(share))
        throw UsageError(std::string(option) + ": got " + std::to_string(share) + ", expected 0 or more");
      sum += share;
    }
    if (!shares.empty() && sum == 0)
      throw UsageError(std::string(option) + ": got only zeros, expected one style at least");
  };
  check(o.shares, "--shares");
  check(o.shares_to, "--shares-to");
}

/// What the frames have in common.
struct Scene {
  std::int64_t height = 0, width = 0;  // of what is painted: even, as most codecs want it
  double rate = kUsualRate;
  std::vector<double> from, to;  // shares of the first frame and of the last
  StylizeOptions options;

  Tensor fit(const Tensor& frame, double scale) const {  // uint8 [H W 3] -> [3 height width]
    const Tensor sized = scale == 1 ? frame
                                    : resize(frame, std::max(height, side(frame.size(0), scale)),
                                             std::max(width, side(frame.size(1), scale)));
    return sized.narrow(0, 0, height).narrow(1, 0, width).permute({2, 0, 1}).contiguous();
  }
  static std::int64_t side(std::int64_t length, double scale) {
    return std::llround(scale * static_cast<double>(length));
  }
};

Scene scene_of(const StylizeCommand& o, const FrameSource& clip, double scale) {
  Scene scene;
  const auto even = [scale](std::int64_t length) {
    return std::max<std::int64_t>(Scene::side(length, scale) / 2 * 2, 2);
  };
  scene.height = even(clip.height);
  scene.width = even(clip.width);
  if (clip.rate > 0) scene.rate = clip.rate;
  scene.from = o.shares.empty() ? std::vector<double>(style_count(o), 1) : o.shares;
  scene.to = o.shares_to.empty() ? scene.from : o.shares_to;
  scene.options = stylize_options(o);
  if (!o.protect.empty()) scene.options.protect = read_canvas_mask(o.protect, scene.height, scene.width);
  return scene;
}

/// The styles for all frames: masks at the frames' size; colours taken over from the first frame, lest they flicker.
void settle_styles(const StylizeCommand& o, const Stylizer& stylizer, const Tensor& first, Scene& scene,
                   std::vector<StyleItem>& styles) {
  for (std::size_t i = 0; i < o.style_masks.size(); ++i)
    styles[i].mask = read_canvas_mask(o.style_masks[i], scene.height, scene.width);
  StyleColour& colour = scene.options.colour;
  if (!recolours(colour)) return;
  for (StyleItem& style : styles) style.read = read_style(stylizer, style, first, colour);
  colour = StyleColour::style;
}

/// The styles with their shares at this moment; where shares move, without those that have none now.
std::vector<StyleItem> styles_at(double moment, const std::vector<StyleItem>& styles, const Scene& scene) {
  const std::vector<double> shares = shares_between(scene.from, scene.to, moment);
  std::vector<StyleItem> here;
  for (std::size_t i = 0; i < styles.size(); ++i) {
    if (scene.from != scene.to && shares[i] == 0) continue;
    here.push_back(styles[i]);
    here.back().share = shares[i];
  }
  return here;
}

}  // namespace

bool is_clip(const fs::path& content) { return content.string().starts_with(kCamera) || is_clip_name(content); }

std::vector<double> shares_between(const std::vector<double>& from, const std::vector<double>& to, double moment) {
  const auto total = [](const std::vector<double>& shares) {
    double sum = 0;
    for (const double share : shares) sum += share;
    return sum;
  };
  const double all_from = total(from), all_to = total(to);
  std::vector<double> shares;
  for (std::size_t i = 0; i < from.size(); ++i)
    shares.push_back((1 - moment) * from[i] / all_from + moment * to[i] / all_to);
  return shares;
}

int paint_clip(const StylizeCommand& o, const Stylizer& stylizer, std::vector<StyleItem> styles, std::ostream& out,
               std::ostream& notes_out) {
  check_options(o);
  Clip clip = open_clip(o.contents[0]);
  const FrameSource& about = clip.about();
  const double scale =
      o.size == 0 ? 1 : static_cast<double>(o.size) / static_cast<double>(std::max(about.width, about.height));
  Scene scene = scene_of(o, about, scale);
  scene.options.strip =
      strip_within(o.memory.empty() ? 0 : parse_memory(o.memory), stylizer, scene.height, scene.width);
  ClipFile file(o.out, scene.height, scene.width, scene.rate);
  SteadyPainter painter(stylizer, optical_flow, {.steady = o.steady});
  Notes notes(o.common, notes_out);
  notes.begin("frames", about.frames);
  const auto begin = std::chrono::steady_clock::now();
  std::int64_t done = 0;
  for (Tensor frame; !interrupted() && (frame = clip.next()).defined(); ++done) {
    const Tensor canvas = scene.fit(frame, scale);
    if (done == 0) settle_styles(o, stylizer, canvas, scene, styles);
    const double moment =
        about.frames > 1 ? std::min(1.0, static_cast<double>(done) / static_cast<double>(about.frames - 1)) : 0;
    const Stylized made = painter(canvas, styles_at(moment, styles, scene), scene.options);
    file.write(made.picture.permute({1, 2, 0}));
    notes.update(done + 1);
  }
  notes.end();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (done == 0) return exit_interrupted;  // nothing is left behind
  file.finish();
  if (o.json)
    out << Json::object({{"out", o.out.string()},
                         {"width", scene.width},
                         {"height", scene.height},
                         {"frames", done},
                         {"scenes", painter.scenes()},
                         {"rate", scene.rate},
                         {"seconds", seconds}})
               .dump()
        << '\n';
  else
    out << o.out.string() << '\n';
  flush_results(out);
  const std::string of = about.frames > 0 ? " of " + std::to_string(about.frames) : "";
  if (interrupted()) {
    notes.note("stopped after " + std::to_string(done) + of + " frames, which " + o.out.string() + " holds");
    return exit_interrupted;
  }
  if (10 * done >= 9 * about.frames) return exit_done;
  notes.complain(o.contents[0].string() + ": clip: ended after " + std::to_string(done) + of +
                 " frames; is the file cut off?");
  return exit_some_failed;
}

}  // namespace limn
