#include "apps/train/style_text_run.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <ostream>

#include "apps/train/batch.h"
#include "apps/train/data.h"
#include "apps/train/stylizing.h"
#include "core/ops.h"

namespace limn {

namespace {

const Embedder& embedder_of(const StyleTextRun& run) { return *run.encoder.embedder; }

/// Pictures as the dual encoder's picture side wants them. @param pictures  float [B 3 h w] in 0..1
Tensor embedded(const StyleTextRun& run, const Tensor& pictures) {
  const Preprocess& p = embedder_of(run).preprocess;
  const auto size = p.output_size().value_or(std::array<std::int64_t, 2>{224, 224});
  const auto numbers = [&](const std::array<double, 3>& n) {
    return at::tensor({n[0], n[1], n[2]}, pictures.options()).view({1, 3, 1, 1});
  };
  const Tensor large = at::upsample_bilinear2d(pictures, {size[0], size[1]}, /*align_corners=*/false);
  return normalised(embedder_of(run).image((large - numbers(p.mean)) / numbers(p.deviation)));
}

Tensor contents_of(const StyleTextRun& run, std::int64_t count, std::mt19937_64& random) {
  std::vector<Tensor> crops;
  for (std::int64_t b = 0; b < count; ++b)
    crops.push_back(
        random_crop(run.contents[draw_below(random, run.contents.size())], run.config.style_text.side, 2, random));
  return at::stack(crops).to(run.placement.device);
}

/// Whether what is painted after words looks like these words rather than others.
/// @param texts  [n E], the first of them those of the pictures. A part of each picture is looked at, a little off:
/// what is seen only at one place is no look.
Tensor words_loss(const StyleTextRun& run, const Tensor& painted, const Tensor& texts, std::mt19937_64& random) {
  const std::int64_t side = painted.size(2);
  const std::int64_t part = side - static_cast<std::int64_t>(draw_below(random, static_cast<std::uint64_t>(side / 3)));
  const auto at_place = [&] {
    return static_cast<std::int64_t>(draw_below(random, static_cast<std::uint64_t>(side - part) + 1));
  };
  const std::int64_t top = at_place(), left = at_place();
  Tensor look = painted.clamp(0, 1).narrow(2, top, part).narrow(3, left, part);
  if (draw_unit(random) < 0.5) look = look.flip({3});
  look = look + at::randn_like(look) * 0.03;
  const Tensor scores = at::matmul(embedded(run, look), texts.t()) * embedder_of(run).scale;  // [B B]
  return at::cross_entropy_loss(scores, at::arange(scores.size(0), at::kLong).to(scores.device()));
}

struct Losses {
  Tensor signal, paint, words, total = {};
};

/// Every tenth sample is kept for validation.
constexpr std::int64_t kKept = 10;

/// Samples by chance, those of exact words first.
std::vector<std::int64_t> draw_samples(const StyleTextRun& run, std::int64_t count, bool kept,
                                       std::mt19937_64& random) {
  std::vector<std::int64_t> chosen;
  const auto all = static_cast<std::uint64_t>(run.embeddings.size(0));
  while (static_cast<std::int64_t>(chosen.size()) < count) {
    const auto index = static_cast<std::int64_t>(draw_below(random, all));
    if ((index % kKept == 0) == kept) chosen.push_back(index);
  }
  std::ranges::sort(chosen);
  return chosen;
}

Losses losses_of(const StyleTextRun& run, bool kept, std::mt19937_64& random) {
  const StyleTextTraining& s = run.config.style_text;
  const StyleWords& words = *run.model.words;
  const std::int64_t count = run.config.batch;
  const std::vector<std::int64_t> chosen = draw_samples(run, count, kept, random);
  const Tensor rows = at::tensor(chosen).to(run.placement.device);
  const Tensor embeddings = run.embeddings.index_select(0, rows), wanted = run.signals.index_select(0, rows);
  const Tensor told = words(embeddings, s.noise);  // [B 8 64]
  const Tensor none = at::zeros({}, told.options());
  Losses losses{.signal = (words.answer(told) - words.answer(wanted)).square().mean(), .paint = none, .words = none};
  if (s.paint_weight + s.words_weight > 0) {
    const SetStylizer::Content content = run.model.content(contents_of(run, count, random));
    const Tensor shares = at::ones({1, count, s.side / 8, s.side / 8}, told.options());
    const auto painted = [&](const Tensor& signals) {
      return run.model.paint(content, {run.model.style_of(signals)}, shares, {}).pictures;
    };
    const Tensor made = painted(told);
    Tensor model;
    {
      const at::NoGradGuard no_grad;
      model = painted(wanted);
    }
    losses.paint = (made - model).square().mean();
    const std::int64_t exact = std::ranges::lower_bound(chosen, run.exact) - chosen.begin();
    if (s.words_weight > 0 && exact > 0) {
      constexpr std::uint64_t kOthers = 48;  // that were not painted: they cost nothing
      std::vector<std::int64_t> others;
      for (std::uint64_t i = 0; i < kOthers; ++i)
        others.push_back(static_cast<std::int64_t>(draw_below(random, static_cast<std::uint64_t>(run.exact))));
      const Tensor beside = run.embeddings.index_select(0, at::tensor(others).to(run.placement.device));
      losses.words =
          words_loss(run, made.narrow(0, 0, exact), at::cat({embeddings.narrow(0, 0, exact), beside}), random);
    }
  }
  losses.total = s.signal_weight * losses.signal + s.paint_weight * losses.paint + s.words_weight * losses.words;
  return losses;
}

/// Captioned photos, without those of which a caption says what is held out.
std::vector<StyleTextRun::Photo> read_photos(const StyleTextTraining& s, const StyleVocabulary& vocabulary) {
  std::vector<StyleTextRun::Photo> photos;
  if (s.captions.empty()) return photos;
  for (const CaptionRecord& record : read_captions(s.captions)) {
    StyleTextRun::Photo photo{record.image, {}};
    bool held = std::ranges::count(s.held_out, record.image.filename().string()) > 0;
    for (const auto& [language, captions] : record.captions)
      for (const std::string& caption : captions) {
        held = held || says_held_out(vocabulary, caption);
        photo.captions.push_back(caption);
      }
    if (!held) photos.push_back(std::move(photo));
  }
  return photos;
}

Tensor mean_of_rows(const Tensor& rows) { return rows.mean(at::IntArrayRef{0}); }

/// Embeddings of pictures' middle squares. [n E]
Tensor looks_of(const StyleTextRun& run, const std::vector<std::filesystem::path>& files) {
  std::vector<Tensor> rows;
  for (const std::filesystem::path& file : files)
    rows.push_back(embedded(run, middle_square(file, 224).unsqueeze(0).to(run.placement.device)));
  return at::cat(rows);
}

/// Pictures' embeddings lie apart from texts': brought to where those of their words would be.
Tensor painting_embeddings(const StyleTextRun& run) {
  constexpr std::size_t kPairs = 200;
  std::vector<std::filesystem::path> files;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < std::min(kPairs, run.photos.size()); ++i) {
    files.push_back(run.photos[i].file);
    texts.push_back(run.photos[i].captions.front());
  }
  const Tensor looks = looks_of(run, run.paintings);
  if (files.empty()) return looks;
  return looks - mean_of_rows(looks_of(run, files)) + mean_of_rows(embedder_of(run).texts(texts)).to(looks.device());
}

/// Words and styles: described and drawn ones, then captioned photos, then paintings.
/// @return false where it was stopped
bool draw_all_samples(StyleTextRun& run) {
  const StyleTextTraining& s = run.config.style_text;
  const auto part = [&](double share) { return std::llround(share * static_cast<double>(s.samples)); };
  const std::int64_t described = s.samples - part(s.photos) - part(s.paintings),
                     before_paintings = described + part(s.photos);
  const Tensor looks = run.paintings.empty() ? Tensor() : painting_embeddings(run);
  std::mt19937_64 random(run.config.seed);
  std::vector<Tensor> embeddings, signals, pictures, rows;
  std::vector<std::string> texts;
  for (std::int64_t i = 0; i < s.samples; ++i) {
    if (i < described) {
      const DescribedStyle style = described_style(run.vocabulary, random);
      texts.push_back(draw_unit(random) < 0.5 ? style.english : style.chinese);
      pictures.push_back(drawn_style(style.drawing, s.side, random));
    } else if (i < before_paintings) {
      const StyleTextRun::Photo& photo = run.photos[draw_below(random, run.photos.size())];
      texts.push_back(photo.captions[draw_below(random, photo.captions.size())]);
      pictures.push_back(random_crop(photo.file, s.side, 1.3, random));
    } else {
      const std::uint64_t index = draw_below(random, run.paintings.size());
      rows.push_back(looks[static_cast<std::int64_t>(index)]);
      pictures.push_back(random_crop(run.paintings[index], s.side, 2, random));
    }
    constexpr std::size_t kAtOnce = 32;
    if (pictures.size() < kAtOnce && i + 1 != before_paintings && i + 1 != s.samples) continue;
    embeddings.push_back(rows.empty() ? embedder_of(run).texts(texts).to(run.placement.device) : at::stack(rows));
    signals.push_back(run.model.style(at::stack(pictures).to(run.placement.device)).signals);
    for (std::vector<Tensor>* list : {&pictures, &rows}) list->clear();
    texts.clear();
    if (run.options.stop && run.options.stop()) return false;
  }
  run.embeddings = at::cat(embeddings);
  run.signals = at::cat(signals);
  run.exact = described;
  return true;
}

/// Whether the stylizer's part for words was learnt with this encoder.
bool knows_words_of(const TensorTable& start, const Embedder& encoder) {
  const auto known = start.find("words.known");
  if (known == start.end()) return false;
  return is_known_answer(known->second.load(), encoder.texts({kKnownText})[0]);
}

}  // namespace

std::unique_ptr<Run> style_text_run(TrainConfig& config, const TrainOptions& options, std::ostream& out,
                                    std::ostream& notes) {
  const Placement placement = parse_placement(options.device, "fp32");
  Model encoder = open_model(config.style_text.encoder, placement);
  if (!encoder.embedder || !encoder.embedder->text || !encoder.embedder->image)
    throw InputError(options.config.string() + ": [model] encoder: " + config.style_text.encoder.string() +
                     " embeds not both pictures and texts");
  TensorTable start = read_stylizer_start(config.start);
  SetStylizerConfig shape = read_set_stylizer_config(Json::read(config.start / "config.json"));
  if (!shape.words.encoder.empty() && !knows_words_of(start, *encoder.embedder)) {
    notes << config.start.string() << ": its part for words was learnt with another encoder and begins anew\n";
    std::erase_if(start, [](const auto& named) { return named.first.starts_with("words."); });
    shape.words = {};
  }
  if (shape.words.encoder.empty())
    shape.words = {config.style_text.encoder.lexically_normal().filename().string(), encoder.embedder->width,
                   config.style_text.hidden};
  const Weights weights = trainable_weights(start, config, placement);
  SetStylizer model(weights, shape);
  weights.finish();
  config.frozen = {"net", "query", "key", "relation"};
  for (const char* scale : {"known", "mean", "apart", "centre", "deviations"})
    config.frozen.push_back(std::string("words.") + scale);
  return std::make_unique<StyleTextRun>(config, options, out, notes, placement, weights, std::move(model),
                                        std::move(encoder));
}

StyleTextRun::StyleTextRun(const TrainConfig& c, const TrainOptions& o, std::ostream& out_, std::ostream& notes_,
                           Placement place, Weights w, SetStylizer m, Model e)
    : Run(c, o, out_, notes_, place, AdamW(stepped(w.parameters(), o, c), steps_of(c, {}))),
      weights(std::move(w)),
      model(std::move(m)),
      encoder(std::move(e)),
      vocabulary(read_style_vocabulary(c.style_text.words, c.style_text.held_out_texts)) {}

bool StyleTextRun::read_data() {
  const StyleTextTraining& s = config.style_text;
  const at::NoGradGuard no_grad;
  photos = read_photos(s, vocabulary);
  if (!s.styles.empty()) paintings = training_pictures(s.styles, s.held_out);
  if (!s.contents.empty()) contents = training_pictures(s.contents, s.held_out);
  if (!draw_all_samples(*this)) return false;
  if (model.words->known.abs().sum().item<double>() == 0) {  // not begun by the start
    model.words->set_scales(embeddings, signals);
    model.words->known.copy_(encoder.embedder->texts({kKnownText})[0]);
  }
  return true;
}

void StyleTextRun::add_gradients(std::int64_t, std::mt19937_64& random, Report& report) {
  const double share_of_step = 1.0 / static_cast<double>(config.accumulate);
  const Losses losses = losses_of(*this, /*kept=*/false, random);
  for (const auto& [name, loss] : {std::pair{"signal", &losses.signal},
                                   {"paint", &losses.paint},
                                   {"words", &losses.words},
                                   {"loss", &losses.total}})
    report.add(name, loss->item<double>() * share_of_step);
  (losses.total * share_of_step).backward();
}

std::optional<double> StyleTextRun::judge(Json& line) {
  constexpr int kBatches = 6;
  const at::NoGradGuard no_grad;
  std::mt19937_64 random(20011);
  at::manual_seed(random());
  double signal = 0, paint = 0, words = 0, loss = 0;
  for (int i = 0; i < kBatches; ++i) {
    const Losses losses = losses_of(*this, /*kept=*/true, random);
    signal += losses.signal.item<double>() / kBatches;
    paint += losses.paint.item<double>() / kBatches;
    words += losses.words.item<double>() / kBatches;
    loss += losses.total.item<double>() / kBatches;
  }
  for (const auto& [name, value] : {std::pair{"validation_loss", loss},
                                    {"validation_signal", signal},
                                    {"validation_paint", paint},
                                    {"validation_words", words}})
    line.set(name, value);
  notes << "step " << step << ": validation loss " << std::setprecision(4) << loss << "  signal " << signal
        << "  paint " << paint << "  words " << words << std::endl;
  return -loss;
}

std::string StyleTextRun::measure_kind() const {
  const StyleTextTraining& s = config.style_text;
  return Json::list(std::vector<double>{s.signal_weight, s.paint_weight, s.words_weight}).dump();
}

void StyleTextRun::save_model(const std::filesystem::path& folder) const {
  save_stylizer(folder, weights, model.config);
}

}  // namespace limn
