#pragma once

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

namespace limn {

struct TrainOptions {
  std::filesystem::path config;  ///< TOML file: apps/train/config.h
  bool resume = true;            ///< go on from the run folder's checkpoint where there is one
  std::string device = "auto";   ///< core/device.h
  int threads = 0;               ///< 0: LibTorch's choice; a run is repeated exactly only with the same number
  std::int64_t stop_after = 0;   ///< end after this many steps of this call, with a checkpoint; 0: run to the end
  std::optional<std::uint64_t> seed = {};  ///< instead of the file's
  bool progress = false;                   ///< a bar on `notes` instead of a line per log step
  bool json = false;                       ///< `out` gets every line of metrics.jsonl too
  std::function<bool()> stop;              ///< asked every step; true: checkpoint and end (Ctrl-C)
};

/// Trains the house model. The run folder receives checkpoint.safetensors, metrics.jsonl (a line per log step),
/// loss.png and best/, a complete model folder of the averaged weights that validated best.
/// Every random choice is a function of seed and step, so a run that was killed and resumed gives the weights of an
/// unbroken one bit for bit (CPU, fixed threads).
/// @return exit code: 0 done, 130 stopped
int train(const TrainOptions& options, std::ostream& out, std::ostream& notes);

}  // namespace limn
