#include "tests/goldens/kinds.h"

namespace limn::golden {

std::span<const Kind> kinds() {
  static constexpr Kind kKinds[] = {
      {"preprocess", run_preprocess},
      {"vision", run_vision},
      {"logits", run_logits},
      {"caption", run_caption},
  };
  return kKinds;
}

}  // namespace limn::golden
