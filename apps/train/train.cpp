#include "apps/train/train.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>

#include <chrono>
#include <iomanip>
#include <ostream>
#include <sstream>

#include "apps/progress.h"
#include "apps/train/grids.h"
#include "apps/train/objective.h"
#include "apps/train/run.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "fusion/normalise.h"

namespace limn {

namespace {

using Clock = std::chrono::steady_clock;

std::vector<TokenizedCaptions> tokenized(const std::vector<CaptionRecord>& records, const Tokenizer& tokenizer,
                                         const std::vector<std::string>& languages) {
  std::vector<std::int64_t> begins;
  for (const std::string& language : languages) {
    const auto begin = tokenizer.id("<" + language + ">");
    if (!begin) throw InputError("tokenizer: has no piece <" + language + ">; train it with this language");
    begins.push_back(*begin);
  }
  std::vector<TokenizedCaptions> all;
  for (const CaptionRecord& record : records) {
    TokenizedCaptions& captions = all.emplace_back(languages.size());
    for (std::size_t l = 0; l < languages.size(); ++l) {
      const auto found = record.captions.find(languages[l]);
      if (found == record.captions.end()) continue;
      for (const std::string& text : found->second) {
        std::vector<std::int64_t> ids{begins[l]};
        for (const std::int64_t id : tokenizer.encode(plain_caption(text), {.special = false})) ids.push_back(id);
        ids.push_back(tokenizer.special.end);
        captions[l].push_back(std::move(ids));
      }
    }
  }
  return all;
}

Weights trainable_weights(const TrainConfig& config) {
  WeightsOptions options;
  options.what = "start";
  options.fill = true;
  options.seed = config.seed;
  options.trainable = true;
  TensorTable table;
  if (!config.start.empty())
    for (auto& [name, stored] : read_weights(config.start))
      if (name.rfind("vision.stem.", 0) != 0) table[name] = stored;
  return Weights(std::move(table), options);
}

Weights frozen_stem(const TrainConfig& config) {
  TensorTable table;
  if (config.start.empty()) {
    table = fold_efficientnet(read_tensor_file(config.stem_weights), config.model.vision.stem,
                              config.stem_weights.string());
  } else {
    const std::string prefix = "vision.stem.";
    for (auto& [name, stored] : read_weights(config.start))
      if (name.rfind(prefix, 0) == 0) table[name.substr(prefix.size())] = stored;
  }
  WeightsOptions options;
  options.what = (config.start.empty() ? config.stem_weights : config.start).string();
  return Weights(std::move(table), options);
}

Tensor batch_grids(const Run& run, const std::vector<std::int64_t>& pictures, std::mt19937_64& random) {
  std::vector<Tensor> chosen;
  const Tensor& grids = run.train.grids;
  for (const std::int64_t picture : pictures) {
    const std::int64_t v = static_cast<std::int64_t>(draw_below(random, static_cast<std::uint64_t>(grids.size(1))));
    const bool flip = run.config.flip && draw_unit(random) < 0.5;
    const Tensor grid = grids[picture][v];  // [h w C]
    chosen.push_back(flip ? grid.flip({1}) : grid);
  }
  Tensor batch = at::stack(chosen).to(at::kFloat);  // [B h w C]
  if (run.config.drop_cells > 0) {
    Tensor keep = at::ones({batch.size(0), batch.size(1), batch.size(2), 1});
    float* cell = keep.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < keep.numel(); ++i) cell[i] = draw_unit(random) < run.config.drop_cells ? 0.0f : 1.0f;
    batch = batch * keep;
  }
  return batch;
}

// Sums of what is reported, over steps.
struct Report {
  double caption = 0, contrast = 0, reward = 0, norm = 0, rate = 0;
};

// Mixed precision for as long as it lives. Casts of the weights are dropped at the end: some were made without
// gradients.
struct Autocast {
  explicit Autocast(bool on) { at::autocast::set_autocast_enabled(at::kCPU, on); }
  ~Autocast() {
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, false);
  }
};

// The captions that the model itself draws for these pictures, and what they are worth.
Tensor self_critical(Run& run, const Tensor& grid, const std::vector<std::int64_t>& pictures, std::uint64_t seed,
                     Report& report) {
  const TrainConfig& c = run.config;
  SampledCaptions sampled;
  {
    const at::NoGradGuard no_grad;
    const Autocast precision(c.bf16);
    sampled = sample_captions(run.model, run.tokenizer, run.rewards, run.model.vision.tokens(grid), pictures,
                              {.samples = c.self_critical_samples, .seed = seed});
  }
  report.reward += sampled.reward / static_cast<double>(c.accumulate);
  const Autocast precision(c.bf16);
  return self_critical_loss(run.model, run.model.vision.tokens(grid),
                            pack(std::move(sampled.captions), c.model.text.positions), sampled.advantages);
}

// One optimiser step; all that is random follows from seed and step.
void take_step(Run& run, Report& report) {
  const TrainConfig& c = run.config;
  std::mt19937_64 random(c.seed * 7919u + static_cast<std::uint64_t>(run.step) + 1u);
  at::manual_seed(random());  // dropout
  for (std::int64_t part = 0; part < c.accumulate; ++part) {
    const auto pictures = pictures_of_step(run.step * c.accumulate + part, c.batch,
                                           static_cast<std::int64_t>(run.train.records.size()), c.seed);
    std::vector<const TokenizedCaptions*> captions;
    for (const std::int64_t picture : pictures)
      captions.push_back(&run.train.tokens[static_cast<std::size_t>(picture)]);
    const Tensor grid = batch_grids(run, pictures, random);
    const PackedBatch batch = pack(draw_captions(captions, c.captions, random), c.model.text.positions);
    Losses losses;
    {
      const Autocast precision(c.bf16);
      losses = caption_losses(run.model, grid, batch, c, true);
    }
    Tensor total = losses.total;
    if (c.self_critical_samples > 0)
      total = total + c.self_critical_weight * self_critical(run, grid, pictures, random(), report);
    (total / static_cast<double>(c.accumulate)).backward();
    report.caption += losses.caption / static_cast<double>(c.accumulate);
    report.contrast += losses.contrast / static_cast<double>(c.accumulate);
  }
  report.rate = cosine_rate(run.step, c.steps, c.warmup, c.rate, c.final_rate);
  report.norm += run.optimizer.step(report.rate);
  ++run.step;
}

// A line of the metrics file, and one for people: a bar's detail on a terminal.
void report_steps(const Run& run, const Report& sum, double steps, double seconds) {
  Json line = Json::object({{"step", run.step}, {"loss", sum.caption / steps}});
  std::ostringstream text;
  text << std::setprecision(4) << "loss " << sum.caption / steps;
  const auto add = [&](bool on, const char* name, double value) {
    if (!on) return;
    line.set(name, value / steps);
    text << "  " << name << " " << value / steps;
  };
  add(run.config.contrast_weight > 0, "contrast", sum.contrast);
  add(run.config.self_critical_samples > 0, "reward", sum.reward);
  line.set("gradient_norm", sum.norm / steps);
  line.set("rate", sum.rate);
  line.set("seconds_per_step", seconds / steps);
  append_metrics(run, line);
  run.notes << "step " << run.step << "/" << run.config.steps << "  " << text.str() << "  " << std::setprecision(3)
            << seconds / steps << " s/step  "
            << clock_text(seconds / steps * static_cast<double>(run.config.steps - run.step)) << " left" << std::endl;
}

int run_steps(Run& run) {
  const std::int64_t last =
      run.options.stop_after > 0 ? std::min(run.config.steps, run.step + run.options.stop_after) : run.config.steps;
  auto since = Clock::now();
  Report sum;
  std::int64_t summed = 0;
  while (run.step < last) {
    take_step(run, sum);
    ++summed;
    if (run.step % run.config.log_every == 0) {
      report_steps(run, sum, static_cast<double>(summed), std::chrono::duration<double>(Clock::now() - since).count());
      sum = {};
      summed = 0;
      since = Clock::now();
    }
    const bool stopped = run.options.stop && run.options.stop();
    if (stopped || run.step % run.config.save_every == 0 || run.step == last) save_checkpoint(run);
    if (stopped) return 130;
    if (run.step % run.config.validate_every == 0 || run.step == run.config.steps) {
      validate(run);
      save_checkpoint(run);
      since = Clock::now();
    }
  }
  return 0;
}

}  // namespace

int train(const TrainOptions& options, std::ostream& out, std::ostream& notes) {
  if (options.threads > 0) at::set_num_threads(options.threads);
  TrainConfig config = read_train_config(options.config);
  if (!config.start.empty()) {
    const HouseConfig started = read_house_config(Json::read(config.start / "config.json"));
    config.model = started;
  }
  const auto tokenizer_file = config.start.empty() ? config.tokenizer : config.start / "tokenizer.model";
  const Tokenizer tokenizer = open_sentencepiece(tokenizer_file);
  config.model.text.vocab = tokenizer.size();
  std::filesystem::create_directories(config.out);

  const Weights stem_weights = frozen_stem(config), weights = trainable_weights(config);
  HouseModel model(weights, stem_weights, config.model);
  stem_weights.finish();
  weights.finish();
  Run run{config,
          options,
          notes,
          tokenizer,
          stem_weights,
          weights,
          std::move(model),
          AdamW(weights.parameters(), {.beta1 = config.beta1,
                                       .beta2 = config.beta2,
                                       .weight_decay = config.weight_decay,
                                       .clip = config.clip,
                                       .ema = config.ema}),
          {},
          {},
          {}};

  GridOptions grid{.preprocess = read_preprocess(preprocess_json(config.model)),
                   .views = config.views,
                   .smallest_crop = config.smallest_crop,
                   .seed = config.seed,
                   .cache = config.out / "grids-train.safetensors",
                   .progress = {},
                   .stop = options.stop};
  grid.preprocess.threads = 1;  // a picture per thread
  grid.progress = [&notes](std::int64_t done, std::int64_t all) {
    if (done % 400 == 0) notes << "encoding pictures " << done << "/" << all << std::endl;
  };
  run.train.records = read_captions(config.train);
  run.train.tokens = tokenized(run.train.records, tokenizer, config.model.languages);
  run.train.grids = picture_grids(run.model.vision.stem, run.train.records, grid);
  if (!run.train.grids.defined()) return 130;
  if (!config.validation.empty()) {
    run.validation.records = read_captions(config.validation);
    if (config.validate_pictures > 0 &&
        run.validation.records.size() > static_cast<std::size_t>(config.validate_pictures))
      run.validation.records.resize(static_cast<std::size_t>(config.validate_pictures));
    run.validation.tokens = tokenized(run.validation.records, tokenizer, config.model.languages);
    grid.views = 1;
    grid.cache = config.out / "grids-validation.safetensors";
    run.validation.grids = picture_grids(run.model.vision.stem, run.validation.records, grid);
    if (!run.validation.grids.defined()) return 130;
  }
  if (config.self_critical_samples > 0)
    for (const std::string& language : config.model.languages) run.rewards.emplace_back(run.train.records, language);
  if (options.resume && std::filesystem::exists(checkpoint_file(config))) {
    load_checkpoint(run);
    notes << "resuming at step " << run.step << std::endl;
  }
  rewind_metrics(config.out / "metrics.jsonl", run.step);
  notes << run.train.records.size() << " pictures, " << weights.count() << " trained weights, step " << run.step
        << " of " << config.steps << std::endl;

  const int code = run_steps(run);
  out << Json::object({{"step", run.step}, {"steps", config.steps}, {"out", config.out.string()}}).dump() << std::endl;
  return code;
}

}  // namespace limn
