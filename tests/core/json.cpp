#include "core/json.h"

#include "tests/catch.h"

using namespace limn;

TEST_CASE("json names file and key in every complaint", "[json]") {
  const Json json = Json::parse(R"({"a": {"b": [1, 2.5, "x"]}})", "config.json");
  CHECK(json["a"]["b"].size() == 3);
  CHECK(json["a"]["b"][std::size_t{0}].integer() == 1);
  CHECK_THROWS_WITH(json["a"]["b"][std::size_t{2}].integer(), "config.json: a.b[2]: got \"x\", expected an integer");
  CHECK_THROWS_WITH(json.at("c"), "config.json: c: is missing");
  CHECK(json["c"]["d"].integer(7) == 7);
}

TEST_CASE("config reader collects all faults", "[json]") {
  ConfigReader read(Json::parse(R"({"width": "wide", "act": "tanh"})", "config.json"));
  read.integer("width", 1);
  read.integer("layers");
  read.choice("act", {"gelu", "relu"}, "gelu");
  CHECK_THROWS_WITH(read.finish(),
                    "3 problems in the configuration:\n"
                    "  config.json: width: got \"wide\", expected a non-negative integer\n"
                    "  config.json: layers: is missing\n"
                    "  config.json: act: got \"tanh\", expected one of: gelu, relu");
}
