#include "apps/train/captioning.h"

#include <ostream>

#include "apps/progress.h"
#include "apps/train/styled_pictures.h"
#include "apps/train/teacher.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "fusion/normalise.h"

namespace limn {

namespace {

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

// All but the picture stem's, which has a cursor of its own.
TensorTable start_table(const TrainConfig& config) {
  TensorTable table;
  if (config.start.empty()) return table;
  for (auto& [name, stored] : read_weights(config.start))
    if (name.rfind("vision.stem.", 0) != 0) table[name] = stored;
  return table;
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
                      name.rfind("text_projection.", 0) == 0 || name.rfind("stem_", 0) == 0 ||
                      name.rfind("match.", 0) == 0;
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

// What the losses need of the model, which may come from the start folder.
void check_objectives(const TrainConfig& c, const std::filesystem::path& file) {
  const auto fail = [&](const std::string& what) { throw InputError(file.string() + ": [train] " + what); };
  if ((c.contrast_weight > 0 || c.match_weight > 0) && c.model.contrast == 0)
    fail("contrast_weight: the model has no heads for retrieval; give [model] contrast_dim");
  if (c.match_weight > 0 && c.model.match_mlp == 0)
    fail("match_weight: the model has no matching head; give [model] match_mlp");
  if (c.teacher.weight > 0 && c.model.contrast == 0)
    fail("teacher_weight: the model has no heads for retrieval; give [model] contrast_dim");
  if (c.caption_weight + c.contrast_weight + c.match_weight + c.teacher.weight == 0 && c.self_critical_samples == 0)
    fail("caption_weight: all losses have weight 0, so nothing would be learnt");
}

// The start folder's model, where there is one, with the heads that the file adds.
HouseConfig started_model(const TrainConfig& config) {
  HouseConfig started = read_house_config(Json::read(config.start / "config.json"));
  if (config.model.contrast > 0) started.contrast = config.model.contrast;
  if (config.model.match_mlp > 0) started.match_mlp = config.model.match_mlp;
  if (config.model.stem_projection) started.stem_projection = true;
  return started;
}

// Reads captions and, for a frozen stem, encodes the pictures. @return false where it was stopped
bool read_set(const CaptionRun& run, CaptionSet& set, GridOptions grids) {
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

// Pictures that are made and captioned by how they look. @return false where it was stopped
bool add_styled(CaptionRun& run) {
  const StyledTraining& wish = run.config.styled;
  if (wish.pictures == 0) return true;
  Progress progress(run.notes, {.label = "paint", .total = wish.pictures, .enabled = run.options.progress});
  const auto made = styled_pictures(
      wish, run.train.records, run.config.out, run.config.seed, [&](std::int64_t done) { progress.update(done); },
      run.options.stop);
  run.train.records.insert(run.train.records.end(), made.begin(), made.end());
  return !made.empty();
}

// In their language, or in the model's first.
std::vector<std::vector<std::int64_t>> teacher_texts(const CaptionRun& run, const TeacherRows& texts) {
  const std::vector<std::string>& languages = run.config.model.languages;
  std::vector<CaptionRecord> records(texts.keys.size());
  for (std::size_t i = 0; i < records.size(); ++i)
    records[i].captions[texts.languages[i].empty() ? languages.front() : texts.languages[i]] = {texts.keys[i]};
  std::vector<std::vector<std::int64_t>> tokens;
  for (const TokenizedCaptions& captions : tokenized(records, run.tokenizer, languages))
    for (const auto& language : captions) tokens.insert(tokens.end(), language.begin(), language.end());
  if (tokens.size() != texts.keys.size())
    throw InputError(run.config.teacher.texts.string() + ": has texts in a language that the model lacks");
  return tokens;
}

// What the stem sees of whole pictures. [pictures F]
Tensor stem_features(const CaptionRun& run) {
  const at::NoGradGuard no_grad;
  std::vector<Tensor> parts;
  for (const Tensor& grids : run.train.grids.select(1, 0).split(64))
    parts.push_back(run.model.vision.see(grids.to(run.placement.device, at::kFloat)).stem.cpu());
  return at::cat(parts);
}

std::map<std::string, Tensor> all_weights(const Weights& weights, const Weights& stem) {
  std::map<std::string, Tensor> all = weights.parameters();
  for (const auto& [name, weight] : stem.parameters()) all["vision.stem." + name] = weight;
  return all;
}

}  // namespace

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

std::unique_ptr<Run> caption_run(TrainConfig& config, const TrainOptions& options, std::ostream& out,
                                 std::ostream& notes) {
  if (!config.start.empty()) config.model = started_model(config);
  check_objectives(config, options.config);
  const Tokenizer tokenizer =
      open_sentencepiece(config.start.empty() ? config.tokenizer : config.start / "tokenizer.model");
  config.model.text.vocab = tokenizer.size();
  const Placement placement = parse_placement(options.device, "fp32");
  const Weights stem_weights = stem_weights_of(config, placement),
                weights = trainable_weights(start_table(config), config, placement);
  HouseModel model(weights, stem_weights, config.model);
  stem_weights.finish();
  weights.finish();
  check_start(config, weights, notes);
  return std::make_unique<CaptionRun>(config, options, out, notes, placement, tokenizer, stem_weights, weights,
                                      std::move(model));
}

CaptionRun::CaptionRun(const TrainConfig& c, const TrainOptions& o, std::ostream& out_, std::ostream& notes_,
                       Placement place, Tokenizer words, Weights stem, Weights others, HouseModel house)
    : Run(c, o, out_, notes_, place,
          AdamW(stepped(c.stem_rate > 0 ? all_weights(others, stem) : others.parameters(), o, c),
                steps_of(c, {{"vision.stem.", c.stem_rate}}))),
      tokenizer(std::move(words)),
      stem_weights(std::move(stem)),
      weights(std::move(others)),
      model(std::move(house)) {
  looks = {.preprocess = read_preprocess(preprocess_json(c.model)),
           .views = c.views,
           .smallest_crop = c.smallest_crop,
           .seed = c.seed,
           .device = placement.device,
           .stem = hash_of(stem_weights),
           .cache = {},
           .progress = {},
           .stop = o.stop};
  looks.preprocess.threads = 1;  // a picture per thread
}

bool CaptionRun::read_data() {
  const TrainConfig& c = config;
  GridOptions grids = looks;
  grids.cache = c.out / "grids-train.safetensors";
  train.records = read_captions(c.train);
  const std::size_t photos = train.records.size();
  if (!add_styled(*this)) return false;
  if (c.teacher.weight > 0) {
    const TeacherRows texts = read_teacher_rows(c.teacher.texts, "text");
    teacher = {teacher_texts(*this, texts), texts.rows,
               rows_of_records(read_teacher_rows(c.teacher.pictures, "path"), train.records)};
  }
  if (!read_set(*this, train, grids)) return false;
  if (c.teacher.weight > 0 && train.grids.defined())
    teacher.seen = with_guessed_rows(teacher.seen, stem_features(*this), static_cast<std::int64_t>(photos));
  for (const std::string& language : c.model.languages)
    if (c.self_critical_samples > 0) rewards.emplace_back(train.records, language);
  if (c.validation.empty()) return true;
  validation.records = read_captions(c.validation);
  if (c.validate_pictures > 0 && validation.records.size() > static_cast<std::size_t>(c.validate_pictures))
    validation.records.resize(static_cast<std::size_t>(c.validate_pictures));
  grids.views = 1;
  grids.cache = c.out / "grids-validation.safetensors";
  return read_set(*this, validation, grids);
}

void CaptionRun::save_model(const std::filesystem::path& folder) const {
  std::filesystem::create_directories(folder);
  write_safetensors(folder / "model.safetensors", quantized_for_storage(all_weights(weights, stem_weights)),
                    {{"format", "limn"}});
  write_file(folder / "config.json", house_config_json(config.model).dump(1) + "\n");
  write_file(folder / "preprocessor_config.json", preprocess_json(config.model).dump(1) + "\n");
  const auto words = config.start.empty() ? config.tokenizer : config.start / "tokenizer.model";
  write_file(folder / "tokenizer.model", read_file(words));
}

}  // namespace limn
