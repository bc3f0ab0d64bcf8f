#include "fusion/style_words.h"

#include "core/ops.h"

namespace limn {

namespace {

constexpr std::int64_t kRows = 8, kWidth = 64;     // of signals: StyleTokens
constexpr std::int64_t kDeviationRows[] = {1, 5};  // of both depths
constexpr double kSmallest = 1e-3;                 // deviation of a picture of one colour, about

}  // namespace

StyleWords::StyleWords(const Weights& w, const StyleWordsConfig& c)
    : known(w.get("known", {c.width}, Init::zeros)),
      mean(w.get("mean", {c.width}, Init::zeros)),
      apart(w.get("apart", {c.width, c.width})),
      centre(w.get("centre", {kRows * kWidth}, Init::zeros)),
      deviations(w.get("deviations", {kRows * kWidth}, Init::ones)),
      in(w / "in", c.width, c.hidden),
      between(w / "between", c.hidden, c.hidden),
      out(w / "out", c.hidden, kRows * kWidth) {}

bool is_known_answer(const Tensor& known, const Tensor& answer) {
  if (known.sizes() != answer.sizes()) return false;
  return at::dot(normalised(known.to(at::kCPU, at::kFloat)), answer.to(at::kCPU)).item<double>() >= 0.999;
}

Tensor logged_signals(const Tensor& signals) {
  std::vector<Tensor> rows = signals.unbind(1);
  for (const std::int64_t row : kDeviationRows) {
    Tensor& deviation = rows[static_cast<std::size_t>(row)];
    deviation = deviation.clamp_min(kSmallest).log();
  }
  return at::stack(rows, 1).flatten(1);
}

Tensor StyleWords::answer(const Tensor& signals) const { return (logged_signals(signals) - centre) / deviations; }

Tensor StyleWords::operator()(const Tensor& embeddings, double noise) const {
  Tensor given = at::matmul(embeddings - mean, apart);
  if (noise > 0) given = given + noise * at::randn_like(given);
  const Tensor x = in.activated(given, Activation::gelu);                                       // [B H]
  const Tensor logged = out(x + between.activated(x, Activation::gelu)) * deviations + centre;  // [B 512]
  std::vector<Tensor> rows = logged.view({-1, kRows, kWidth}).unbind(1);
  for (const std::int64_t row : kDeviationRows) {
    Tensor& deviation_row = rows[static_cast<std::size_t>(row)];
    deviation_row = deviation_row.exp();
  }
  return at::stack(rows, 1);
}

void StyleWords::set_scales(const Tensor& embeddings, const Tensor& signals) const {
  const at::NoGradGuard no_grad;
  const Tensor logged = logged_signals(signals);
  centre.copy_(logged.mean(at::IntArrayRef{0}));
  deviations.copy_(logged.std(at::IntArrayRef{0}).clamp_min(1e-4));
  mean.copy_(embeddings.mean(at::IntArrayRef{0}));
  const Tensor x = (embeddings - mean).cpu().to(at::kDouble);
  const auto [variances, directions] = at::linalg_eigh(at::matmul(x.t(), x) / static_cast<double>(x.size(0)), "L");
  // Directions in which nothing varies are noise: not blown up.
  apart.copy_(directions / (variances.clamp_min(0) + 1e-3 * variances.mean()).sqrt());
}

std::vector<Tensor> read_style(const Stylizer& stylizer, const Embedder& encoder, const std::string& words) {
  if (!stylizer.words) throw InputError("stylize: this model knows no styles in words; give a picture");
  if (words.find_first_not_of(" \t\r\n") == std::string::npos)
    throw InputError(
        "stylize: style in words: got none; say what it looks like, e.g. \"a stormy night in blue and yellow\"");
  const at::NoGradGuard no_grad;
  const Tensor read = encoder.texts({kKnownText, words});  // [2 E]
  if (!is_known_answer(stylizer.words->known, read[0]))
    throw CheckpointError("stylize: " + stylizer.words->encoder +
                          " is not the model that this stylizer learnt words with; bring the two up to date together");
  return stylizer.words->style(read.narrow(0, 1, 1).to(stylizer.placement.device, stylizer.placement.dtype));
}

}  // namespace limn
