#include "fusion/matcher.h"

#include "core/ops.h"

namespace limn {

Tensor Matcher::tokens(const Tensor& pictures) const {
  const at::NoGradGuard no_grad;
  dims<4>(pictures, "Matcher: pictures [P 3 H W]");
  return encode(preprocess.normalise(pictures.to(placement.device)).to(placement.dtype));
}

Tensor Matcher::operator()(const Tensor& tokens, const std::vector<std::string>& texts) const {
  const at::NoGradGuard no_grad;
  dims<3>(tokens, "Matcher: tokens [P S C]");
  return at::softmax(logits(tokens, texts).to(at::kFloat), -1).select(-1, 1).to(at::kCPU);
}

}  // namespace limn
