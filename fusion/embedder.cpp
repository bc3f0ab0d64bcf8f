#include "fusion/embedder.h"

#include "core/ops.h"

namespace limn {

Tensor Embedder::pictures(const Tensor& pictures) const {
  if (!image) throw InputError("Embedder: pictures: this model reads texts only");
  const at::NoGradGuard no_grad;
  dims<4>(pictures, "Embedder: pictures [B 3 H W]");
  const Tensor pixels = preprocess.normalise(pictures.to(placement.device)).to(placement.dtype);
  return normalised(image(pixels)).to(at::kCPU);
}

Tensor Embedder::texts(const std::vector<std::string>& texts) const {
  if (!text) throw InputError("Embedder: texts: this model reads pictures only");
  const at::NoGradGuard no_grad;
  return normalised(text(texts)).to(at::kCPU);
}

Tensor normalised(const Tensor& embedding) {
  const Tensor x = embedding.to(at::kFloat);
  return x / x.norm(2, {-1}, true).clamp_min(1e-12);
}

Tensor similarity(const Embedder& embedder, const Tensor& images, const Tensor& texts) {
  const auto [I, E] = dims<2>(images, "similarity: images [I E]");
  const auto [T, E2] = dims<2>(texts, "similarity: texts [T E]");
  if (E != E2)
    throw InputError("similarity: texts [T E]: got " + shape_text(texts.sizes()) + ", expected rows like images " +
                     shape_text(images.sizes()));
  return at::matmul(normalised(images), normalised(texts).t()) * embedder.scale + embedder.bias;
}

Tensor probabilities(const Embedder& embedder, const Tensor& similarities) {
  return embedder.probability == Probability::sigmoid ? at::sigmoid(similarities)
                                                      : at::softmax(similarities / embedder.temperature, -1);
}

std::string left_out(const Embedder& embedder, const std::string& text) {
  if (!embedder.tokenizer || embedder.longest == 0) return {};
  const Tokenizer& tokenizer = *embedder.tokenizer;
  const auto all = tokenizer.encode(text, {.special = false});
  const auto around = static_cast<std::int64_t>(tokenizer.encode("").size());
  const std::int64_t read = embedder.longest - around;
  if (static_cast<std::int64_t>(all.size()) <= read) return {};
  return tokenizer.decode(std::span(all).subspan(static_cast<std::size_t>(std::max<std::int64_t>(read, 0))));
}

}  // namespace limn
