#include "apps/train/train.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <chrono>
#include <iomanip>
#include <ostream>
#include <sstream>

#include "apps/progress.h"
#include "apps/train/run.h"
#include "core/files.h"
#include "core/hash.h"
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

Weights trainable_weights(const TrainConfig& config, const Placement& placement) {
  WeightsOptions options;
  options.placement = placement;
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

// Heads may be added to a model that others start from; its other weights must all be there.
void check_start(const TrainConfig& config, const Weights& weights, std::ostream& notes) {
  if (config.start.empty()) return;
  const TensorTable table = read_weights(config.start);
  std::int64_t added = 0;
  std::string missing;
  for (const auto& [name, weight] : weights.parameters()) {
    if (table.contains(name)) continue;
    const bool head = name == "logit_scale" || name.rfind("image_projection.", 0) == 0 ||
                      name.rfind("text_projection.", 0) == 0 || name.rfind("match.", 0) == 0;
    if (head) added += weight.numel();
    if (!head && missing.size() < 400) missing += (missing.empty() ? "" : ", ") + name;
  }
  if (!missing.empty()) throw CheckpointError(config.start.string() + ": missing: " + missing);
  if (added > 0)
    notes << "the heads' " << added << " weights that " << config.start.string() << " lacks begin at random\n";
}

Weights stem_weights_of(const TrainConfig& config, const Placement& placement) {
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
  options.placement = placement;
  options.what = (config.start.empty() ? config.stem_weights : config.start).string();
  options.trainable = config.stem_rate > 0;
  return Weights(std::move(table), options);
}

std::uint64_t hash_of(const Weights& weights) {
  Hash64 hash;
  for (const auto& [name, weight] : weights.parameters()) {
    const Tensor values = weight.detach().to(at::kCPU).contiguous();
    hash.update(name).update({static_cast<const char*>(values.const_data_ptr()), values.nbytes()});
  }
  return hash.value();
}

// A line of the metrics file. @return the same for people
std::string report_steps(const Run& run, const Report& sum, double steps, double seconds) {
  Json line = Json::object({{"step", run.step}});
  std::ostringstream text;
  text << std::setprecision(4);
  const auto add = [&](bool on, const char* name, double value) {
    if (!on) return;
    line.set(name, value / steps);
    text << "  " << name << " " << value / steps;
  };
  add(run.config.caption_weight > 0, "loss", sum.caption);
  add(run.config.contrast_weight > 0, "contrast", sum.contrast);
  add(run.config.match_weight > 0, "match", sum.match);
  add(run.config.self_critical_samples > 0, "reward", sum.reward);
  line.set("gradient_norm", sum.norm / steps);
  line.set("rate", sum.rate);
  line.set("seconds_per_step", seconds / steps);
  append_metrics(run, line);
  return text.str().substr(2);
}

int run_steps(Run& run) {
  const TrainConfig& c = run.config;
  const std::int64_t last = run.options.stop_after > 0 ? std::min(c.steps, run.step + run.options.stop_after) : c.steps;
  Progress progress(run.notes,
                    {.label = "train", .total = c.steps, .first = run.step, .enabled = run.options.progress});
  auto since = Clock::now();
  Report sum;
  std::int64_t summed = 0;
  std::string detail;
  while (run.step < last) {
    take_step(run, sum);
    ++summed;
    if (run.step % c.log_every == 0) {
      const double seconds = std::chrono::duration<double>(Clock::now() - since).count();
      detail = report_steps(run, sum, static_cast<double>(summed), seconds);
      if (!run.options.progress)
        run.notes << "step " << run.step << "/" << c.steps << "  " << detail << "  "
                  << clock_text(seconds / static_cast<double>(summed) * static_cast<double>(c.steps - run.step))
                  << " left" << std::endl;
      sum = {};
      summed = 0;
      since = Clock::now();
    }
    progress.update(run.step, detail);
    const bool stopped = run.options.stop && run.options.stop();
    if (stopped || run.step % c.save_every == 0 || run.step == last) save_checkpoint(run);
    if (stopped) return 130;
    if (run.step % c.validate_every == 0 || run.step == c.steps) {
      progress.clear();
      validate(run);
      save_checkpoint(run);
      since = Clock::now();
    }
  }
  return 0;
}

// What the losses need of the model, which may come from the start folder.
void check_objectives(const TrainConfig& c, const std::filesystem::path& file) {
  const auto fail = [&](const std::string& what) { throw InputError(file.string() + ": [train] " + what); };
  if ((c.contrast_weight > 0 || c.match_weight > 0) && c.model.contrast == 0)
    fail("contrast_weight: the model has no heads for retrieval; give [model] contrast_dim");
  if (c.match_weight > 0 && c.model.match_mlp == 0)
    fail("match_weight: the model has no matching head; give [model] match_mlp");
  if (c.caption_weight == 0 && c.contrast_weight == 0 && c.match_weight == 0 && c.self_critical_samples == 0)
    fail("caption_weight: all losses have weight 0, so nothing would be learnt");
}

// The weights that are stepped: all but those of frozen parts, which no gradient reaches.
std::map<std::string, Tensor> stepped(const Weights& weights, const Weights& stem, const TrainConfig& config,
                                      const std::filesystem::path& file) {
  std::map<std::string, Tensor> result = weights.parameters();
  for (const std::string& part : config.frozen)
    if (std::erase_if(result, [&](const auto& named) {
          const bool frozen = named.first == part || named.first.rfind(part + ".", 0) == 0;
          if (frozen) named.second.requires_grad_(false);
          return frozen;
        }) == 0)
      throw InputError(file.string() + ": [model] frozen: no weight is called \"" + part + "\" or \"" + part + ".…\"");
  if (stem.trainable())
    for (const auto& [name, weight] : stem.parameters()) result["vision.stem." + name] = weight;
  if (result.empty()) throw InputError(file.string() + ": [model] frozen: nothing is left to be trained");
  return result;
}

// The file's configuration, the start folder's model in it.
TrainConfig configuration(const TrainOptions& options) {
  TrainConfig config = read_train_config(options.config);
  if (options.seed) config.seed = *options.seed;
  if (!config.start.empty()) {
    HouseConfig started = read_house_config(Json::read(config.start / "config.json"));
    if (config.model.contrast > 0) started.contrast = config.model.contrast;  // heads may be added
    if (config.model.match_mlp > 0) started.match_mlp = config.model.match_mlp;
    config.model = started;
  }
  check_objectives(config, options.config);
  return config;
}

// Reads captions and, for a frozen stem, encodes the pictures. @return false where it was stopped
bool read_set(const Run& run, CaptionSet& set, GridOptions grids) {
  set.tokens = tokenized(set.records, run.tokenizer, run.config.model.languages);
  if (run.config.stem_rate > 0) return true;
  Progress progress(
      run.notes,
      {.label = "encode", .total = static_cast<std::int64_t>(set.records.size()), .enabled = run.options.progress});
  grids.progress = [&](std::int64_t done, std::int64_t all) {
    progress.update(done);
    if (!run.options.progress && done % 400 == 0) run.notes << "encoding pictures " << done << "/" << all << std::endl;
  };
  set.grids = picture_grids(run.model.vision.stem, set.records, grids);
  return set.grids.defined();
}

bool read_data(Run& run) {
  const TrainConfig& c = run.config;
  GridOptions grids = run.pictures;
  grids.cache = c.out / "grids-train.safetensors";
  run.train.records = read_captions(c.train);
  if (!read_set(run, run.train, grids)) return false;
  for (const std::string& language : c.model.languages)
    if (c.self_critical_samples > 0) run.rewards.emplace_back(run.train.records, language);
  if (c.validation.empty()) return true;
  run.validation.records = read_captions(c.validation);
  if (c.validate_pictures > 0 && run.validation.records.size() > static_cast<std::size_t>(c.validate_pictures))
    run.validation.records.resize(static_cast<std::size_t>(c.validate_pictures));
  grids.views = 1;
  grids.cache = c.out / "grids-validation.safetensors";
  return read_set(run, run.validation, grids);
}

}  // namespace

int train(const TrainOptions& options, std::ostream& out, std::ostream& notes) {
  if (options.threads > 0) at::set_num_threads(options.threads);
  TrainConfig config = configuration(options);
  const Tokenizer tokenizer =
      open_sentencepiece(config.start.empty() ? config.tokenizer : config.start / "tokenizer.model");
  config.model.text.vocab = tokenizer.size();
  std::filesystem::create_directories(config.out);
  const FolderLock lock(config.out);

  const Placement placement = parse_placement(options.device, "fp32");
  const Weights stem_weights = stem_weights_of(config, placement), weights = trainable_weights(config, placement);
  HouseModel model(weights, stem_weights, config.model);
  stem_weights.finish();
  weights.finish();
  check_start(config, weights, notes);
  const AdamWOptions steps{.beta1 = config.beta1,
                           .beta2 = config.beta2,
                           .weight_decay = config.weight_decay,
                           .clip = config.clip,
                           .ema = config.ema,
                           .rates = {{"vision.stem.", config.stem_rate}}};
  Run run{.config = config,
          .options = options,
          .out = out,
          .notes = notes,
          .tokenizer = tokenizer,
          .stem_weights = stem_weights,
          .weights = weights,
          .placement = placement,
          .model = std::move(model),
          .optimizer = AdamW(stepped(weights, stem_weights, config, options.config), steps)};
  run.pictures = {.preprocess = read_preprocess(preprocess_json(config.model)),
                  .views = config.views,
                  .smallest_crop = config.smallest_crop,
                  .seed = config.seed,
                  .device = placement.device,
                  .stem = hash_of(stem_weights),
                  .cache = {},
                  .progress = {},
                  .stop = options.stop};
  run.pictures.preprocess.threads = 1;  // a picture per thread
  if (!read_data(run)) return 130;
  if (options.resume && std::filesystem::exists(checkpoint_file(config))) {
    load_checkpoint(run);
    notes << "resuming at step " << run.step << std::endl;
  }
  rewind_metrics(config.out / "metrics.jsonl", run.step);
  std::int64_t trained = 0;
  for (const auto& [name, weight] : run.optimizer.weights()) trained += weight.numel();
  notes << run.train.records.size() << " pictures, " << trained << " of " << weights.count() + stem_weights.count()
        << " weights trained, step " << run.step << " of " << config.steps << std::endl;

  const int code = run_steps(run);
  if (options.json)
    out << Json::object({{"step", run.step}, {"steps", config.steps}, {"out", config.out.string()}}).dump()
        << std::endl;
  else
    out << config.out.string() << ": step " << run.step << " of " << config.steps
        << (run.best ? "; the best so far is in best/" : "") << std::endl;
  return code;
}

}  // namespace limn
