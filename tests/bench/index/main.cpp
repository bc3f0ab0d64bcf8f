#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/index_io.h>
#include <sys/resource.h>

#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <set>

#include "apps/machine.h"
#include "core/json.h"
#include "core/ops.h"
#include "fusion/index.h"

// limn-bench-index: the retrieval index on made-up vectors, beside plain FAISS on the same vectors in the same minutes.
// Each query is asked of both in turn. docs/performance.md and docs/index.md have results.

namespace {

using namespace limn;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Options {
  std::int64_t rows = 100000, width = 512, queries = 200, per_cluster = 100;
  double spread = 1;
  std::uint64_t seed = 1;
  fs::path folder = fs::temp_directory_path();
  std::vector<std::string> types = {"fp32", "fp16", "int8"};
  std::vector<std::string> structures = {"exact", "cells"};
  bool json = false;
};

/// Clusters of unit vectors, as embeddings of photos are: centre + spread x noise of the same length, normalised. Row r
/// belongs to cluster r mod C; the block that begins at row `first` is the same whatever blocks are made before it.
class Generator {
 public:
  explicit Generator(const Options& options) : options_(options) {
    at::Generator random = at::make_generator<at::CPUGeneratorImpl>(options.seed);
    const std::int64_t C = std::max<std::int64_t>(1, options.rows / options.per_cluster);
    centres_ = unit(at::randn({C, options.width}, random));
  }
  Tensor block(std::int64_t first, std::int64_t count) const {
    at::Generator random =
        at::make_generator<at::CPUGeneratorImpl>(options_.seed + 1000003 + static_cast<std::uint64_t>(first));
    const Tensor noise = unit(at::randn({count, options_.width}, random));
    const Tensor cluster = at::remainder(at::arange(first, first + count, at::kLong), centres_.size(0));
    return unit(centres_.index_select(0, cluster) + options_.spread * noise);
  }
  Tensor queries() const { return block(std::int64_t{1} << 40, options_.queries); }

 private:
  static Tensor unit(const Tensor& x) { return x / x.norm(2, 1, true); }
  const Options& options_;
  Tensor centres_;
};

constexpr std::int64_t kBlock = 20000;

/// One index of somebody's: built, then asked.
struct Subject {
  std::string name;
  double build = 0, open = 0;  ///< seconds, of building until the index lies in a file, and of opening that
  double bytes = 0;            ///< of the file, per vector
  double beside = 0;           ///< of these, what is not the vector: Limn keeps each picture's path, size, times, hash
  std::function<std::vector<std::int64_t>(const Tensor& query)> ask = nullptr;  ///< [D] -> 10 rows
  std::vector<double> seconds = {};
  std::int64_t hits = 0;
};

double percentile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

double vector_bytes(const Options& options, const std::string& type) {
  return (type == "fp32" ? 4.0 : type == "fp16" ? 2.0 : 1.0) * static_cast<double>(options.width);
}

Subject ours(const Options& options, const Generator& generator, VectorType type, const std::string& type_name,
             bool cells) {
  Subject subject{"limn " + type_name + (cells ? " cells" : " exact")};
  const fs::path file = options.folder / "limn-bench.idx";
  const Clock::time_point start = Clock::now();
  create_index(file, {"made up", "0", options.width, type});
  double generating = 0;
  {
    IndexWriter writer(file);
    for (std::int64_t at = 0; at < options.rows; at += kBlock) {
      const Clock::time_point made = Clock::now();
      const Tensor block = generator.block(at, std::min(kBlock, options.rows - at));
      std::vector<NewEntry> entries(static_cast<std::size_t>(block.size(0)));
      for (std::size_t i = 0; i < entries.size(); ++i)
        entries[i].entry.path = "/photos/" + std::to_string(at + static_cast<std::int64_t>(i)) + ".jpg";
      generating += since(made);
      writer.add(entries, block);
    }
  }
  tidy_index(file, {.structure = cells ? Structure::cells : Structure::exact});
  subject.build = since(start) - generating;
  subject.bytes = static_cast<double>(fs::file_size(file)) / static_cast<double>(options.rows);
  subject.beside = subject.bytes - vector_bytes(options, type_name) - (type == VectorType::int8 ? sizeof(float) : 0);
  const Clock::time_point opening = Clock::now();
  const auto index = std::make_shared<Index>(read_index(file));
  subject.open = since(opening);
  fs::remove(file);  // it stays mapped
  subject.ask = [index](const Tensor& query) {
    const QueryTerm term{query};
    std::vector<std::int64_t> rows;
    for (const Found& hit : index->search(std::span(&term, 1), {.count = 10})) {
      const std::string& path = index->content().entries[static_cast<std::size_t>(hit.picture)].path;
      rows.push_back(std::stoll(path.substr(8)));
    }
    return rows;
  };
  return subject;
}

std::shared_ptr<faiss::Index> plain_faiss(const Options& options, const std::string& type, bool cells) {
  const auto D = static_cast<int>(options.width);
  const auto L = static_cast<std::size_t>(2 * std::sqrt(static_cast<double>(options.rows)));
  constexpr auto product = faiss::METRIC_INNER_PRODUCT;
  const auto code = type == "fp16" ? faiss::ScalarQuantizer::QT_fp16 : faiss::ScalarQuantizer::QT_8bit;
  if (!cells && type == "fp32") return std::make_shared<faiss::IndexFlat>(D, product);
  if (!cells) return std::make_shared<faiss::IndexScalarQuantizer>(D, code, product);
  auto* centres = new faiss::IndexFlat(D, product);
  std::shared_ptr<faiss::IndexIVF> index;
  if (type == "fp32")
    index = std::make_shared<faiss::IndexIVFFlat>(centres, D, L, product);
  else
    index = std::make_shared<faiss::IndexIVFScalarQuantizer>(centres, D, L, code, product, false);
  index->own_fields = true;
  index->cp.niter = 10;
  index->cp.spherical = true;
  index->nprobe = static_cast<std::size_t>(default_probes(static_cast<std::int64_t>(L)));
  return index;
}

Subject theirs(const Options& options, const Generator& generator, const std::string& type, bool cells) {
  Subject subject{"faiss " + type + (cells ? " ivf" : " flat")};
  const std::shared_ptr<faiss::Index> index = plain_faiss(options, type, cells);
  if (!index->is_trained) {  // on as many as Limn takes
    const std::int64_t wanted = std::min(
        options.rows, cells ? 80 * static_cast<std::int64_t>(std::sqrt(static_cast<double>(options.rows))) : kBlock);
    std::vector<Tensor> parts;
    for (std::int64_t at = 0; at < wanted; at += kBlock)
      parts.push_back(generator.block(at, std::min(kBlock, wanted - at)));
    const Tensor sample = at::cat(parts).contiguous();
    const Clock::time_point start = Clock::now();
    index->train(sample.size(0), sample.data_ptr<float>());
    subject.build += since(start);
  }
  for (std::int64_t at = 0; at < options.rows; at += kBlock) {
    const Tensor block = generator.block(at, std::min(kBlock, options.rows - at)).contiguous();
    const Clock::time_point start = Clock::now();
    index->add(block.size(0), block.data_ptr<float>());
    subject.build += since(start);
  }
  const fs::path file = options.folder / "limn-bench.faiss";
  const Clock::time_point writing = Clock::now();
  faiss::write_index(index.get(), file.c_str());
  subject.build += since(writing);
  subject.bytes = static_cast<double>(fs::file_size(file)) / static_cast<double>(options.rows);
  subject.beside = subject.bytes - vector_bytes(options, type);
  fs::remove(file);
  subject.ask = [index](const Tensor& query) {
    std::vector<std::int64_t> rows(10);
    std::vector<float> products(10);
    index->search(1, query.data_ptr<float>(), 10, products.data(), rows.data());
    return rows;
  };
  return subject;
}

/// The true neighbours, by plain products over the made vectors.
std::vector<std::set<std::int64_t>> truth(const Options& options, const Generator& generator, const Tensor& queries) {
  Tensor best = at::full({queries.size(0), 10}, -2.0), rows = at::zeros({queries.size(0), 10}, at::kLong);
  for (std::int64_t at = 0; at < options.rows; at += kBlock) {
    const Tensor products = at::linear(queries, generator.block(at, std::min(kBlock, options.rows - at)));
    const auto [values, places] = products.topk(std::min<std::int64_t>(10, products.size(1)), 1);
    const auto [kept, order] = at::cat({best, values}, 1).topk(10, 1);
    rows = at::cat({rows, places + at}, 1).gather(1, order);
    best = kept;
  }
  std::vector<std::set<std::int64_t>> all;
  for (std::int64_t q = 0; q < queries.size(0); ++q) {
    const Tensor row = rows[q].contiguous();
    all.emplace_back(row.data_ptr<std::int64_t>(), row.data_ptr<std::int64_t>() + 10);
  }
  return all;
}

void compare(const Options& options, const Generator& generator, const Tensor& queries,
             const std::vector<std::set<std::int64_t>>& expected, const std::string& type, bool cells) {
  const VectorType stored = type == "fp32" ? VectorType::fp32 : type == "fp16" ? VectorType::fp16 : VectorType::int8;
  std::vector<Subject> both;
  both.push_back(ours(options, generator, stored, type, cells));
  both.push_back(theirs(options, generator, type, cells));
  for (Subject& subject : both)  // warm
    for (std::int64_t q = 0; q < 3; ++q) subject.ask(queries[q]);
  for (std::int64_t q = 0; q < queries.size(0); ++q)
    for (Subject& subject : both) {
      const Clock::time_point start = Clock::now();
      const std::vector<std::int64_t> rows = subject.ask(queries[q]);
      subject.seconds.push_back(since(start));
      for (const std::int64_t row : rows)
        subject.hits += static_cast<std::int64_t>(expected[static_cast<std::size_t>(q)].count(row));
    }
  const double base = percentile(both[1].seconds, 0.5);
  for (const Subject& subject : both) {
    const double p50 = percentile(subject.seconds, 0.5), p99 = percentile(subject.seconds, 0.99);
    const double recall = static_cast<double>(subject.hits) / static_cast<double>(10 * queries.size(0));
    if (options.json) {
      std::cout << Json::object({{"name", subject.name},
                                 {"rows", options.rows},
                                 {"width", options.width},
                                 {"build_s", subject.build},
                                 {"open_s", subject.open},
                                 {"p50_ms", 1e3 * p50},
                                 {"p99_ms", 1e3 * p99},
                                 {"recall_at_10", recall},
                                 {"bytes_per_vector", subject.bytes},
                                 {"of_these_beside_it", subject.beside},
                                 {"p50_over_faiss", p50 / base}})
                       .dump()
                << std::endl;
    } else {
      std::printf("%-18s %9lld %9.2f %8.3f %9.2f %9.2f %8.4f %9.0f %8.0f %8.2f\n", subject.name.c_str(),
                  static_cast<long long>(options.rows), subject.build, subject.open, 1e3 * p50, 1e3 * p99, recall,
                  subject.bytes, subject.beside, p50 / base);
      std::fflush(stdout);
    }
  }
}

}  // namespace

int main(int argc, char* argv[]) {
  Options options;
  int threads = 2;
  CLI::App app("The retrieval index on made-up clustered vectors, beside plain FAISS", "limn-bench-index");
  app.add_option("--rows", options.rows, "vectors")->capture_default_str()->check(CLI::Range(1000, 100000000));
  app.add_option("--width", options.width, "numbers per vector")->capture_default_str()->check(CLI::Range(8, 8192));
  app.add_option("--queries", options.queries, "")->capture_default_str()->check(CLI::Range(10, 100000));
  app.add_option("--per-cluster", options.per_cluster, "vectors per cluster")->capture_default_str();
  app.add_option("--spread", options.spread, "length of the noise beside a centre's 1")->capture_default_str();
  app.add_option("--types", options.types, "fp32, fp16, int8")->capture_default_str();
  app.add_option("--structures", options.structures, "exact, cells")->capture_default_str();
  app.add_option("--folder", options.folder, "where the index lies")->capture_default_str();
  app.add_option("--threads", threads, "")->capture_default_str();
  app.add_option("--seed", options.seed, "")->capture_default_str();
  app.add_flag("--json", options.json, "one object a line");
  CLI11_PARSE(app, argc, argv);
  at::set_num_threads(threads);
  if (is_reference_blas(blas_library()))
    std::cerr << "matrix products go through " << blas_library() << ", which is slow: the figures mean nothing\n";
  const at::NoGradGuard no_gradient;
  const Generator generator(options);
  const Tensor queries = generator.queries();
  const auto expected = truth(options, generator, queries);
  if (!options.json)
    std::printf("%-18s %9s %9s %8s %9s %9s %8s %9s %8s %8s\n", "", "vectors", "build s", "open s", "p50 ms", "p99 ms",
                "recall", "bytes", "beside", "x faiss");
  for (const std::string& structure : options.structures)
    for (const std::string& type : options.types)
      compare(options, generator, queries, expected, type, structure == "cells");
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::cerr << "peak memory " << usage.ru_maxrss / 1024 << " MB\n";
}
