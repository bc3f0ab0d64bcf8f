#include "tests/goldens/kinds.h"

namespace limn::golden {

std::span<const Kind> kinds() { return {}; }

}  // namespace limn::golden
