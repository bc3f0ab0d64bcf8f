#include "core/tensor.h"

namespace limn {

std::string shape_text(at::IntArrayRef shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

void throw_rank(const Tensor& tensor, const char* what) {
  throw InputError(std::string(what) + ": got " + (tensor.defined() ? shape_text(tensor.sizes()) : "nothing"));
}

}  // namespace limn
