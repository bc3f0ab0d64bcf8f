#include "tests/goldens/kinds.h"

namespace limn::golden {

std::span<const Kind> kinds() {
  static constexpr Kind kKinds[] = {
      {"preprocess", run_preprocess},
  };
  return kKinds;
}

}  // namespace limn::golden
