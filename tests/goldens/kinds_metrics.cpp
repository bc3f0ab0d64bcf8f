#include <array>
#include <string>
#include <utility>

#include "apps/evaluate/caption_metrics.h"
#include "apps/evaluate/ptb_tokenizer.h"
#include "apps/evaluate/retrieval_metrics.h"
#include "core/ops.h"
#include "tests/goldens/kinds.h"

namespace limn::golden {

namespace {

std::string id_text(const Json& json) { return json.is_text() ? json.text() : std::to_string(json.integer()); }

using Captions = std::map<std::string, std::vector<std::string>>;  // by picture, in file order

// A list of {"image_id", "caption"}, or COCO annotations.
Captions read_listed(const std::filesystem::path& file) {
  const Json root = Json::read(file);
  Captions captions;
  for (const Json& item : (root.is_array() ? root : root.at("annotations")).items()) {
    captions[id_text(item.at("image_id"))].push_back(item.at("caption").text());
  }
  return captions;
}

void compare_captions(GoldenCase& c, const CaptionScores& scores) {
  const Json corpus = c.json.at("corpus"), each = c.json.at("per_picture");
  const auto compare = [&](const char* name, double all, const auto& of) {
    c.compare(name, all, corpus.at(name).number());
    const std::vector<double> expected = each.at(name).numbers();
    if (expected.size() != scores.rouge_each.size()) c.fail("per_picture: a figure for every picture is expected");
    for (std::size_t i = 0; i < std::min(expected.size(), scores.rouge_each.size()); ++i) {
      c.compare(name, of(i), expected[i]);
    }
  };
  constexpr std::array<const char*, 4> kBleu = {"Bleu_1", "Bleu_2", "Bleu_3", "Bleu_4"};
  for (std::size_t n = 0; n < 4; ++n) {
    compare(kBleu[n], scores.bleu[n], [&](std::size_t i) { return scores.bleu_each[i][n]; });
  }
  compare("ROUGE_L", scores.rouge, [&](std::size_t i) { return scores.rouge_each[i]; });
  compare("CIDEr", scores.cider, [&](std::size_t i) { return scores.cider_each[i]; });
}

void compare_retrieval(GoldenCase& c, const char* direction, const RetrievalScores& scores) {
  const Json expected = c.json.at(direction);
  const std::pair<const char*, double> figures[] = {
      {"R@1", scores.recall_1},        {"R@5", scores.recall_5},
      {"R@10", scores.recall_10},      {"median_rank", scores.median_rank},
      {"mean_rank", scores.mean_rank}, {"mAP", scores.map},
      {"mAP@R", scores.map_at_r},      {"R_precision", scores.r_precision}};
  for (const auto& [name, value] : figures) {
    if (expected.has(name)) c.compare(name, value, expected[name].number());
  }
  const std::string ranks = std::string("ranks_") + direction;
  if (c.has(ranks)) c.equal(ranks, scores.ranks, c.json[ranks].integers());
}

}  // namespace

// Figures of candidates against references; the tokeniser is named, the pictures' order is the figures'.
void run_caption_metrics(GoldenCase& c) {
  const std::string kind = c.text("tokens");
  if (kind != "ptb" && kind != "cjk") throw NotRun("tokens \"" + kind + "\" are not known");
  const Captions references = read_listed(c.file("references")), candidates = read_listed(c.file("candidates"));
  const auto limit = static_cast<std::size_t>(c.json["references_per_picture"].integer(1 << 30));
  const auto tokenize = kind == "ptb" ? ptb_tokenize : cjk_tokenize;
  References by_picture;
  std::vector<std::string> said;
  for (const Json& json : c.json.at("image_ids").items()) {
    const std::string id = id_text(json);
    std::vector<std::string>& tokens = by_picture.emplace_back();
    for (const std::string& reference : references.at(id)) {
      if (tokens.size() < limit) tokens.push_back(tokenize(reference));
    }
    said.push_back(tokenize(candidates.at(id).at(0)));
  }
  compare_captions(c, score_captions(by_picture, said));
}

void run_ptb_tokens(GoldenCase& c) { c.equal("tokens", ptb_tokenize(c.text("text")), c.text("tokens")); }

void run_cjk_tokens(GoldenCase& c) { c.equal("tokens", cjk_tokenize(c.text("text")), c.text("tokens")); }

void run_retrieval_metrics(GoldenCase& c) {
  std::vector<std::vector<std::int64_t>> relevant;
  for (const Json& list : c.json.at("relevant").items()) relevant.push_back(list.integers());
  SecondStage second;
  if (c.has("first")) {
    second = {.first = c.json["first"].integer(),
              .image_to_text = c.tensor("second_image_to_text"),
              .text_to_image = c.tensor("second_text_to_image")};
  }
  const RetrievalResult result = score_retrieval(c.tensor("similarity"), relevant, second);
  compare_retrieval(c, "image_to_text", result.image_to_text);
  compare_retrieval(c, "text_to_image", result.text_to_image);
  if (c.has("rsum")) c.compare("rsum", result.rsum, c.json["rsum"].number());
}

void run_classification_metrics(GoldenCase& c) {
  const ClassificationScores scores = score_classification(c.tensor("logits"), c.json.at("labels").integers());
  const std::pair<const char*, double> figures[] = {
      {"top1", scores.top_1}, {"top5", scores.top_5}, {"mean_per_class_recall", scores.mean_per_class_recall}};
  for (const auto& [name, value] : figures) {
    if (c.has(name)) c.compare(name, value, c.json[name].number());
  }
  if (c.has("ranks")) c.equal("ranks", scores.ranks, c.json["ranks"].integers());
}

}  // namespace limn::golden
