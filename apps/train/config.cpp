#include "apps/train/config.h"

// toml++ 3.3 asserts where a file says "[{"; without its assertions it says what is wrong, as it should.
#define TOML_ASSERT(expression) static_cast<void>(0)
#include <toml++/toml.h>
#include <set>
#include <sstream>

#include "core/files.h"

namespace limn {

namespace {

// TOML wants ASCII outside of strings and comments, and toml++ 3.3 takes other letters there for impossible.
void check_ascii(std::string_view text, const std::string& where) {
  char quote = 0;
  bool triple = false, comment = false;
  std::size_t line = 1;
  const auto tripled = [&](std::size_t i) { return text.substr(i, 3) == std::string(3, text[i]); };
  for (std::size_t i = text.starts_with("\xEF\xBB\xBF") ? 3 : 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') {
      ++line;
      comment = false;
      if (!triple) quote = 0;
    } else if (comment) {
      continue;
    } else if (quote) {
      if (c == '\\' && quote == '"' && text.substr(i + 1, 1) != "\n") ++i;
      if (c != quote || (triple && !tripled(i))) continue;
      if (triple) i += 2;
      quote = 0;
      triple = false;
    } else if (c == '"' || c == '\'') {
      quote = c;
      triple = tripled(i);
      if (triple) i += 2;
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      throw InputError(where + ": line " + std::to_string(line) + ": a letter outside ASCII, expected it in quotes");
    } else {
      comment = c == '#';
    }
  }
}

// One table of the file; what is not asked for by the end is an unknown key.
class Section {
 public:
  Section(const toml::table& root, const std::string& name, const std::filesystem::path& file,
          std::set<std::string>& sections)
      : where_(file.string() + ": [" + name + "]"), folder_(file.parent_path()) {
    sections.insert(name);
    if (const toml::node* node = root.get(name)) {
      table_ = node->as_table();
      if (!table_) throw InputError(where_ + ": expected a table");
    }
  }
  void operator()(const char* key, std::int64_t& value, std::int64_t lowest) {
    if (const auto* node = find(key)) {
      const auto read = node->value_exact<std::int64_t>();
      if (!read || *read < lowest) fail(key, "expected an integer of at least " + std::to_string(lowest));
      value = *read;
    }
  }
  void operator()(const char* key, double& value, double lowest, double highest) {
    if (const auto* node = find(key)) {
      const auto read = node->value<double>();
      if (!read || !(*read >= lowest && *read <= highest))
        fail(key, "expected a number from " + number(lowest) + " to " + number(highest));
      value = *read;
    }
  }
  void operator()(const char* key, bool& value) {
    if (const auto* node = find(key)) {
      const auto read = node->value_exact<bool>();
      if (!read) fail(key, "expected true or false");
      value = *read;
    }
  }
  void operator()(const char* key, std::filesystem::path& value, bool must_exist) {
    if (const auto* node = find(key)) {
      const auto read = node->value_exact<std::string>();
      if (!read) fail(key, "expected a path in quotes");
      value = folder_ / *read;
      if (must_exist && !std::filesystem::exists(value)) fail(key, value.string() + " does not exist");
    }
  }
  void operator()(const char* key, std::vector<std::string>& values) {
    if (const auto* node = find(key)) {
      const auto* list = node->as_array();
      if (!list) fail(key, "expected a list of texts");
      values.clear();
      for (const auto& item : *list) {
        const auto text = item.value_exact<std::string>();
        if (!text) fail(key, "expected a list of texts");
        values.push_back(*text);
      }
    }
  }
  void operator()(const char* key, std::vector<std::filesystem::path>& values) {
    std::vector<std::string> names;
    (*this)(key, names);
    values.clear();
    for (const std::string& name : names) {
      values.push_back(folder_ / name);
      if (!std::filesystem::exists(values.back())) fail(key, values.back().string() + " does not exist");
    }
  }
  std::string text(const char* key, const std::string& otherwise) {
    const auto* node = find(key);
    const auto read = node ? node->value_exact<std::string>() : otherwise;
    if (!read) fail(key, "expected a text in quotes");
    return *read;
  }
  void finish() const {
    if (!table_) return;
    for (const auto& [key, node] : *table_)
      if (!asked_.count(std::string(key.str())))
        throw InputError(where_ + " " + std::string(key.str()) + ": unknown key (line " +
                         std::to_string(node.source().begin.line) + ")");
  }
  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw InputError(where_ + " " + key + ": " + what);
  }

 private:
  static std::string number(double value) {
    std::ostringstream text;
    text << value;
    return text.str();
  }
  const toml::node* find(const char* key) {
    asked_.insert(key);
    return table_ ? table_->get(key) : nullptr;
  }
  std::string where_;
  std::filesystem::path folder_;
  const toml::table* table_ = nullptr;
  std::set<std::string> asked_;
};

void read_captioning(Section& data, Section& model, Section& train, TrainConfig& c) {
  data("train", c.train, true);
  data("validation", c.validation, true);
  data("validate_pictures", c.validate_pictures, 0);
  data("validate_captions", c.validate_captions, 0);
  if (c.train.empty()) data.fail("train", "is missing");
  data("styled_pictures", c.styled.pictures, 0);
  data("words", c.styled.words, true);
  data("held_out_texts", c.styled.held_out_texts);
  data("teacher_texts", c.teacher.texts, true);
  data("teacher_pictures", c.teacher.pictures, true);
  model("painter", c.styled.painter, true);
  if (c.styled.pictures > 0 && c.styled.words.empty()) data.fail("words", "is missing, but styled_pictures need it");

  std::int64_t lite = 2, dim = 256, heads = 4, mlp = 1024, encoder_layers = 1, decoder_layers = 3, cross_from = 1,
               image = 224, positions = 64, contrast = 0;
  std::vector<std::string> languages{"en"};
  model("efficientnet_lite", lite, 0);
  model("dim", dim, 8);
  model("heads", heads, 1);
  model("mlp", mlp, 8);
  model("encoder_layers", encoder_layers, 0);
  model("decoder_layers", decoder_layers, 1);
  model("cross_from", cross_from, 0);
  model("image_size", image, 32);
  model("positions", positions, 8);
  model("contrast_dim", contrast, 0);
  model("match_mlp", c.model.match_mlp, 0);
  model("stem_projection", c.model.stem_projection);
  model("languages", languages);
  model("frozen", c.frozen);
  model("beams", c.model.beams, 1);
  model("length_penalty", c.model.length_penalty, -10, 10);
  model("max_new_tokens", c.model.max_new_tokens, 1);
  model("tokenizer", c.tokenizer, true);
  model("start", c.start, true);
  model("stem_weights", c.stem_weights, true);
  if (c.model.match_mlp > 0 && contrast == 0) model.fail("match_mlp", "needs contrast_dim");
  if (c.model.stem_projection && contrast == 0) model.fail("stem_projection", "needs contrast_dim");
  if (dim % heads) model.fail("heads", "do not divide dim");
  if (c.start.empty() && c.tokenizer.empty()) model.fail("tokenizer", "is missing (or give start)");
  if (c.start.empty() && c.stem_weights.empty()) model.fail("stem_weights", "is missing (or give start)");
  c.model.vision = {.stem = efficientnet_lite(static_cast<int>(lite)),
                    .image = image,
                    .dim = dim,
                    .heads = heads,
                    .layers = encoder_layers,
                    .mlp = mlp,
                    .eps = 1e-5};
  c.model.text = {.vocab = 0,
                  .dim = dim,
                  .heads = heads,
                  .layers = decoder_layers,
                  .mlp = mlp,
                  .positions = positions,
                  .context_dim = dim,
                  .cross_from = cross_from,
                  .eps = 1e-5,
                  .causal = true,
                  .pre_norm = true,
                  .final_norm = true,
                  .head = Head::tied};
  c.model.contrast = contrast;
  c.model.languages = languages;

  train("captions", c.captions, 1);
  train("stem_rate", c.stem_rate, 0, 1);
  train("smoothing", c.smoothing, 0, 1);
  train("dropout", c.dropout, 0, 0.9);
  train("caption_weight", c.caption_weight, 0, 100);
  train("contrast_weight", c.contrast_weight, 0, 100);
  train("match_weight", c.match_weight, 0, 100);
  train("teacher_weight", c.teacher.weight, 0, 100);
  train("teacher_texts", c.teacher.texts_of_step, 1);
  for (const auto& [file, key] :
       {std::pair{&c.teacher.texts, "teacher_texts"}, {&c.teacher.pictures, "teacher_pictures"}})
    if (c.teacher.weight > 0 && file->empty()) data.fail(key, "is missing, but teacher_weight needs it");
  train("self_critical_samples", c.self_critical_samples, 0);
  train("self_critical_weight", c.self_critical_weight, 0, 100);
  if (c.teacher.weight > 0 && c.self_critical_samples > 0)
    train.fail("self_critical_samples", "reward captions, which a teacher's pictures lack; leave out teacher_weight");
  if (c.self_critical_samples == 1) train.fail("self_critical_samples", "got 1, expected 0 or at least 2");
  train("drop_cells", c.drop_cells, 0, 0.9);
  train("views", c.views, 1);
  train("smallest_crop", c.smallest_crop, 0.05, 1);
  train("flip", c.flip);
  train("bf16", c.bf16);
}

void read_stylizing(Section& data, Section& model, Section& train, TrainConfig& c) {
  StylizeTraining& s = c.stylize;
  data("contents", s.contents);
  data("styles", s.styles);
  data("validation_contents", s.validation_contents);
  data("validation_styles", s.validation_styles);
  data("held_out", s.held_out);
  for (const auto& [missing, key] : {std::pair{s.contents.empty(), "contents"}, {s.styles.empty(), "styles"}})
    if (missing) data.fail(key, "is missing");
  model("start", c.start, true);
  model("loss_network", s.loss_network, true);
  model("frozen", c.frozen);
  model("cells", s.model.cells, 1);
  model("relation_dim", s.model.relation.dim, 8);
  model("relation_heads", s.model.relation.heads, 1);
  model("relation_layers", s.model.relation.layers, 0);
  model("relation_mlp", s.model.relation.mlp, 8);
  if (s.model.relation.dim % s.model.relation.heads) model.fail("relation_heads", "do not divide relation_dim");
  if (s.loss_network.empty()) model.fail("loss_network", "is missing");
  train("side", s.side, 64);
  train("validation_side", s.validation_side, 64);
  train("net_rate", s.net_rate, 0, 1);
  for (const auto& [key, value] : {std::pair{"drawn_styles", &s.drawn_styles},
                                   {"two_styles", &s.two_styles},
                                   {"masks", &s.masks},
                                   {"steady", &s.steady}})
    train(key, *value, 0, 1);
  for (const auto& [key, value] : {std::pair{"style_weight", &s.style_weight},
                                   {"content_weight", &s.content_weight},
                                   {"identity_weight", &s.identity_weight},
                                   {"share_weight", &s.share_weight},
                                   {"steady_weight", &s.steady_weight}})
    train(key, *value, 0, 1000);
  if (s.side % 8 || s.validation_side % 8) train.fail("side", "and validation_side: expected multiples of 8");
  if (s.two_styles + s.masks > 1) train.fail("masks", "and two_styles are more than 1 together");
}

void read_style_text(Section& data, Section& model, Section& train, TrainConfig& c) {
  StyleTextTraining& s = c.style_text;
  data("words", s.words, true);
  data("held_out_texts", s.held_out_texts);
  data("captions", s.captions, true);
  data("styles", s.styles);
  data("contents", s.contents);
  data("held_out", s.held_out);
  model("start", c.start, true);
  model("encoder", s.encoder, true);
  model("hidden", s.hidden, 1);
  train("samples", s.samples, 2);
  train("side", s.side, 64);
  for (const auto& [key, value] : {std::pair{"photos", &s.photos}, {"paintings", &s.paintings}})
    train(key, *value, 0, 1);
  for (const auto& [key, value] : {std::pair{"noise", &s.noise},
                                   {"signal_weight", &s.signal_weight},
                                   {"paint_weight", &s.paint_weight},
                                   {"words_weight", &s.words_weight}})
    train(key, *value, 0, 1000);
  if (s.words.empty()) data.fail("words", "is missing");
  for (const auto& [missing, key] : {std::pair{c.start.empty(), "start"}, {s.encoder.empty(), "encoder"}})
    if (missing) model.fail(key, "is missing");
  if (s.contents.empty() && s.paint_weight + s.words_weight > 0)
    data.fail("contents", "is missing, but paint_weight and words_weight need something to paint");
  if (s.captions.empty()) s.photos = 0;
  if (s.styles.empty()) s.paintings = 0;
  if (s.photos + s.paintings > 1) train.fail("photos", "and paintings are more than 1 together");
  if (s.side % 8) train.fail("side", "expected a multiple of 8");
}

}  // namespace

TrainConfig read_train_config(const std::filesystem::path& file) {
  toml::table root;
  const std::string text = read_file(file);
  check_ascii(text, file.string());
  try {
    root = toml::parse(text, file.string());
  } catch (const toml::parse_error& error) {
    throw InputError(file.string() + ": line " + std::to_string(error.source().begin.line) + ": " +
                     std::string(error.description()));
  }
  TrainConfig c;
  std::set<std::string> sections;
  Section data(root, "data", file, sections), model(root, "model", file, sections),
      train(root, "train", file, sections);
  for (const auto& [key, node] : root)
    if (!sections.count(std::string(key.str())))
      throw InputError(file.string() + ": [" + std::string(key.str()) + "]: unknown section");

  const std::string objective = train.text("objective", "caption");
  if (objective == "caption") {
    read_captioning(data, model, train, c);
  } else if (objective == "stylize") {
    c.objective = Objective::stylize;
    read_stylizing(data, model, train, c);
  } else if (objective == "stylize-text") {
    c.objective = Objective::stylize_text;
    read_style_text(data, model, train, c);
  } else {
    train.fail("objective", "got \"" + objective + "\", expected caption, stylize or stylize-text");
  }
  train("out", c.out, false);
  train("steps", c.steps, 1);
  train("batch", c.batch, 1);
  train("accumulate", c.accumulate, 1);
  train("rate", c.rate, 0, 1);
  train("weight_decay", c.weight_decay, 0, 1);
  train("beta1", c.beta1, 0, 1);
  train("beta2", c.beta2, 0, 1);
  train("clip", c.clip, 0, 1e9);
  train("warmup", c.warmup, 0);
  train("final_rate", c.final_rate, 0, 1);
  train("ema", c.ema, 0, 1);
  train("log_every", c.log_every, 1);
  train("save_every", c.save_every, 1);
  train("validate_every", c.validate_every, 1);
  std::int64_t seed = 0;
  train("seed", seed, 0);
  c.seed = static_cast<std::uint64_t>(seed);
  for (const auto& [missing, key] : {std::pair{c.out.empty(), "out"}, {c.steps == 0, "steps"}, {c.batch == 0, "batch"}})
    if (missing) train.fail(key, "is missing");
  for (const Section* section : {&data, &model, &train}) section->finish();
  return c;
}

}  // namespace limn
