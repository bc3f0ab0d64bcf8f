#include "apps/train/stylizing.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <ostream>

#include "apps/evaluate/style_measures.h"
#include "apps/train/batch.h"
#include "apps/train/style_pictures.h"
#include "core/files.h"
#include "core/ops.h"
#include "core/safetensors.h"

namespace limn {

namespace {

/// What a step paints.
struct Task {
  Tensor content;               ///< [B 3 side side]
  std::vector<Tensor> styles;   ///< [B 3 s s] each
  std::vector<Tensor> shares;   ///< [B] each
  std::vector<Tensor> regions;  ///< [1 1 side side] each, or none: where each style may act
  std::int64_t cells = 0;
};

Tensor style_crop(const StylizeRun& run, std::int64_t side, std::mt19937_64& random) {
  if (draw_unit(random) < run.config.stylize.drawn_styles) return drawn_style(side, random);
  return random_crop(run.styles[draw_below(random, run.styles.size())], side, 3, random);
}

Task draw_task(const StylizeRun& run, std::int64_t part, std::mt19937_64& random) {
  const TrainConfig& c = run.config;
  const StylizeTraining& s = c.stylize;
  Task task;
  std::vector<Tensor> crops;
  for (const std::int64_t picture : pictures_of_step(run.step * c.accumulate + part, c.batch,
                                                     static_cast<std::int64_t>(run.contents.size()), c.seed))
    crops.push_back(random_crop(run.contents[static_cast<std::size_t>(picture)], s.side, 2, random));
  task.content = at::stack(crops);
  const std::int64_t B = task.content.size(0);
  const double kind = draw_unit(random);
  const std::size_t count = kind < s.two_styles + s.masks ? 2 : 1;
  constexpr std::int64_t pooled_to[] = {64, 256, 1024};
  task.cells = pooled_to[draw_below(random, 3)];
  for (std::size_t i = 0; i < count; ++i) {
    // Styles of unequal sizes, so that shares do not come to mean numbers of tokens.
    const std::int64_t side = i == 0 ? s.side : s.side * (2 + static_cast<std::int64_t>(draw_below(random, 3))) / 4;
    std::vector<Tensor> pictures;
    for (std::int64_t b = 0; b < B; ++b) pictures.push_back(style_crop(run, side, random));
    task.styles.push_back(at::stack(pictures));
  }
  if (count == 1) {
    task.shares = {at::ones({B})};
  } else if (kind < s.two_styles) {
    Tensor first = at::empty({B});
    for (std::int64_t b = 0; b < B; ++b) {
      const double sine = std::sin(draw_unit(random) * 1.5707963);  // Beta(1/2, 1/2): often one is much of it
      first[b].fill_(std::clamp(sine * sine, 0.05, 0.95));
    }
    task.shares = {first, 1 - first};
  } else {
    const Tensor region = random_region(s.side, random);
    task.regions = {region, 1 - region};
    for (const Tensor& r : task.regions) task.shares.push_back(r.mean().expand({B}));
  }
  const auto place = [&](Tensor& x) { x = x.to(run.placement.device); };
  place(task.content);
  for (std::vector<Tensor>* list : {&task.styles, &task.shares, &task.regions}) std::ranges::for_each(*list, place);
  return task;
}

/// [I B h w], an eighth of the content's size.
Tensor share_maps(const Task& task) {
  const std::int64_t B = task.content.size(0), h = (task.content.size(2) + 7) / 8, w = (task.content.size(3) + 7) / 8;
  std::vector<Tensor> maps;
  for (std::size_t i = 0; i < task.styles.size(); ++i)
    maps.push_back(task.regions.empty()
                       ? task.shares[i].view({B, 1, 1}).expand({B, h, w})
                       : at::adaptive_avg_pool2d(task.regions[i], {h, w}).squeeze(1).expand({B, h, w}));
  return at::stack(maps);
}

SetStylizer::Result painted(const StylizeRun& run, const Tensor& content, const std::vector<StyleTokens>& styles,
                            const Tensor& shares) {
  return run.model.paint(run.model.content(content), styles, shares, {});
}

/// Every picture in itself: nothing should change.
Tensor identity_error(const StylizeRun& run, const Tensor& pictures) {
  const std::int64_t B = pictures.size(0), h = (pictures.size(2) + 7) / 8, w = (pictures.size(3) + 7) / 8;
  const Tensor made =
      painted(run, pictures, {run.model.style(pictures)}, at::ones({1, B, h, w}, pictures.options())).pictures;
  return (made - pictures).square().mean();
}

/// The styles as far as they should be seen: their moments, where regions ask for it each in its own.
Tensor style_loss(const StylizeRun& run, const Task& task, const std::vector<Tensor>& made) {
  std::vector<FeatureMoments> moments;
  {
    const at::NoGradGuard no_grad;
    for (const Tensor& style : task.styles) moments.push_back(feature_moments(run.net(style)));
  }
  if (task.regions.empty()) return style_distance(feature_moments(made), mixed_moments(moments, task.shares)).mean();
  Tensor sum;
  for (std::size_t i = 0; i < moments.size(); ++i) {
    const Tensor loss = (style_distance(feature_moments(made, task.regions[i]), moments[i]) * task.shares[i]).mean();
    sum = sum.defined() ? sum + loss : loss;
  }
  return sum;
}

}  // namespace

std::unique_ptr<Run> stylize_run(TrainConfig& config, const TrainOptions& options, std::ostream& out,
                                 std::ostream& notes) {
  const Placement placement = parse_placement(options.device, "fp32");
  TensorTable start = config.start.empty() ? TensorTable{} : read_stylizer_start(config.start);
  // What words say is of the style encoder that was; it is learnt anew, after.
  std::erase_if(start, [](const auto& named) { return named.first.starts_with("words."); });
  const Weights weights = trainable_weights(std::move(start), config, placement);
  SetStylizer model(weights, config.stylize.model);
  weights.finish();
  return std::make_unique<StylizeRun>(config, options, out, notes, placement, weights, std::move(model),
                                      open_feature_net(config.stylize.loss_network, placement));
}

StylizeRun::StylizeRun(const TrainConfig& c, const TrainOptions& o, std::ostream& out_, std::ostream& notes_,
                       Placement place, Weights w, SetStylizer m, FeatureNet n)
    : Run(c, o, out_, notes_, place, AdamW(stepped(w.parameters(), o, c), steps_of(c, {{"net.", c.stylize.net_rate}}))),
      weights(std::move(w)),
      model(std::move(m)),
      net(std::move(n)) {}

bool StylizeRun::read_data() {
  const StylizeTraining& s = config.stylize;
  std::vector<std::string> left_out = s.held_out;
  for (const auto* list : {&s.validation_contents, &s.validation_styles})
    for (const std::filesystem::path& file : *list) left_out.push_back(file.filename().string());
  contents = training_pictures(s.contents, left_out);
  styles = training_pictures(s.styles, left_out);
  const auto squares = [&](const std::vector<std::filesystem::path>& files) {
    std::vector<Tensor> read;
    for (const std::filesystem::path& file : files) read.push_back(middle_square(file, s.validation_side));
    return read.empty() ? Tensor() : at::stack(read).to(placement.device);
  };
  validation_contents = squares(s.validation_contents);
  validation_styles = squares(s.validation_styles);
  return true;
}

void StylizeRun::add_gradients(std::int64_t part, std::mt19937_64& random, Report& report) {
  const StylizeTraining& s = config.stylize;
  const Task task = draw_task(*this, part, random);
  const Tensor shares = share_maps(task);
  std::vector<StyleTokens> tokens;
  for (const Tensor& style : task.styles) tokens.push_back(model.style(style, task.cells));
  const SetStylizer::Result result = painted(*this, task.content, tokens, shares);
  // The loss network's first convolution has stride 2: seen from one place only, every second pixel could run wild.
  const std::int64_t down = static_cast<std::int64_t>(draw_below(random, 2)),
                     right = static_cast<std::int64_t>(draw_below(random, 2));
  const auto moved_net = [&](const Tensor& x) {
    return net(x.narrow(2, down, x.size(2) - 1).narrow(3, right, x.size(3) - 1));
  };
  const std::vector<Tensor> made = moved_net(result.pictures);
  std::vector<Tensor> seen;
  {
    const at::NoGradGuard no_grad;
    seen = moved_net(task.content);
  }
  Tensor total = at::zeros({});
  const double share_of_step = 1.0 / static_cast<double>(config.accumulate);
  const auto add = [&](const char* name, const Tensor& loss, double weight) {
    report.add(name, loss.item<double>() * share_of_step);
    total = total + weight * loss;
  };
  add("style", style_loss(*this, task, made), s.style_weight);
  add("content", content_distance(made, seen).mean(), s.content_weight);
  const std::int64_t half = std::max<std::int64_t>(task.content.size(0) / 2, 1);
  add("identity", identity_error(*this, at::cat({task.content.narrow(0, 0, half), task.styles[0].narrow(0, 0, half)})),
      s.identity_weight);
  Tensor apart = at::zeros({}), moved = at::zeros({});
  if (task.styles.size() == 2 && task.regions.empty())  // what calibration has to correct should be little
    apart = (result.wish.mean(at::IntArrayRef{2, 3}) - shares.mean(at::IntArrayRef{2, 3})).square().mean();
  add("share", apart, s.share_weight);
  if (draw_unit(random) < s.steady) {  // noise that nobody sees should change nothing that anybody sees
    const Tensor noisy = task.content + at::randn_like(task.content) * 0.02;
    moved = (painted(*this, noisy, tokens, shares).pictures - result.pictures).square().mean();
  }
  add("steady", moved, s.steady_weight);
  report.add("loss", total.item<double>() * share_of_step);
  (total * share_of_step).backward();
}

std::optional<double> StylizeRun::judge(Json& line) {
  if (!validation_contents.defined() || !validation_styles.defined()) return {};
  const at::NoGradGuard no_grad;
  const StylizeTraining& s = config.stylize;
  const std::int64_t contents_count = validation_contents.size(0), side = (s.validation_side + 7) / 8;
  double style = 0, content = 0, same = 0, alike = 0;
  const std::int64_t styles_count = validation_styles.size(0);
  const std::vector<Tensor> seen = net(validation_contents);
  for (std::int64_t i = 0; i < styles_count; ++i) {
    const Tensor picture = validation_styles.narrow(0, i, 1);
    const Tensor every = picture.expand(validation_contents.sizes()).contiguous();
    const Tensor shares = at::ones({1, contents_count, side, side}, picture.options());
    const Tensor result = painted(*this, validation_contents, {model.style(every)}, shares).pictures.clamp(0, 1);
    const std::vector<Tensor> made = net(result);
    style += style_distance(feature_moments(made), feature_moments(net(picture))).mean().item<double>();
    content += content_distance(made, seen).mean().item<double>();
    alike += structural_similarity(result, validation_contents).mean().item<double>();
  }
  for (const Tensor* pictures : {&validation_contents, &validation_styles})
    same += identity_error(*this, *pictures).item<double>() / 2;
  const auto count = static_cast<double>(styles_count);
  style /= count;
  content /= count;
  alike /= count;
  const double loss = s.style_weight * style + s.content_weight * content + s.identity_weight * same;
  for (const auto& [name, value] : {std::pair{"validation_loss", loss},
                                    {"validation_style", style},
                                    {"validation_content", content},
                                    {"validation_ssim", alike},
                                    {"validation_identity_db", -10 * std::log10(same)}})
    line.set(name, value);
  notes << "step " << step << ": validation loss " << std::setprecision(4) << loss << "  style " << style
        << "  content " << content << "  SSIM " << alike << "  identity " << -10 * std::log10(same) << " dB"
        << std::endl;
  return -loss;
}

std::string StylizeRun::measure_kind() const {
  const StylizeTraining& s = config.stylize;
  return Json::list(std::vector<double>{s.style_weight, s.content_weight, s.identity_weight}).dump();
}

void StylizeRun::save_model(const std::filesystem::path& folder) const {
  save_stylizer(folder, weights, config.stylize.model);
}

void save_stylizer(const std::filesystem::path& folder, const Weights& weights, const SetStylizerConfig& config) {
  std::filesystem::create_directories(folder);
  std::vector<std::pair<std::string, Tensor>> stored;
  for (const auto& [name, weight] : weights.parameters()) stored.emplace_back(name, weight.detach().to(at::kHalf));
  write_safetensors(folder / "model.safetensors", stored, {{"format", "limn"}});
  write_file(folder / "config.json", set_stylizer_config_json(config).dump(1) + "\n");
}

}  // namespace limn
