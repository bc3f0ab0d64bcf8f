#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "tests/fuzz/targets.h"

// One program per target: LIMN_FUZZ_TARGET is its name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const limn::fuzz::Target* target = [] {
    for (const limn::fuzz::Target& known : limn::fuzz::targets())
      if (known.name == std::string_view(LIMN_FUZZ_TARGET)) return &known;
    std::abort();
  }();
  target->read({reinterpret_cast<const char*>(data), size});
  return 0;
}
