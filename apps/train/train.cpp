#include "apps/train/train.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>

#include <chrono>
#include <fstream>
#include <iomanip>
#include <ostream>

#include "apps/evaluate/caption_metrics.h"
#include "apps/evaluate/ptb_tokenizer.h"
#include "apps/train/grids.h"

#include "apps/train/objective.h"
#include "apps/train/optimizer.h"
#include "core/files.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "fusion/normalise.h"
#include "text/generate.h"
#include "text/tokenizer.h"
#include "vision/drawing.h"
#include "vision/image.h"

namespace limn {

namespace {

using Clock = std::chrono::steady_clock;

struct CaptionSet {
  std::vector<CaptionRecord> records;
  std::vector<TokenizedCaptions> tokens;  // by record
  Tensor grids;                           // fp16 [pictures views h w C]
};

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

// Everything that a run holds; a struct so that the steps below are short functions.
struct Run {
  const TrainConfig& config;
  const TrainOptions& options;
  std::ostream& notes;
  Tokenizer tokenizer;
  Weights stem_weights;  // frozen
  Weights weights;       // trained
  HouseModel model;
  AdamW optimizer;
  CaptionSet train, validation;
  std::optional<double> best;  // of the validation measure
  std::int64_t step = 0;       // steps done
};

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

struct StepReport {
  double caption = 0, contrast = 0, norm = 0, rate = 0;
};

// One optimiser step; all that is random follows from seed and step.
StepReport take_step(Run& run) {
  StepReport report;
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
    const PackedBatch batch = pack(captions, c.captions, c.model.text.positions, random);
    at::autocast::set_autocast_enabled(at::kCPU, c.bf16);
    Losses losses = caption_losses(run.model, grid, batch, c, true);
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, false);
    (losses.total / static_cast<double>(c.accumulate)).backward();
    report.caption += losses.caption / static_cast<double>(c.accumulate);
    report.contrast += losses.contrast / static_cast<double>(c.accumulate);
  }
  report.rate = cosine_rate(run.step, c.steps, c.warmup, c.rate, c.final_rate);
  report.norm = run.optimizer.step(report.rate);
  ++run.step;
  return report;
}

// Mean loss per token of fixed validation captions, right pictures or each picture's neighbour's.
double validation_loss(Run& run, std::int64_t shift) {
  at::NoGradGuard no_grad;
  const std::int64_t pictures = static_cast<std::int64_t>(run.validation.records.size());
  double sum = 0, tokens = 0;
  for (std::int64_t first = 0; first < pictures; first += run.config.batch) {
    const std::int64_t count = std::min(run.config.batch, pictures - first);
    std::vector<const TokenizedCaptions*> captions;
    for (std::int64_t i = 0; i < count; ++i)
      captions.push_back(&run.validation.tokens[static_cast<std::size_t>((first + i + shift) % pictures)]);
    std::mt19937_64 random(1);
    const PackedBatch batch = pack(captions, 5, run.config.model.text.positions, random);
    const Losses losses = caption_losses(
        run.model, run.validation.grids.narrow(0, first, count).select(1, 0).to(at::kFloat), batch, run.config, false);
    sum += losses.caption * static_cast<double>(batch.targets.size(0));
    tokens += static_cast<double>(batch.targets.size(0));
  }
  return sum / tokens;
}

std::filesystem::path checkpoint_file(const TrainConfig& config) { return config.out / "checkpoint.safetensors"; }

void save_checkpoint(const Run& run) {
  write_safetensors(checkpoint_file(run.config), run.optimizer.state(),
                    {{"step", std::to_string(run.step)}, {"best", run.best ? Json(*run.best).dump() : ""}});
}

void load_checkpoint(Run& run) {
  const auto file = checkpoint_file(run.config);
  auto metadata = safetensors_metadata(file);
  if (!metadata.count("step"))
    throw CheckpointError(file.string() + ": is not a training checkpoint; remove it or choose another [train] out");
  std::map<std::string, Tensor> state;
  for (const auto& [name, stored] : read_safetensors(file)) state[name] = stored.load();
  run.step = std::stoll(metadata["step"]);
  if (!metadata["best"].empty()) run.best = std::stod(metadata["best"]);
  run.optimizer.restore(state, run.step);
}

// The metrics file as it was at the checkpoint: later lines belong to steps that will be taken again.
void rewind_metrics(const std::filesystem::path& file, std::int64_t step) {
  if (!std::filesystem::exists(file)) return;
  std::string text = read_file(file), kept;
  text.resize(text.rfind('\n') + 1);  // a killed run may leave half a line
  each_line(text, [&](std::string_view line, std::size_t) {
    if (Json::parse(line, file.string())["step"].integer(0) <= step) kept.append(line).append("\n");
  });
  write_file(file, kept);
}

// What becomes of a picture, in training and in the model that it makes.
Json preprocess_json(const HouseConfig& model) {
  const std::int64_t side = model.vision.image;
  return Json::object({{"image_processor_type", "ViTImageProcessor"},
                       {"do_resize", true},
                       {"size", Json::object({{"height", side}, {"width", side}})},
                       {"resample", 3},
                       {"do_rescale", true},
                       {"rescale_factor", 1.0 / 255.0},
                       {"do_normalize", true},
                       {"image_mean", Json::list(std::vector<double>(3, 127.0 / 255.0))},
                       {"image_std", Json::list(std::vector<double>(3, 128.0 / 255.0))}});
}

void save_model(const Run& run, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  std::map<std::string, Tensor> weights;
  for (const auto& [name, weight] : run.optimizer.weights()) weights[name] = weight;
  for (const auto& [name, weight] : run.stem_weights.parameters()) weights["vision.stem." + name] = weight;
  write_safetensors(folder / "model.safetensors", quantized_for_storage(weights), {{"format", "limn"}});
  write_file(folder / "config.json", house_config_json(run.config.model).dump(1) + "\n");
  write_file(folder / "preprocessor_config.json", preprocess_json(run.config.model).dump(1) + "\n");
  const auto tokenizer = run.config.start.empty() ? run.config.tokenizer : run.config.start / "tokenizer.model";
  write_file(folder / "tokenizer.model", read_file(tokenizer));
}

std::string duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds);
  return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min " + std::to_string(whole % 60) +
         " s";
}

void append_metrics(const Run& run, const Json& line) {
  std::ofstream file(run.config.out / "metrics.jsonl", std::ios::app);
  file << line.dump() << '\n';
  if (!file.flush()) throw WriteError((run.config.out / "metrics.jsonl").string() + ": cannot be written");
}

// CIDEr of greedy captions of the first validation pictures, by language.
std::map<std::string, double> validation_cider(Run& run) {
  const at::NoGradGuard no_grad;
  const HouseConfig& model = run.config.model;
  const std::int64_t pictures = std::min(run.config.validate_captions, run.validation.grids.size(0));
  std::map<std::string, double> cider;
  for (const std::string& language : model.languages) {
    References references;
    std::vector<std::string> candidates;
    const auto tokens = language == "zh" ? cjk_tokenize : ptb_tokenize;
    const GenerateOptions greedy{.max_new_tokens = model.max_new_tokens, .end = run.tokenizer.special.end};
    for (std::int64_t first = 0; first < pictures; first += run.config.batch) {
      const std::int64_t count = std::min(run.config.batch, pictures - first);
      const Tensor grid = run.validation.grids.narrow(0, first, count).select(1, 0).to(at::kFloat);  // [B h w C]
      const std::vector<std::vector<std::int64_t>> begin(
          static_cast<std::size_t>(count), std::vector<std::int64_t>{*run.tokenizer.id("<" + language + ">")});
      const auto captions = generate(run.model.text, run.model.vision.tokens(grid), begin, greedy);
      for (std::int64_t i = 0; i < count; ++i) {
        const CaptionRecord& record = run.validation.records[static_cast<std::size_t>(first + i)];
        const auto found = record.captions.find(language);
        if (found == record.captions.end()) continue;
        references.emplace_back();
        for (const std::string& text : found->second) references.back().push_back(tokens(text));
        const auto& ids = captions[static_cast<std::size_t>(i)].front().ids;
        candidates.push_back(tokens(joined_caption(run.tokenizer.decode(std::span(ids).subspan(1)))));
      }
    }
    if (!references.empty()) cider[language] = score_captions(references, candidates).cider;
  }
  return cider;
}

// Loss over steps, from the metrics file, as a picture.
void plot_losses(const std::filesystem::path& run) {
  Series training{"training", {}, {}}, validation{"validation", {}, {}};
  const std::filesystem::path file = run / "metrics.jsonl";
  each_line(read_file(file), [&](std::string_view line, std::size_t) {
    const Json json = Json::parse(line, file.string());
    const bool validated = json.has("validation_loss");
    Series& series = validated ? validation : training;
    series.x.push_back(json["step"].number(0));
    series.y.push_back(json[validated ? "validation_loss" : "loss"].number(0));
  });
  const std::array<Series, 2> both{training, validation};
  write_image(run / "loss.png",
              line_plot(both, {.title = "loss per token", .x_label = "step", .y_label = "loss"}).pixels);
}

// Judges the averaged weights and keeps the best: by mean CIDEr over languages, or by loss where no captions are made.
void validate(Run& run) {
  if (run.validation.records.empty()) return;
  run.optimizer.swap_averaged();
  const double right = validation_loss(run, 0), shuffled = validation_loss(run, 1);
  const auto cider = validation_cider(run);
  double measure = cider.empty() ? -right : 0;
  Json line = Json::object({{"step", run.step}, {"validation_loss", right}, {"shuffled_loss", shuffled}});
  run.notes << "step " << run.step << ": validation loss " << std::setprecision(4) << right
            << " (other pictures: " << shuffled << ")";
  for (const auto& [language, value] : cider) {
    measure += value / static_cast<double>(cider.size());
    line.set("cider_" + language, value);
    run.notes << "  CIDEr " << language << " " << value;
  }
  run.notes << std::endl;
  if (!run.best || measure > *run.best) {
    run.best = measure;
    save_model(run, run.config.out / "best");
  }
  run.optimizer.swap_averaged();
  append_metrics(run, line);
  plot_losses(run.config.out);
}

int run_steps(Run& run) {
  const std::int64_t last =
      run.options.stop_after > 0 ? std::min(run.config.steps, run.step + run.options.stop_after) : run.config.steps;
  auto since = Clock::now();
  StepReport mean;
  std::int64_t summed = 0;
  while (run.step < last) {
    const StepReport report = take_step(run);
    mean.caption += report.caption;
    mean.contrast += report.contrast;
    mean.norm += report.norm;
    ++summed;
    if (run.step % run.config.log_every == 0) {
      const double n = static_cast<double>(summed),
                   seconds = std::chrono::duration<double>(Clock::now() - since).count() / n;
      append_metrics(run, Json::object({{"step", run.step},
                                        {"loss", mean.caption / n},
                                        {"contrast", mean.contrast / n},
                                        {"gradient_norm", mean.norm / n},
                                        {"rate", report.rate},
                                        {"seconds_per_step", seconds}}));
      run.notes << "step " << run.step << "/" << run.config.steps << "  loss " << std::setprecision(4)
                << mean.caption / n << "  contrast " << mean.contrast / n << "  " << std::setprecision(3) << seconds
                << " s/step  " << duration(seconds * static_cast<double>(run.config.steps - run.step)) << " left"
                << std::endl;
      mean = {};
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
