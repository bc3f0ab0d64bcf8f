#include "fusion/answerer.h"

#include "core/ops.h"

namespace limn {

std::vector<std::vector<Caption>> Answerer::operator()(const Tensor& pictures, const std::string& question,
                                                       const GenerateOptions& options) const {
  const at::NoGradGuard no_grad;
  return speaker.describe(read(speaker.tokens(pictures), question), {.generate = options});
}

}  // namespace limn
