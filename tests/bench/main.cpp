#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "apps/machine.h"
#include "apps/run.h"
#include "core/files.h"
#include "tests/bench/bench.h"

namespace {

using namespace limn;

int measure(const bench::Options& options, bool json) {
  at::set_num_threads(options.threads);
  std::ostream& table = json ? std::cerr : std::cout;  // with --json standard output is JSON and nothing else
  const Processor processor = describe_processor();
  table << processor.name << ", LibTorch's kernels " << processor.kernels << ", " << options.threads
        << " threads, load " << processor.load << "; floor: share of the rate of matrix products (encoder) or of "
        << "reading memory (decoder), measured in turn with each run\n";
  bench::Bench bench(options, table);
  for (const auto group : {bench::bench_encoder, bench::bench_decoder, bench::bench_caption, bench::bench_preprocess,
                           bench::bench_house, bench::bench_stylize})
    group(bench);
  if (json) std::cout << bench.json().dump(1) << "\n";
  flush_results(std::cout);
  return exit_done;
}

}  // namespace

int main(int argc, char* argv[]) {
  CLI::App app("Measures Limn on this machine, with random weights of BLIP-base's size and with the default model.",
               "limn-bench");
  bench::Options options;
  options.program = LIMN_PROGRAM;
  bool json = false;
  app.add_option("-t,--threads", options.threads, "threads that compute (default: 2)")->check(CLI::Range(1, 4096));
  app.add_option("-r,--repeat", options.repeat, "timed runs of each row (default: 5)")->check(CLI::Range(1, 1000));
  app.add_option("-o,--only", options.only,
                 "groups (encoder, decoder, caption, preprocess, house, stylize) or parts of \"group:name, dtype\"; "
                 "several times");
  app.add_flag("--json", json, "JSON on standard output, the table on standard error");
  CLI11_PARSE(app, argc, argv);
  return guarded([&] { return measure(options, json); }, std::cerr);
}
