#include "apps/evaluate/evaluate_stylize.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <iomanip>
#include <ostream>

#include "apps/evaluate/style_measures.h"
#include "apps/machine.h"
#include "apps/models.h"
#include "apps/stylize.h"
#include "core/files.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/model.h"
#include "vision/drawing.h"
#include "vision/feature_net.h"
#include "vision/resize.h"

namespace limn {

namespace {

namespace fs = std::filesystem;

Tensor planes(const Tensor& picture) { return picture.unsqueeze(0).to(at::kFloat).div_(255); }  // uint8 [3 H W]

/// The middle square. @return uint8 [3 side side]
Tensor square_of(const fs::path& file, std::int64_t side) {
  const Image image = read_image(file);
  const std::int64_t shorter = std::min(image.height, image.width);
  const Tensor middle = image.pixels.narrow(0, (image.height - shorter) / 2, shorter)
                            .narrow(1, (image.width - shorter) / 2, shorter)
                            .contiguous();
  return resize(middle, side, side).permute({2, 0, 1}).contiguous();
}

/// A picture as the measures see it: at half size, with its features.
struct Seen {
  Tensor picture;  // float [1 3 side/2 side/2]
  std::vector<Tensor> features;
  FeatureMoments moments;
};

struct Judge {
  FeatureNet net;
  std::vector<Tensor> contents, styles;  // uint8 [3 side side]
  std::vector<Seen> seen_contents, seen_styles;

  Seen look(const Tensor& picture) const {
    const at::NoGradGuard no_grad;
    Seen seen{.picture = at::avg_pool2d(planes(picture), {2, 2}), .features = {}, .moments = {}};
    seen.features = net(seen.picture);
    seen.moments = feature_moments(seen.features);
    return seen;
  }
  std::size_t nearest_style(const FeatureMoments& moments) const {
    std::vector<double> apart;
    for (const Seen& style : seen_styles) apart.push_back(style_distance(moments, style.moments).item<double>());
    return static_cast<std::size_t>(std::ranges::min_element(apart) - apart.begin());
  }
};

using Painter = std::function<Tensor(const Tensor& content, const Tensor& style)>;  // uint8 [3 H W]

struct Row {
  std::string name;
  double style = 0, nearest = 0, content = 0, ssim = 0, patches = 0, seconds = 0, peak = 0;
};

/// The style's mean and deviation of each colour.
Tensor colours_matched(const Tensor& content, const Tensor& style) {
  const auto moments = [](const Tensor& x) {
    return at::var_mean(x.to(at::kFloat), at::IntArrayRef{1, 2}, /*correction=*/at::Scalar(0), /*keepdim=*/true);
  };
  const auto [own_variance, own_mean] = moments(content);
  const auto [variance, mean] = moments(style);
  const Tensor scale = (variance / own_variance.clamp_min(1e-3)).sqrt();
  return ((content.to(at::kFloat) - own_mean) * scale + mean).clamp(0, 255).round().to(at::kByte);
}

Painter painter_of(const Stylizer& stylizer, const StylizeOptions& options = {}) {
  return [&stylizer, options](const Tensor& content, const Tensor& style) {
    return stylize(stylizer, content, {{style}}, options).picture;
  };
}

Row judged(const Judge& judge, const std::string& name, const Painter& paint, std::vector<Tensor>* kept = nullptr) {
  Row row{.name = name};
  forget_peak_memory();
  double count = 0;
  for (std::size_t c = 0; c < judge.contents.size(); ++c)
    for (std::size_t s = 0; s < judge.styles.size() && !interrupted(); ++s) {
      const auto begin = std::chrono::steady_clock::now();
      const Tensor picture = paint(judge.contents[c], judge.styles[s]);
      row.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      const Seen made = judge.look(picture);
      const Seen &content = judge.seen_contents[c], &style = judge.seen_styles[s];
      row.style += style_distance(made.moments, style.moments).item<double>();
      row.nearest += judge.nearest_style(made.moments) == s;
      row.content += content_distance(made.features, content.features).item<double>();
      row.ssim += structural_similarity(made.picture, content.picture).item<double>();
      row.patches += patch_distance(made.picture, style.picture);
      if (kept) kept->push_back(picture);
      ++count;
    }
  row.peak = peak_memory();
  for (double* sum : {&row.style, &row.nearest, &row.content, &row.ssim, &row.patches, &row.seconds}) *sum /= count;
  return row;
}

std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<double> result;
  for (const double value : values)
    result.push_back(static_cast<double>(std::ranges::count_if(values, [&](double other) { return other < value; })));
  return result;
}

/// Spearman's correlation of values that do not repeat.
double rank_correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const std::vector<double> ra = ranks(a), rb = ranks(b);
  double squares = 0;
  for (std::size_t i = 0; i < ra.size(); ++i) squares += (ra[i] - rb[i]) * (ra[i] - rb[i]);
  const auto n = static_cast<double>(ra.size());
  return 1 - 6 * squares / (n * (n * n - 1));
}

struct Promises {
  double share_error = 0, largest_share_error = 0;  ///< |received - asked| over pairs of styles and shares
  double monotone = 0, least_monotone = 1;          ///< rank correlation of a style's share and nearness
  double outside = 0, right_inside = 0;             ///< masks: mass where a style may not act; nearest style inside
  double identity = 0;                              ///< dB of pictures painted in themselves
};

/// Shares from a tenth to nine tenths on up to 20 pairs of styles.
void judge_shares(const Judge& judge, const Stylizer& stylizer, Promises& result) {
  const std::vector<double> shares{0.1, 0.3, 0.5, 0.7, 0.9};
  std::size_t pairs = 0;
  for (std::size_t a = 0; a < judge.styles.size(); ++a)
    for (std::size_t b = a + 1; b < judge.styles.size() && pairs < 20 && !interrupted(); ++b, ++pairs) {
      const Tensor& content = judge.contents[pairs % judge.contents.size()];
      std::vector<double> near;
      for (const double share : shares) {
        const Stylized made = stylize(stylizer, content, {{judge.styles[a], share}, {judge.styles[b], 1 - share}});
        near.push_back(-style_distance(judge.look(made.picture).moments, judge.seen_styles[a].moments).item<double>());
        const double error = std::abs(made.shares[0] - share);
        result.share_error += error / static_cast<double>(shares.size());
        result.largest_share_error = std::max(result.largest_share_error, error);
      }
      const double correlation = rank_correlation(shares, near);
      result.monotone += correlation;
      result.least_monotone = std::min(result.least_monotone, correlation);
    }
  const auto count = static_cast<double>(std::max<std::size_t>(pairs, 1));
  result.share_error /= count;
  result.monotone /= count;
}

/// Two styles, each in its half: left and right, top and bottom.
void judge_masks(const Judge& judge, const Stylizer& stylizer, Promises& result) {
  const std::int64_t side = judge.contents[0].size(1);
  double regions = 0;
  for (std::size_t n = 0; n < 10 && !interrupted(); ++n) {
    const std::size_t a = n % judge.styles.size(), b = (a + 1 + n / 4) % judge.styles.size();
    if (a == b) continue;
    Tensor first = at::zeros({side, side});
    first.narrow(static_cast<std::int64_t>(n % 2), 0, side / 2).fill_(1);
    const Tensor masks[] = {first, 1 - first};
    const Stylized made = stylize(stylizer, judge.contents[n % judge.contents.size()],
                                  {{judge.styles[a], 1, masks[0]}, {judge.styles[b], 1, masks[1]}});
    const Seen seen = judge.look(made.picture);
    for (std::int64_t i = 0; i < 2; ++i, ++regions) {
      const Tensor region = masks[i].view({1, 1, side, side});
      const Tensor barred =
          at::adaptive_avg_pool2d(region, {made.mass.size(1), made.mass.size(2)}).eq(0).to(at::kFloat)[0][0];
      result.outside += ((made.mass[i] * barred).sum() / barred.sum().clamp_min(1)).item<double>();
      result.right_inside += judge.nearest_style(feature_moments(seen.features, region)) == (i == 0 ? a : b);
    }
  }
  result.outside /= std::max(regions, 1.0);
  result.right_inside /= std::max(regions, 1.0);
}

Promises promises_of(const Judge& judge, const Stylizer& stylizer) {
  Promises result;
  judge_shares(judge, stylizer, result);
  judge_masks(judge, stylizer, result);
  for (const Tensor& picture : judge.contents)
    result.identity += peak_ratio(planes(stylize(stylizer, picture, {{picture}}).picture), planes(picture)) /
                       static_cast<double>(judge.contents.size());
  return result;
}

void save_sheet(const fs::path& file, const Judge& judge, const std::vector<Tensor>& made) {
  std::vector<SheetEntry> entries{{}};
  for (const Tensor& style : judge.styles) entries.push_back(sheet_entry(style));
  for (std::size_t c = 0; c < judge.contents.size(); ++c) {
    entries.push_back(sheet_entry(judge.contents[c]));
    for (std::size_t s = 0; s < judge.styles.size(); ++s)
      entries.push_back(sheet_entry(made[c * judge.styles.size() + s]));
  }
  write_image(
      file,
      contact_sheet(entries, {.columns = static_cast<std::int64_t>(judge.styles.size()) + 1, .side = 160}).pixels);
}

Json json_of(const Row& row) {
  return Json::object({{"row", row.name},
                       {"style_distance", row.style},
                       {"own_style_nearest", row.nearest},
                       {"content_distance", row.content},
                       {"ssim", row.ssim},
                       {"patch_distance", row.patches},
                       {"seconds", row.seconds},
                       {"peak_bytes", row.peak}});
}

Json json_of(const std::string& name, const Promises& p) {
  return Json::object({{"row", name},
                       {"share_error", p.share_error},
                       {"largest_share_error", p.largest_share_error},
                       {"share_order", p.monotone},
                       {"least_share_order", p.least_monotone},
                       {"mass_outside_masks", p.outside},
                       {"right_inside_masks", p.right_inside},
                       {"identity_db", p.identity}});
}

void print(std::ostream& out, const std::vector<Row>& rows,
           const std::vector<std::pair<std::string, Promises>>& promises) {
  out << std::fixed << "| | style distance | own style nearest | content distance | SSIM | patch distance | seconds | "
      << "peak MB |\n|---|---|---|---|---|---|---|---|\n";
  for (const Row& r : rows)
    out << "| " << r.name << std::setprecision(3) << " | " << r.style << " | " << r.nearest << " | " << r.content
        << " | " << r.ssim << " | " << r.patches << " | " << std::setprecision(2) << r.seconds << " | "
        << std::setprecision(0) << r.peak / 1e6 << " |\n";
  out << "\n| | share error, mean and largest | share order, mean and least | mass outside masks | right inside masks "
         "| "
      << "identity dB |\n|---|---|---|---|---|---|\n";
  for (const auto& [name, p] : promises)
    out << "| " << name << std::setprecision(4) << " | " << p.share_error << ", " << p.largest_share_error << " | "
        << p.monotone << ", " << p.least_monotone << " | " << p.outside << std::setprecision(2) << " | "
        << p.right_inside << " | " << p.identity << " |\n";
}

Judge judge_of(const EvaluateStylizeOptions& o) {
  Judge judge{.net = open_feature_net(o.features), .contents = {}, .styles = {}};
  for (const fs::path& file : o.contents) judge.contents.push_back(square_of(file, o.side));
  for (const fs::path& file : o.styles) judge.styles.push_back(square_of(file, o.side));
  for (const Tensor& picture : judge.contents) judge.seen_contents.push_back(judge.look(picture));
  for (const Tensor& picture : judge.styles) judge.seen_styles.push_back(judge.look(picture));
  return judge;
}

}  // namespace

int evaluate_stylize(const EvaluateStylizeOptions& o, std::ostream& out, std::ostream& notes) {
  if (o.contents.empty() || o.styles.size() < 2)
    throw UsageError("evaluate stylize: got " + std::to_string(o.contents.size()) + " contents and " +
                     std::to_string(o.styles.size()) + " styles, expected at least one and two");
  apply_threads(o.common);
  const Model model = open_stylizer(o.common);
  const Judge judge = judge_of(o);
  if (!o.common.quiet) notes << "measured with " << judge.net.name << " at " << o.side / 2 << " pixels\n";

  std::vector<Row> rows{judged(judge, "untouched", [](const Tensor& content, const Tensor&) { return content; }),
                        judged(judge, "colours matched", colours_matched)};
  std::vector<std::pair<std::string, Promises>> promises;
  const auto add = [&](const std::string& name, const Stylizer& stylizer, std::vector<Tensor>* kept) {
    rows.push_back(judged(judge, name, painter_of(stylizer), kept));
    promises.emplace_back(name, promises_of(judge, stylizer));
  };
  const auto add_published = [&](const char* name, const char* option, const fs::path& folder) {
    if (folder.empty()) {
      if (!o.common.quiet) notes << name << ": no row, its files were not given (" << option << " FOLDER)\n";
      return;
    }
    CommonOptions theirs = o.common;
    theirs.model = folder.string();
    add(name, *open_stylizer(theirs).stylizer, nullptr);
  };
  add_published("MicroAST", "--microast", o.microast);
  std::vector<Tensor> made;
  add(model.folder.filename().string(), *model.stylizer, &made);
  rows.push_back(judged(judge, "without relation", painter_of(*model.stylizer, {.unrelated = true})));
  add_published("AdaIN", "--adain", o.adain);  // last: memory's peak only rises, and these need the most
  add_published("StyTr2", "--stytr2", o.stytr2);
  if (interrupted()) return exit_interrupted;
  if (!o.sheet.empty()) save_sheet(o.sheet, judge, made);
  if (!o.json) {
    print(out, rows, promises);
  } else {
    Json table = Json::array(), kept = Json::array();
    for (const Row& row : rows) table.push(json_of(row));
    for (const auto& [name, p] : promises) kept.push(json_of(name, p));
    out << Json::object({{"features", judge.net.name}, {"rows", table}, {"promises", kept}}).dump() << '\n';
  }
  flush_results(out);
  return exit_done;
}

}  // namespace limn
