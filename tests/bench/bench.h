#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/json.h"

namespace limn::bench {

struct Options {
  int threads = 2;
  int repeat = 5;                 ///< timed runs of each row; the median counts
  std::vector<std::string> only;  ///< groups, or parts of "group:name, dtype"; empty: all
  std::string program;            ///< the program `limn`, for the time from start to first caption
};

/// What a row's time is held against: the same processor, asked in the same seconds.
enum class Floor { none, product, reading };

/// What is measured.
struct Task {
  std::string group, name;
  std::string dtype = "fp32";
  std::int64_t batch = 1;
  Floor floor = Floor::none;
  double amount = 0;            ///< FLOP (product) or bytes (reading) that the task cannot do without
  double counted = 0;           ///< what one run makes, e.g. 20 tokens; 0: nothing is counted
  const char* unit = "tokens";  ///< of `counted`
  bool memory = true;           ///< peak memory is this process's; false where another one works
};

/// What came out.
struct Row {
  Task task;
  double median = 0, best = 0;  ///< seconds
  double processor = 0;         ///< median seconds of processor time, of all threads together: other programs on the
                                ///< machine lengthen it little
  double share = 0;             ///< of the floor's rate, median over pairs of neighbouring measurements; 0: no floor
  double peak = 0;              ///< bytes of memory that the process held at most during this row
};

/// Measures rows and prints them as they come.
class Bench {
 public:
  Bench(Options options, std::ostream& out);

  const Options& options() const { return options_; }
  /// Whether --only names this group or a part of this row's name.
  bool wants(const std::string& group, const std::string& name = {}) const;
  /// Times `work`, once unmeasured and then `repeat` times, each time beside its floor. Nothing where not wanted.
  void measure(const Task& task, const std::function<void()>& work);
  /// Median seconds of an earlier row; 0 where it was not measured.
  double seconds(const std::string& name, const std::string& dtype, std::int64_t batch) const;
  /// One quotient of two rows, printed where both are there: "beam 3 / greedy".
  void compare(const std::string& what, double dividend, double divisor);
  Json json() const;

 private:
  double floor_rate(Floor floor, const std::string& dtype, double seconds);

  Options options_;
  std::ostream& out_;
  std::vector<Row> rows_;
  Json ratios_ = Json::object();
};

/// The groups, each in its own file.
void bench_encoder(Bench& bench);
void bench_decoder(Bench& bench);
void bench_caption(Bench& bench);
void bench_preprocess(Bench& bench);
void bench_house(Bench& bench);
void bench_stylize(Bench& bench);

/// The types in which models are measured: fp32, and bf16 and int8 where the processor multiplies them.
std::vector<std::pair<std::string, Placement>> placements();

}  // namespace limn::bench
