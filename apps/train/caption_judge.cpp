#include <iomanip>
#include <numeric>
#include <ostream>

#include "apps/evaluate/retrieval_metrics.h"
#include "apps/train/captioning.h"
#include "apps/train/objective.h"
#include "core/ops.h"
#include "fusion/embedder.h"
#include "text/generate.h"

namespace limn {

namespace {

// Of some validation pictures.
HybridSight validation_sight(const CaptionRun& run, std::int64_t first, std::int64_t count) {
  return run.model.vision.see(
      run.validation.grids.narrow(0, first, count).select(1, 0).to(run.placement.device, at::kFloat));
}

// Mean loss per token of fixed validation captions, right pictures or each picture's neighbour's.
double validation_loss(CaptionRun& run, std::int64_t shift) {
  at::NoGradGuard no_grad;
  const std::int64_t pictures = static_cast<std::int64_t>(run.validation.records.size());
  double sum = 0, tokens = 0;
  for (std::int64_t first = 0; first < pictures; first += run.config.batch) {
    const std::int64_t count = std::min(run.config.batch, pictures - first);
    std::vector<const TokenizedCaptions*> captions;
    for (std::int64_t i = 0; i < count; ++i)
      captions.push_back(&run.validation.tokens[static_cast<std::size_t>((first + i + shift) % pictures)]);
    std::mt19937_64 random(1);
    const PackedTexts texts = pack(draw_captions(captions, 5, random), run.config.model.text.positions,
                                   LastToken::target, run.placement.device);
    const double count_tokens = static_cast<double>(texts.targets.size(0));
    sum += caption_loss(run.model, validation_sight(run, first, count).tokens, texts).item<double>() * count_tokens;
    tokens += count_tokens;
  }
  return sum / tokens;
}

// CIDEr of greedy captions of the first validation pictures, by language.
std::map<std::string, double> validation_cider(CaptionRun& run) {
  const at::NoGradGuard no_grad;
  const HouseConfig& model = run.config.model;
  const std::int64_t pictures = std::min(run.config.validate_captions, run.validation.grids.size(0));
  std::map<std::string, double> cider;
  for (const std::string& language : model.languages) {
    References references;
    std::vector<std::string> candidates;
    const GenerateOptions greedy{.max_new_tokens = model.max_new_tokens, .end = run.tokenizer.special.end};
    for (std::int64_t first = 0; first < pictures; first += run.config.batch) {
      const std::int64_t count = std::min(run.config.batch, pictures - first);
      const std::vector<std::vector<std::int64_t>> begin(
          static_cast<std::size_t>(count), std::vector<std::int64_t>{*run.tokenizer.id("<" + language + ">")});
      const auto captions = generate(run.model.text, validation_sight(run, first, count).tokens, begin, greedy);
      for (std::int64_t i = 0; i < count; ++i) {
        const CaptionRecord& record = run.validation.records[static_cast<std::size_t>(first + i)];
        const auto found = record.captions.find(language);
        if (found == record.captions.end()) continue;
        references.emplace_back();
        for (const std::string& text : found->second) references.back().push_back(metric_words(text, language));
        candidates.push_back(metric_words(run.tokenizer, captions[static_cast<std::size_t>(i)].front().ids, language));
      }
    }
    if (!references.empty()) cider[language] = score_captions(references, candidates).cider;
  }
  return cider;
}

// Retrieval among the validation pictures and their captions, by language.
std::map<std::string, RetrievalResult> validation_retrieval(CaptionRun& run) {
  const at::NoGradGuard no_grad;
  const auto pictures = static_cast<std::int64_t>(run.validation.records.size());
  const std::vector<std::string>& languages = run.config.model.languages;
  std::vector<Tensor> images;
  std::vector<std::vector<Tensor>> texts(languages.size());
  std::vector<std::vector<std::vector<std::int64_t>>> relevant(languages.size());
  std::vector<std::int64_t> counts(languages.size());
  for (std::int64_t first = 0; first < pictures; first += run.config.batch) {
    const std::int64_t count = std::min(run.config.batch, pictures - first);
    images.push_back(normalised(run.model.heads->pictures(validation_sight(run, first, count))));
    for (std::size_t l = 0; l < languages.size(); ++l) {
      TextRows rows;
      for (std::int64_t i = first; i < first + count; ++i) {
        rows.push_back(run.validation.tokens[static_cast<std::size_t>(i)][l]);
        std::vector<std::int64_t>& own = relevant[l].emplace_back(rows.back().size());
        std::iota(own.begin(), own.end(), counts[l]);
        counts[l] += static_cast<std::int64_t>(own.size());
      }
      const PackedTexts packed =
          pack(std::move(rows), run.config.model.text.positions, LastToken::read, run.placement.device);
      texts[l].push_back(normalised(run.model.heads->texts(run.model.words(packed), packed)));
    }
  }
  std::map<std::string, RetrievalResult> results;
  for (std::size_t l = 0; l < languages.size(); ++l)
    if (counts[l] > 0)
      results[languages[l]] = score_retrieval(at::matmul(at::cat(images), at::cat(texts[l]).t()), relevant[l]);
  return results;
}

}  // namespace

std::optional<double> CaptionRun::judge(Json& line) {
  if (validation.records.empty()) return {};
  const TrainConfig& c = config;
  double measure = 0;
  if (c.stem_rate > 0) {  // the stem has moved since the last time
    GridOptions grids = looks;
    grids.views = 1;
    validation.grids = picture_grids(model.vision.stem, validation.records, grids);
    if (!validation.grids.defined()) return {};
  }
  notes << "step " << step << ": validation" << std::setprecision(4);
  if (c.caption_weight > 0 || c.self_critical_samples > 0) {
    const double right = validation_loss(*this, 0), shuffled = validation_loss(*this, 1);
    line.set("validation_loss", right);
    line.set("shuffled_loss", shuffled);
    notes << " loss " << right << " (other pictures: " << shuffled << ")";
    const auto cider = validation_cider(*this);
    measure = cider.empty() ? -right : 0;
    for (const auto& [language, value] : cider) {
      measure += value / static_cast<double>(cider.size());
      line.set("cider_" + language, value);
      notes << "  CIDEr " << language << " " << value;
    }
  }
  if (c.contrast_weight > 0 || c.match_weight > 0) {
    const bool decides = !line.has("validation_loss");
    for (const auto& [language, result] : validation_retrieval(*this)) {
      if (decides) measure += result.rsum;
      line.set("recall_10_" + language, result.text_to_image.recall_10);
      line.set("rsum_" + language, result.rsum);
      notes << "  R@10 " << language << " " << result.text_to_image.recall_10 << " (text to picture), "
            << result.image_to_text.recall_10 << " (picture to text)";
    }
  }
  notes << std::endl;
  return measure;
}

}  // namespace limn
