#include "fusion/captioner.h"

#include <numeric>

#include "core/ops.h"

namespace limn {

namespace {

Caption described(const Captioner& captioner, Sequence sequence) {
  Caption caption;
  const std::span<const std::int64_t> words = std::span(sequence.ids).subspan(1);  // behind the begin token
  caption.text = captioner.tokenizer.decode(words);
  if (captioner.spelled) caption.text = captioner.spelled(caption.text);
  caption.sequence_score = sequence.score;
  if (!sequence.logprobs.empty())
    caption.score = std::accumulate(sequence.logprobs.begin(), sequence.logprobs.end(), 0.0) /
                    static_cast<double>(sequence.logprobs.size());
  caption.ids = std::move(sequence.ids);
  caption.logprobs = std::move(sequence.logprobs);
  return caption;
}

}  // namespace

std::vector<std::vector<Caption>> Captioner::operator()(const Tensor& pictures, const CaptionRequest& request) const {
  return describe(tokens(pictures), request);
}

Tensor Captioner::tokens(const Tensor& pictures) const {
  const at::NoGradGuard no_grad;
  dims<4>(pictures, "Captioner: pictures [B 3 H W]");
  return encode(preprocess.normalise(pictures.to(placement.device)).to(placement.dtype));
}

std::vector<std::vector<Caption>> Captioner::describe(const Tensor& context, const CaptionRequest& request) const {
  const at::NoGradGuard no_grad;
  const std::int64_t B = dims<3>(context, "Captioner: tokens [B S C]")[0];
  GenerateOptions options = request.generate;
  options.end = end;
  for (const std::string& word : request.banned)
    if (auto ids = tokenizer.encode(word, {.special = false}); !ids.empty())
      options.bad_words.push_back(std::move(ids));
  const std::vector<std::vector<std::int64_t>> prompts(static_cast<std::size_t>(B),
                                                       begin(request.prompt, request.language));
  std::vector<std::vector<Caption>> captions;
  for (std::vector<Sequence>& sequences : generate(decoder, context, prompts, options)) {
    captions.emplace_back();
    for (Sequence& sequence : sequences) captions.back().push_back(described(*this, std::move(sequence)));
  }
  return captions;
}

}  // namespace limn
