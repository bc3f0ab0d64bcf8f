#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

namespace limn {

/// Whether standard error is a terminal on which a bar may be redrawn (TERM is not "dumb").
bool terminal_for_progress();

struct ProgressOptions {
  std::string label;                     ///< what is counted: "caption", "train"
  std::int64_t total = 0;                ///< 0: unknown; no bar and no remaining time then
  std::int64_t first = 0;                ///< done before, e.g. the step that a training resumes at
  bool enabled = false;                  ///< false: nothing is ever written
  int width = 0;                         ///< columns; 0: the terminal's
  std::function<double()> seconds = {};  ///< a clock; null: the steady clock
};

/// One line at the foot of a terminal, redrawn in place at most ten times a second:
///   caption  [#######-------------]  35%  351/1000  12.4/s  0:52 left  loss 2.31
/// The rate is that of the last half minute or so, hence the remaining time follows what the machine does now.
class Progress {
 public:
  Progress(std::ostream& notes, ProgressOptions options);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// @param done    how many of the total
  /// @param detail  free text behind the times, e.g. "loss 2.31"
  void update(std::int64_t done, const std::string& detail = {});

  /// Takes the line away, before anything else is written to the terminal; the next update draws it again.
  void clear();

  /// The line as it would be drawn now; empty where disabled.
  std::string line() const;

 private:
  double now() const;
  double rate() const;
  std::ostream& notes_;
  ProgressOptions options_;
  std::int64_t done_;
  std::string detail_;
  double last_time_, drawn_at_ = -1;
  double smoothed_items_ = 0, smoothed_seconds_ = 0;
  bool visible_ = false;
};

/// "0:07", "12:30", "3:04:05"; hours where needed.
std::string clock_text(double seconds);

}  // namespace limn
