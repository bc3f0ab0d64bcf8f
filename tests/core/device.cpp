#include "core/device.h"

#include "tests/catch.h"

using namespace limn;

TEST_CASE("placements by name", "[device]") {
  CHECK(describe(parse_placement("cpu", "auto")) == "cpu, fp32");
  CHECK(describe(parse_placement("cpu", "bf16")) == "cpu, bf16");
  CHECK(describe(parse_placement("cpu", "int8")) == "cpu, int8");
  const Placement eight = parse_placement("cpu", "int8");
  CHECK(eight.int8);
  CHECK(eight.dtype == at::kFloat);
  CHECK_THROWS_WITH(parse_placement("cpu", "int4"),
                    "dtype: got \"int4\", expected auto, fp32, bf16, fp16, fp64 or int8");
}
