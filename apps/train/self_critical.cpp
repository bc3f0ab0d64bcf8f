#include "apps/train/self_critical.h"

#include <cmath>
#include <numeric>

#include "apps/evaluate/ptb_tokenizer.h"
#include "core/ops.h"
#include "fusion/normalise.h"
#include "text/generate.h"

namespace limn {

namespace {

constexpr const char* kEnd = " </s>";  // no tokenised caption holds it: marks are dropped

References references_of(const std::vector<CaptionRecord>& records, const std::string& language) {
  References references;
  for (const CaptionRecord& record : records) {
    const auto found = record.captions.find(language);
    if (found == record.captions.end()) continue;
    references.emplace_back();
    for (const std::string& text : found->second) references.back().push_back(metric_words(text, language) + kEnd);
  }
  if (references.empty()) throw InputError("self-critical training: no picture has captions in \"" + language + "\"");
  return references;
}

}  // namespace

std::string metric_words(std::string_view caption, const std::string& language) {
  return language == "zh" ? cjk_tokenize(caption) : ptb_tokenize(caption);
}

std::string metric_words(const Tokenizer& tokenizer, std::span<const std::int64_t> ids, const std::string& language) {
  return metric_words(joined_caption(tokenizer.decode(ids.subspan(1))), language);
}

CaptionReward::CaptionReward(const std::vector<CaptionRecord>& records, const std::string& language)
    : language_(language), scorer_(references_of(records, language)) {
  std::int64_t pictures = 0;
  for (const CaptionRecord& record : records) place_.push_back(record.captions.count(language) ? pictures++ : -1);
}

double CaptionReward::operator()(std::size_t record, const std::string& words, bool ended) const {
  return scorer_.score(static_cast<std::size_t>(place_.at(record)), ended ? words + kEnd : words);
}

std::vector<double> advantages(const std::vector<double>& rewards) {
  const double sum = std::accumulate(rewards.begin(), rewards.end(), 0.0);
  std::vector<double> result;
  for (const double reward : rewards)
    result.push_back(reward - (sum - reward) / static_cast<double>(rewards.size() - 1));
  return result;
}

SampledCaptions sample_captions(const HouseModel& model, const Tokenizer& tokenizer,
                                const std::vector<CaptionReward>& rewards, const Tensor& tokens,
                                const std::vector<std::int64_t>& records, const SampleOptions& options) {
  SampledCaptions result;
  result.captions.resize(records.size());
  std::vector<std::vector<double>> shares(records.size());
  double sum = 0;
  std::int64_t count = 0;
  for (std::size_t l = 0; l < rewards.size(); ++l) {
    const CaptionReward& reward = rewards[l];
    const std::vector<std::vector<std::int64_t>> begin(records.size(), {*tokenizer.id("<" + reward.language() + ">")});
    const auto drawn = generate(model.text, tokens.detach(), begin,
                                {.returned = options.samples,
                                 .max_new_tokens = model.config.max_new_tokens,
                                 .sample = true,
                                 .seed = options.seed + l,
                                 .end = tokenizer.special.end});
    std::vector<std::vector<double>> earned(records.size());
    double squares = 0, drawn_here = 0;
    for (std::size_t b = 0; b < records.size(); ++b) {
      const auto record = static_cast<std::size_t>(records[b]);
      if (!reward.knows(record)) continue;
      std::vector<double> rewarded;
      for (const Sequence& sequence : drawn[b]) {
        const bool ended = sequence.ids.back() == tokenizer.special.end;
        rewarded.push_back(reward(record, metric_words(tokenizer, sequence.ids, reward.language()), ended));
        result.captions[b].push_back(sequence.ids);
        sum += rewarded.back();
      }
      earned[b] = advantages(rewarded);
      for (const double advantage : earned[b]) squares += advantage * advantage;
      drawn_here += static_cast<double>(earned[b].size());
    }
    const double scale = squares > 0 ? std::sqrt(squares / drawn_here) : 1.0;  // CIDEr's size differs by language
    for (std::size_t b = 0; b < records.size(); ++b)
      for (const double advantage : earned[b]) shares[b].push_back(advantage / scale);
    count += static_cast<std::int64_t>(drawn_here);
  }
  for (const auto& share : shares) result.advantages.insert(result.advantages.end(), share.begin(), share.end());
  result.reward = count > 0 ? sum / static_cast<double>(count) : 0.0;
  return result;
}

Tensor self_critical_loss(const HouseModel& model, const Tensor& tokens, const PackedTexts& batch,
                          const std::vector<double>& advantages) {
  const Tensor hidden =
      model.text(batch.ids, {.context = tokens, .mask = batch.causal, .positions = batch.positions});  // [B T D]
  const Tensor logits = model.text.logits(hidden.flatten(0, 1).index_select(0, batch.places)).to(at::kFloat);  // [M V]
  const Tensor surprise = at::cross_entropy_loss(logits, batch.targets, {}, at::Reduction::None);              // [M]
  const Tensor weight =
      at::tensor(at::ArrayRef<double>(advantages)).to(logits.device(), at::kFloat).index_select(0, batch.text);
  return (surprise * weight).mean();
}

}  // namespace limn
