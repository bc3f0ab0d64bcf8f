#include "apps/evaluate/evaluate_retrieval.h"

#include <algorithm>
#include <iomanip>
#include <map>
#include <optional>
#include <ostream>
#include <sstream>

#include "apps/evaluate/embed_files.h"
#include "apps/evaluate/retrieval_metrics.h"
#include "apps/match.h"
#include "apps/pictures.h"
#include "apps/train/data.h"
#include "core/json.h"
#include "core/ops.h"
#include "core/safetensors.h"
#include "fusion/model.h"

namespace limn {

namespace {

// What is ranked: pictures, texts, and which belong together.
struct Pairs {
  std::vector<std::filesystem::path> pictures;
  std::vector<std::string> texts;
  std::vector<std::vector<std::int64_t>> relevant;  // by picture
};

Pairs read_pairs(const EvaluateRetrievalOptions& options) {
  Pairs pairs;
  for (const CaptionRecord& record : read_captions(options.data, {options.images, options.language})) {
    const auto captions = record.captions.find(options.language);
    if (captions == record.captions.end()) continue;
    if (options.limit > 0 && static_cast<std::int64_t>(pairs.pictures.size()) == options.limit) break;
    pairs.pictures.push_back(record.image);
    std::vector<std::int64_t>& own = pairs.relevant.emplace_back();
    for (const std::string& text : captions->second) {
      own.push_back(static_cast<std::int64_t>(pairs.texts.size()));
      pairs.texts.push_back(text);
    }
  }
  if (pairs.pictures.empty())
    throw InputError(options.data.string() + ": no picture has captions in \"" + options.language + "\"");
  return pairs;
}

// The matching head's scores for the first `count` candidates of every list. A picture is encoded once for all texts
// that it is ranked with. Nothing where it was interrupted.
std::optional<SecondStage> second_stage(const Pairs& pairs, const Tensor& similarity, const Model& model,
                                        const EvaluateRetrievalOptions& options, std::ostream& notes) {
  const Matcher& matcher = *model.matcher;
  const auto texts_of = rank_candidates(similarity, options.rerank);         // by picture
  const auto pictures_of = rank_candidates(similarity.t(), options.rerank);  // by text
  const auto I = static_cast<std::int64_t>(texts_of.size()), T = static_cast<std::int64_t>(pictures_of.size());
  SecondStage second{.first = options.rerank,
                     .image_to_text = at::zeros({I, static_cast<std::int64_t>(texts_of[0].size())}),
                     .text_to_image = at::zeros({T, static_cast<std::int64_t>(pictures_of[0].size())})};
  // By picture, its texts with the places that wait for the score.
  std::vector<std::map<std::int64_t, std::vector<float*>>> wanted(texts_of.size());
  for (std::size_t i = 0; i < texts_of.size(); ++i)
    for (std::size_t place = 0; place < texts_of[i].size(); ++place)
      wanted[i][texts_of[i][place]].push_back(second.image_to_text.data_ptr<float>() + i * texts_of[i].size() + place);
  for (std::size_t t = 0; t < pictures_of.size(); ++t)
    for (std::size_t place = 0; place < pictures_of[t].size(); ++place)
      wanted[static_cast<std::size_t>(pictures_of[t][place])][static_cast<std::int64_t>(t)].push_back(
          second.text_to_image.data_ptr<float>() + t * pictures_of[t].size() + place);
  const auto match_batch = [&](const Tensor& pictures, const std::vector<std::size_t>& indices) {
    const Tensor tokens = matcher.tokens(pictures);
    for (std::size_t row = 0; row < indices.size() && !interrupted(); ++row) {
      std::vector<std::string> texts;
      for (const auto& [text, places] : wanted[indices[row]])
        texts.push_back(pairs.texts[static_cast<std::size_t>(text)]);
      // Logits, not probabilities: those near 1 would tie in float32.
      const at::NoGradGuard no_grad;
      const Tensor logits = matcher.logits(tokens.narrow(0, static_cast<std::int64_t>(row), 1), texts)[0];  // [t 2]
      const Tensor scores = (logits.select(-1, 1) - logits.select(-1, 0)).to(at::kCPU, at::kFloat).contiguous();
      const float* score = scores.const_data_ptr<float>();
      for (const auto& [text, places] : wanted[indices[row]]) {
        for (float* place : places) *place = *score;
        ++score;
      }
    }
  };
  if (!each_file(pairs.pictures, model, matcher.preprocess, options.common, "rerank", notes, match_batch)) return {};
  return second;
}

Json scores_json(const RetrievalScores& scores) {
  return Json::object({{"R@1", scores.recall_1},
                       {"R@5", scores.recall_5},
                       {"R@10", scores.recall_10},
                       {"median_rank", scores.median_rank},
                       {"mean_rank", scores.mean_rank},
                       {"mAP", scores.map},
                       {"mAP@R", scores.map_at_r},
                       {"R_precision", scores.r_precision}});
}

void report(const EvaluateRetrievalOptions& options, const RetrievalResult& result, std::int64_t pictures,
            std::int64_t texts, std::ostream& out) {
  if (options.json) {
    out << Json::object({{"text_to_image", scores_json(result.text_to_image)},
                         {"image_to_text", scores_json(result.image_to_text)},
                         {"rsum", result.rsum},
                         {"pictures", pictures},
                         {"texts", texts},
                         {"rerank", options.rerank}})
               .dump()
        << '\n';
    return;
  }
  std::ostringstream table;
  table << std::fixed << std::setprecision(1) << "                  R@1    R@5   R@10  median rank\n";
  for (const auto& [name, scores] :
       {std::pair{"text to image", &result.text_to_image}, std::pair{"image to text", &result.image_to_text}})
    table << name << std::setw(8) << scores->recall_1 << std::setw(7) << scores->recall_5 << std::setw(7)
          << scores->recall_10 << std::setw(13) << scores->median_rank << '\n';
  table << "rsum " << result.rsum << "; " << pictures << " pictures, " << texts << " texts\n";
  out << table.str();
}

// A second stage's table in the file, or nothing.
Tensor optional_table(const TensorTable& tables, const std::string& name) {
  const auto found = tables.find(name);
  return found == tables.end() ? Tensor() : found->second.load();
}

int evaluate_scores(const EvaluateRetrievalOptions& options, std::ostream& out) {
  const TensorTable tables = read_safetensors(options.scores);
  const Tensor similarity = optional_table(tables, "similarity");
  if (!similarity.defined()) throw InputError(options.scores.string() + ": similarity: is missing");
  std::vector<std::vector<std::int64_t>> relevant;
  for (const Json& list : Json::read(options.relevant).items()) relevant.push_back(list.integers());
  SecondStage second{.image_to_text = optional_table(tables, "second_image_to_text"),
                     .text_to_image = optional_table(tables, "second_text_to_image")};
  if (second.image_to_text.defined() != second.text_to_image.defined())
    throw InputError(options.scores.string() + ": has one direction of the second stage, expected both or none");
  if (second.image_to_text.defined())
    second.first = std::max(second.image_to_text.size(-1), second.text_to_image.size(-1));
  report(options, score_retrieval(similarity, relevant, second), similarity.size(0), similarity.size(1), out);
  flush_results(out);
  return exit_done;
}

}  // namespace

int evaluate_retrieval(const EvaluateRetrievalOptions& options, std::ostream& out, std::ostream& notes) {
  if (options.scores.empty() != options.relevant.empty())
    throw UsageError("evaluate retrieval: --scores and --relevant go together");
  if (options.scores.empty() == options.data.empty())
    throw UsageError("evaluate retrieval: takes a data set, or --scores with --relevant");
  if (!options.scores.empty()) return evaluate_scores(options, out);
  const Pairs pairs = read_pairs(options);
  const auto model = open_chosen_model(options.common);
  if (options.rerank > 0 && !model->matcher)
    throw UsageError("evaluate retrieval: --rerank: " + model->folder.string() + " (family " + model->family +
                     ") has no matching head");
  const Tensor images = embed_files(pairs.pictures, *model, options.common, notes);
  if (!images.defined()) return exit_interrupted;
  note_cut_texts(*model->embedder, pairs.texts, options.common, notes);
  const Tensor similar = similarity(*model->embedder, images, model->embedder->texts(pairs.texts));  // [I T]
  SecondStage second;
  if (options.rerank > 0) {
    const auto stage = second_stage(pairs, similar, *model, options, notes);
    if (!stage) return exit_interrupted;
    second = *stage;
  }
  report(options, score_retrieval(similar, pairs.relevant, second), similar.size(0), similar.size(1), out);
  flush_results(out);
  return exit_done;
}

}  // namespace limn
