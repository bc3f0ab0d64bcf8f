#include "apps/train/objective.h"

#include <c10/core/impl/LocalDispatchKeySet.h>

#include <cmath>
#include <numeric>

#include "apps/train/batch.h"
#include "core/ops.h"
#include "fusion/embedder.h"

namespace limn {

namespace {

// fp32 in mixed precision too: bf16 similarities times a scale of 100 would be wrong by halves.
Tensor exact_product(const Tensor& x, const Tensor& y) {
  const c10::impl::ExcludeDispatchKeyGuard no_cpu(c10::DispatchKey::AutocastCPU);
  const c10::impl::ExcludeDispatchKeyGuard no_cuda(c10::DispatchKey::AutocastCUDA);
  return at::matmul(x.to(at::kFloat), y.to(at::kFloat));
}

// @param scores  [G B]: caption against picture. @param picture  [G]: whose caption it is
Tensor contrastive_loss(const Tensor& scores, const Tensor& picture) {
  const Tensor to_picture = at::cross_entropy_loss(scores, picture);
  const Tensor own = picture.unsqueeze(1) == at::arange(scores.size(1), picture.options()).unsqueeze(0);  // [G B]
  const Tensor others = scores.masked_fill(own, -INFINITY).logsumexp({0}).index_select(0, picture);       // [G]
  const Tensor right = scores.gather(1, picture.unsqueeze(1)).squeeze(1);                                 // [G]
  return 0.5 * (to_picture + at::softplus(others - right).mean());
}

// Captions beside pictures, as a row per picture; the same as numbers: caption, picture, and 1 where they fit.
struct Pairs {
  TextRows texts;
  std::vector<std::int64_t> caption, picture, fits;
};

// Each picture's captions, then as many of other pictures' in the same language (a caption's first token tells it).
// @param scores  [G B]
Pairs with_hard_negatives(const TextRows& captions, const Tensor& scores, std::mt19937_64& random) {
  struct Candidate {
    std::size_t picture;
    const std::vector<std::int64_t>* text;
  };
  std::vector<Candidate> all;
  for (std::size_t b = 0; b < captions.size(); ++b)
    for (const auto& text : captions[b]) all.push_back({b, &text});
  const Tensor chances = at::softmax(scores.detach(), 0).to(at::kCPU).contiguous();  // [G B]
  const auto chance = chances.accessor<float, 2>();
  Pairs pairs{.texts = TextRows(captions.size()), .caption = {}, .picture = {}, .fits = {}};
  const auto add = [&](std::size_t b, std::size_t g) {
    pairs.texts[b].push_back(*all[g].text);
    pairs.caption.push_back(static_cast<std::int64_t>(g));
    pairs.picture.push_back(static_cast<std::int64_t>(b));
    pairs.fits.push_back(all[g].picture == b);
  };
  for (std::size_t b = 0, first = 0; b < captions.size(); first += captions[b].size(), ++b) {
    for (std::size_t i = 0; i < captions[b].size(); ++i) add(b, first + i);
    for (const auto& own : captions[b]) {
      std::vector<double> weights;
      for (std::size_t g = 0; g < all.size(); ++g)
        weights.push_back(all[g].picture == b || all[g].text->front() != own.front()
                              ? 0.0
                              : 1e-6 + chance[static_cast<std::int64_t>(g)][static_cast<std::int64_t>(b)]);
      double left = draw_unit(random) * std::accumulate(weights.begin(), weights.end(), 0.0);
      std::size_t chosen = all.size();
      for (std::size_t g = 0; g < all.size() && left >= 0; ++g) {
        left -= weights[g];
        if (weights[g] > 0) chosen = g;
      }
      if (chosen < all.size()) add(b, chosen);
    }
  }
  return pairs;
}

}  // namespace

Tensor caption_loss(const HouseModel& model, const Tensor& tokens, const PackedTexts& captions, double smoothing,
                    double dropout) {
  const Tensor hidden = model.text(
      captions.ids,
      {.context = tokens, .mask = captions.causal, .positions = captions.positions, .dropout = dropout});  // [B T D]
  const Tensor logits = model.text.logits(hidden.flatten(0, 1).index_select(0, captions.places));          // [M V]
  return at::cross_entropy_loss(logits.to(at::kFloat), captions.targets, {}, at::Reduction::Mean, -100, smoothing);
}

Tensor teacher_loss(const HouseHeads& heads, const Tensor& pictures, const Tensor& texts, const Tensor& seen,
                    const Tensor& told) {
  constexpr double kTeacherScale = 100;                                     // as CLIP's
  const Tensor wanted = at::matmul(seen, told.t()) * kTeacherScale;         // [B K]
  const Tensor given = exact_product(pictures, texts.t()) * heads.scale();  // [B K]
  const auto divergence = [&](std::int64_t over) {
    const Tensor p = at::log_softmax(wanted, over), q = at::log_softmax(given, over);
    return (p.exp() * (p - q)).sum(at::IntArrayRef{over}).mean();
  };
  return 0.5 * (divergence(1) + divergence(0));
}

PairLosses pair_losses(const HouseModel& model, const Tensor& tokens, const Tensor& pictures, const TextRows& captions,
                       bool match, double dropout, std::mt19937_64& random) {
  const HouseHeads& heads = *model.heads;
  const std::int64_t longest = model.text.config.positions;
  const at::Device device = tokens.device();
  const PackedTexts packed = pack(captions, longest, LastToken::read, device);
  const Tensor texts = normalised(heads.texts(model.words(packed, dropout), packed, dropout));  // [G E]
  const Tensor scores = exact_product(texts, pictures.t()) * heads.scale();                     // [G B]
  PairLosses losses{.contrast = contrastive_loss(scores, packed.row), .match = {}};
  if (!match) return losses;
  const Pairs pairs = with_hard_negatives(captions, scores, random);
  Tensor seen, blind;  // [G']
  {
    const at::NoGradGuard no_grad;  // the decoder's likelihoods are read, not trained, by matching
    const PackedTexts read = pack(pairs.texts, longest, LastToken::target, device);
    seen = model.log_likelihood(tokens, read);
    blind = model.log_likelihood(model.no_picture(), read);
  }
  const auto numbers = [&](const std::vector<std::int64_t>& values) {
    return at::tensor(at::ArrayRef<std::int64_t>(values)).to(device);
  };
  const Tensor similarity = scores.detach().index({numbers(pairs.caption), numbers(pairs.picture)});
  losses.match = at::cross_entropy_loss(heads.match(similarity, seen, blind).to(at::kFloat), numbers(pairs.fits));
  return losses;
}

}  // namespace limn
