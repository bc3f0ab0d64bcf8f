#include "apps/doctor.h"

#include <sstream>

#include "core/json.h"
#include "tests/catch.h"

using namespace limn;

namespace {

/// A machine with which nothing is wrong.
Diagnosis healthy() {
  Diagnosis d;
  d.processor = {.name = "CPU", .kernels = "AVX2", .cores = 4, .threads = 4, .load = 0.5, .memory_free = 8'000'000'000};
  d.gflops = {{"fp32", 100.0}, {"bf16", 100.0}, {"fp16", 0.0}, {"int8", 200.0}};
  d.read_one = 10;
  d.read_all = 20;
  d.parallel_region = 1e-5;
  d.model = "models/limn-small";
  return d;
}

/// The one advice that a diagnosis gives.
std::string only_advice(const Diagnosis& diagnosis) {
  const auto advice = advise(diagnosis);
  REQUIRE(advice.size() == 1);
  return advice.front();
}

}  // namespace

TEST_CASE("LibTorch's matrix products come from LibTorch", "[doctor][link]") {
  // The first library in search order serves everybody: a reference BLAS before LibTorch is twenty times slower.
  const std::string library = blas_library();
  CAPTURE(library);
  CHECK_FALSE(is_reference_blas(library));
  if (library.find("torch") == std::string::npos && !library.empty())
    WARN("LibTorch uses the system's BLAS: " << library);
}

TEST_CASE("a reference BLAS is told from others by its file", "[doctor]") {
  CHECK(is_reference_blas("/nowhere/x86_64-linux-gnu/blas/libblas.so.3"));
  CHECK(is_reference_blas("/nowhere/lib/libblas.so.3"));
  CHECK_FALSE(is_reference_blas("/nowhere/openblas-pthread/libblas.so.3"));
  CHECK_FALSE(is_reference_blas("/nowhere/torch/lib/libtorch_cpu.so"));
  CHECK_FALSE(is_reference_blas(""));
}

TEST_CASE("advice names what is wrong and what to do", "[doctor]") {
  CHECK(advise(healthy()).empty());
  Diagnosis d = healthy();

  SECTION("slow half precision") {
    d.gflops["bf16"] = 20;
    CHECK(only_advice(d) == "bf16 is 5.0 times slower than fp32 on this processor: leave --dtype at fp32 (auto does).");
  }
  SECTION("fast half precision") {
    d.gflops["bf16"] = 300;
    CHECK(only_advice(d) == "bf16 is 3.0 times faster than fp32 on this processor: try --dtype bf16.");
  }
  SECTION("reference BLAS") {
    d.blas = "/usr/lib/libblas.so.3";
    d.slow_blas = true;
    CHECK_THAT(only_advice(d), ContainsSubstring("reference BLAS (/usr/lib/libblas.so.3)"));
  }
  SECTION("a busy machine") {
    d.processor.load = 9;
    CHECK(advise(d).size() == 2);
    d.passive_wait = true;
    CHECK_THAT(only_advice(d), ContainsSubstring("load 9.0 on 4 cores"));
  }
  SECTION("few threads") {
    d.processor.threads = 2;
    CHECK_THAT(only_advice(d), ContainsSubstring("2 of 4 cores: --threads 4"));
  }
  SECTION("a CUDA build without a device") {
    d.cuda_build = true;
    CHECK_THAT(only_advice(d), ContainsSubstring("no usable device"));
  }
  SECTION("little memory") {
    d.processor.memory_free = 1'500'000'000;
    CHECK_THAT(only_advice(d), ContainsSubstring("Only 1.5 GB"));
  }
  SECTION("no default model") {
    d.model.clear();
    d.model_problem = "model: nowhere";
    CHECK(only_advice(d) == "model: nowhere");
  }
}

TEST_CASE("doctor measures this machine", "[doctor]") {
  std::ostringstream text, json;
  CHECK(doctor({.seconds = 0, .json = true}, json) == 0);
  const Json report = Json::parse(json.str(), "doctor");
  CHECK(report["versions"]["LibTorch"].text().size() >= 5);
  CHECK(report["gflops"]["fp32"].number() > 0.1);
  CHECK(report["read_gb_per_s"]["one_thread"].number() > 0.1);
  CHECK(report["processor"]["threads"].integer() >= 1);
  CHECK(report["advice"].is_array());
}
