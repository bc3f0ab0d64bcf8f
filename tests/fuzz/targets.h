#pragma once

#include <span>
#include <string_view>

// What is fuzzed: readers of foreign bytes. tests/fuzz/fuzzer.cpp drives them with libFuzzer (preset `fuzz`),
// tests/fuzz/replay.cpp with the files of tests/fuzz/corpus in the normal test run.
namespace limn::fuzz {

/// A target takes any bytes. The readers below it may refuse them with an InputError or a CheckpointError, which it
/// swallows; whatever else happens (another exception, a crash, a hang, unbounded memory) is a fault.
struct Target {
  const char* name;  ///< the folder of its corpus
  void (*read)(std::string_view bytes);
};

std::span<const Target> targets();

}  // namespace limn::fuzz
